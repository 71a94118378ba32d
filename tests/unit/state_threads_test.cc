// Loops that draw while the keeper raises, retracts and switches.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <thread>

#include "memory_live.h"
#include "memory_storage.h"
#include "number_dispenser/dispenser/registry.h"
#include "number_dispenser/state/state_file.h"
#include "seeded_random.h"
#include "state_bytes.h"

namespace number_dispenser {
namespace {

using testing_support::MemoryLive;
using testing_support::MemoryStorage;
using testing_support::SeededRandom;

constexpr Definition kCounting{Kind::kIncrementing, 0, 0, 1};
constexpr int kLoops = 2;
// Of each loop, at least; more until the keeper has retracted so often, however the threads are
// scheduled.
constexpr uint64_t kDraws = 200'000;
constexpr uint64_t kRetractions = 10;
constexpr std::chrono::seconds kPatience{120};

class ThreadsTest : public testing::Test {
 protected:
  class Told final : public Operation {
   public:
    void on_completion(const Completion&) override {}
  };

  ThreadsTest() : storage(testing_support::small_file(random)) {
    state = std::move(StateFile::open(storage, live, clock, "memory").value());
    registry = std::make_unique<Registry>(*state, clock);
    for (auto& view : views) view = registry->make_view();
    registry->define(*views[0], "n", kCounting, StrategyId::kPreCheckpoint);
    for (int ticks = 0; ticks < 4; ++ticks) {
      for (auto& view : views) registry->adopt(*view);
      if (registry->begin_flush()) registry->end_flush();
      for (auto& view : views) registry->announce(*view);
    }
  }

  // Of the first slot; both copies are whole, since only this thread writes them.
  static uint64_t bound_in(std::span<const std::byte> image) {
    layout::BoundSlot record;
    std::memcpy(&record, image.data() + layout::bound_offset(0, 1), sizeof record);
    return record.bound;
  }

  // A loop: draws, and waits for the gate before it draws far ahead of it.
  void run_loop(int loop) {
    Registry::View& view = *views[static_cast<size_t>(loop)];
    Cell& cell = *view.find("n");
    std::vector<uint64_t> held;
    std::vector<uint64_t>& mine = released[static_cast<size_t>(loop)];
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    for (uint64_t drawn = 0;;) {
      const bool draws = drawn < kDraws || (retractions.load() <= kRetractions &&
                                            std::chrono::steady_clock::now() < deadline);
      if (!draws && held.empty()) break;
      if (draws && held.size() < 64) {
        const uint64_t ordinal = cell.draw(1).value();
        ++drawn;
        const uint64_t bound = cell.durable_bound.load();
        if (ordinal >= cell.raise_at.load() || ordinal >= bound) registry->want_raise(cell);
        if (ordinal < bound)
          release(ordinal, mine);
        else
          held.push_back(ordinal);
      } else {
        if (std::chrono::steady_clock::now() > deadline) break;
        std::this_thread::yield();
      }
      std::erase_if(held, [&](uint64_t ordinal) {
        if (cell.durable_bound.load() <= ordinal) return false;
        release(ordinal, mine);
        return true;
      });
    }
    loops_running.fetch_sub(1);
  }

  void release(uint64_t ordinal, std::vector<uint64_t>& mine) {
    if (ordinal >= certain_bound.load()) not_durable.fetch_add(1);
    mine.push_back(ordinal);
  }

  // Flushes, and now and then retracts or switches.
  void run_keeper() {
    for (uint64_t round = 0; loops_running.load() > 0 || registry->has_work(); ++round) {
      clock.advance_ms(1);
      if (round % 3 == 0 && registry->sweeping()) registry->sweep();
      if (round % 7 == 0)
        registry->switch_strategy(
            "n", round % 2 == 0 ? StrategyId::kPreBase : StrategyId::kPreCheckpoint);
      const uint64_t old_bound = bound_in(storage.durable());
      if (!registry->begin_flush()) {
        std::this_thread::yield();
        continue;
      }
      storage.start_flush(told);
      const uint64_t new_bound = bound_in(storage.bytes());
      if (new_bound < old_bound) retractions.fetch_add(1);
      // A power cut would leave one or the other.
      certain_bound.store(std::min(old_bound, new_bound));
      storage.end_flush();
      certain_bound.store(new_bound);
      registry->end_flush();
      for (auto& view : views) registry->announce(*view);
    }
  }

  SeededRandom random{5};
  MemoryStorage storage;
  MemoryLive live;
  ManualClock clock;
  Told told;
  std::unique_ptr<StateFile> state;
  std::unique_ptr<Registry> registry;
  std::array<std::unique_ptr<Registry::View>, kLoops> views;
  std::array<std::vector<uint64_t>, kLoops> released;
  std::atomic<uint64_t> certain_bound{0};
  std::atomic<uint64_t> not_durable{0};
  std::atomic<int> loops_running{kLoops};
  std::atomic<uint64_t> retractions{0};
};

TEST_F(ThreadsTest, NoOrdinalIsReleasedThatTheDiskDoesNotCover) {
  {
    std::vector<std::jthread> loops;
    for (int loop = 0; loop < kLoops; ++loop) loops.emplace_back([this, loop] { run_loop(loop); });
    run_keeper();
  }
  EXPECT_EQ(not_durable.load(), 0U);
  EXPECT_GT(retractions.load(), kRetractions) << "the race was never run";
  std::vector<uint64_t> all;
  for (auto& mine : released) {
    EXPECT_GE(mine.size(), kDraws);
    all.insert(all.end(), mine.begin(), mine.end());
  }
  std::ranges::sort(all);
  EXPECT_EQ(std::ranges::adjacent_find(all), all.end()) << "issued twice";
  EXPECT_LT(all.back(), bound_in(storage.durable()));
}

// Definitions made by one loop and used by the other.
TEST_F(ThreadsTest, ADefinitionSettlesOnlyWhenTheOtherLoopCanDrawFromIt) {
  constexpr int kNames = 60;
  const auto name_of = [](int number) { return "d" + std::to_string(number); };
  std::atomic<int> asked{-1};
  std::atomic<int> missing{0};
  std::jthread other([&](const std::stop_token& stopped) {
    int seen = -1;
    while (!stopped.stop_requested()) {
      const int number = asked.load();
      registry->adopt(*views[1]);
      if (number != seen && views[1]->find(name_of(number)) == nullptr) missing.fetch_add(1);
      seen = number;
      registry->announce(*views[1]);
    }
  });
  for (int number = 0; number < kNames; ++number) {
    const auto change = registry->define(*views[0], name_of(number), kCounting, std::nullopt);
    ASSERT_EQ(change.outcome, Registry::Outcome::kDone);
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (registry->settled().load() <= change.change) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "never settles";
      registry->adopt(*views[0]);
      if (registry->begin_flush()) registry->end_flush();
      registry->announce(*views[0]);
      std::this_thread::yield();
    }
    asked.store(number);
  }
  EXPECT_EQ(missing.load(), 0);
}

}  // namespace
}  // namespace number_dispenser
