// What the gate costs: the loop with its connections and held replies, on a ring and a disk that
// take no time.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "memory_registry.h"
#include "number_dispenser/net/loop.h"
#include "number_dispenser/net/session.h"
#include "number_dispenser/resp/reply.h"
#include "number_dispenser/uring/ring.h"

namespace number_dispenser {
namespace {

constexpr size_t kShortestReplyBytes = std::string_view("$1\r\n0\r\n").size();
constexpr std::string_view kGet = "*2\r\n$3\r\nGET\r\n$8\r\norder_id\r\n";

// Delivers what it is told to, and takes every send whole.
class BenchRing final : public Ring {
 public:
  void deliver(std::string_view bytes) { arriving_ = bytes; }
  uint64_t sent_bytes() const { return sent_bytes_; }

  void receive_multishot(Operation& operation, int fd) override { receives_[fd] = &operation; }
  void receive_once(Operation& operation, int fd) override { receives_[fd] = &operation; }
  void send(Operation& operation, int, std::string_view bytes) override {
    sends_.emplace_back(&operation, static_cast<int>(bytes.size()));
  }
  void run_once(uint64_t) override {
    for (const auto& [operation, bytes] : std::exchange(sends_, {})) {
      sent_bytes_ += static_cast<uint64_t>(bytes);
      operation->on_completion({.result = bytes});
    }
    const std::string_view bytes = std::exchange(arriving_, {});
    if (bytes.empty()) return;
    for (const auto& [fd, operation] : receives_)
      operation->on_completion(
          {.result = static_cast<int>(bytes.size()), .more = true, .data = bytes});
  }
  // One loop is awake all the time.
  void wake(Ring&) override {}
  // Input stops while much output waits, or a tick's share of work is done: these loads stay below.
  void cancel(Operation&) override { ND_CHECK(false, "cancel"); }
  void shutdown(int, int) override { ND_CHECK(false, "shutdown"); }
  void close(int) override { ND_CHECK(false, "close"); }
  bool has_unread(int) override { return false; }
  void accept_multishot(Operation&, int) override { ND_CHECK(false, "accept"); }
  void read(Operation&, int, std::span<char>) override { ND_CHECK(false, "read"); }
  void write(Operation&, int, std::span<const std::byte>, uint64_t) override {
    ND_CHECK(false, "write");
  }
  void flush(Operation&, int) override { ND_CHECK(false, "flush"); }

 private:
  std::map<int, Operation*> receives_;
  std::vector<std::pair<Operation*, int>> sends_;
  std::string_view arriving_;
  uint64_t sent_bytes_ = 0;
};

// GET without the command table.
class GetSession final : public Session {
 public:
  explicit GetSession(MemoryRegistry& memory) : memory_(memory) {}

  Next handle(std::span<const std::string_view> request, ReplySink& reply) override {
    Cell* cell = memory_.view().find(request[1]);
    const uint64_t ordinal = *cell->draw(1);
    ReplyWriter(reply.bytes(), Protocol::kResp2).bulk_number(cell->number(ordinal), 0);
    const uint64_t bound = cell->durable_bound.load();
    if (ordinal >= cell->raise_at.load() || ordinal >= bound) memory_.registry().want_raise(*cell);
    if (ordinal >= bound) reply.hold_until_past(cell->durable_bound, ordinal);
    return Next::kContinue;
  }
  bool authenticated() const override { return true; }

 private:
  MemoryRegistry& memory_;
};

class GetSessions final : public SessionFactory {
 public:
  explicit GetSessions(MemoryRegistry& memory) : memory_(memory) {}
  std::unique_ptr<Session> open(unsigned, int, Buffer&) override {
    return std::make_unique<GetSession>(memory_);
  }

 private:
  MemoryRegistry& memory_;
};

// A loop with so many connections, whose descriptors no kernel knows.
struct Served {
  Served(StrategyId strategy, int64_t connections) : sessions(memory) {
    memory.define("order_id", strategy);
    loop.join({&loop}, limits);
    for (int64_t fd = 0; fd < connections; ++fd)
      loop.add_connection({Fd(static_cast<int>(kFirstFd + fd)), nullptr});
    loop.run_tick(0);
  }

  static constexpr int64_t kFirstFd = 1 << 20;
  MemoryRegistry memory;
  ClientLimits limits;
  GetSessions sessions;
  BenchRing ring;
  Loop loop{0, ring, memory.registry(), memory.view(), memory.keeper(), sessions, memory.clock()};
};

std::string pipeline_of(int64_t requests) {
  std::string bytes;
  for (int64_t i = 0; i < requests; ++i) bytes += kGet;
  return bytes;
}

// From requests to replies on state.range(1) connections, each with a pipeline of state.range(2).
// With elegant_close every reply is held, one flush covers them all, the gate lets them out; with
// memory none is held: the difference is what the gate costs.
void round(benchmark::State& state) {
  const auto strategy = static_cast<StrategyId>(state.range(0));
  Served served(strategy, state.range(1));
  const std::string pipeline = pipeline_of(state.range(2));
  const uint64_t sent_before = served.ring.sent_bytes();
  for (auto _ : state) {
    served.ring.deliver(pipeline);
    served.loop.run_tick(0);  // requests are run, their replies wait
    do {
      served.memory.end_io();
      served.loop.run_tick(0);
    } while (!served.memory.keeper().idle());
  }
  served.loop.run_tick(0);
  const uint64_t replies =
      static_cast<uint64_t>(state.iterations() * state.range(1) * state.range(2));
  ND_CHECK(served.ring.sent_bytes() - sent_before >= replies * kShortestReplyBytes,
           "{} bytes for {} replies", served.ring.sent_bytes() - sent_before, replies);
  state.SetItemsProcessed(static_cast<int64_t>(replies));
  state.SetLabel(std::string(strategy_of(strategy).name));
}
BENCHMARK(round)->Apply([](benchmark::internal::Benchmark* cases) {
  constexpr std::pair<int64_t, int64_t> kLoads[] = {{1, 1},  {1, 16},  {1, 128},
                                                    {50, 1}, {50, 16}, {1000, 1}};
  for (const auto& [connections, pipeline] : kLoads)
    for (const StrategyId strategy : {StrategyId::kMemory, StrategyId::kElegantClose})
      cases->Args({static_cast<int64_t>(strategy), connections, pipeline});
});

}  // namespace
}  // namespace number_dispenser

BENCHMARK_MAIN();
