// What issuing a number costs without protocol and disk: finding the dispenser, drawing, asking the
// gate, and the bookkeeping of the bounds that have to move.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <vector>

#include "memory_registry.h"

namespace number_dispenser {
namespace {

// The live counter alone, as one loop and as two loops that share a dispenser see it.
void draw(benchmark::State& state) {
  static std::atomic<uint64_t> next{0};
  static Cell cell;
  if (state.thread_index() == 0) {
    cell.next = &next;
    cell.limit = kNoLimit;
  }
  for (auto _ : state) benchmark::DoNotOptimize(cell.draw(1));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(draw)->Threads(1)->Threads(2);

// state.range(0) dispensers, asked for in an order that no cache knows.
void find(benchmark::State& state) {
  MemoryRegistry memory;
  std::vector<std::string> names;
  for (int64_t i = 0; i < state.range(0); ++i) {
    names.push_back("order_id:" + std::to_string(i));
    memory.define(names.back(), StrategyId::kPreClose);
  }
  constexpr size_t kStride = 7919;  // a prime
  size_t at = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(memory.view().find(names[at]));
    at = (at + kStride) % names.size();
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(find)->Arg(1)->Arg(1000)->Arg(50000);

// state.range(1) numbers, each drawn and held where no durable bound covers it; then one flush that
// covers them all.
void issue(benchmark::State& state) {
  const auto strategy = static_cast<StrategyId>(state.range(0));
  MemoryRegistry memory;
  memory.define("order_id", strategy);
  int64_t held = 0;
  for (auto _ : state) {
    for (int64_t i = 0; i < state.range(1); ++i) {
      Cell* cell = memory.view().find("order_id");
      const uint64_t ordinal = *cell->draw(1);
      const uint64_t bound = cell->durable_bound.load();
      if (ordinal >= cell->raise_at.load() || ordinal >= bound) memory.registry().want_raise(*cell);
      if (ordinal >= bound) ++held;
      benchmark::DoNotOptimize(cell->number(ordinal));
    }
    if (memory.registry().has_work()) memory.settle();
  }
  state.SetItemsProcessed(state.iterations() * state.range(1));
  state.SetLabel(std::string(strategy_of(strategy).name));
  state.counters["held"] =
      benchmark::Counter(static_cast<double>(held) / static_cast<double>(state.iterations()));
}
BENCHMARK(issue)->ArgsProduct({benchmark::CreateDenseRange(0, kStrategies.size() - 1, 1),
                               {1, 128}});

}  // namespace
}  // namespace number_dispenser

BENCHMARK_MAIN();
