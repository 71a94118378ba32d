// The power goes, or the process, at every point between two steps, with any part of what was not
// flushed on the disk. The machine checks what recovery makes of it.
#include <gtest/gtest.h>

#include "machine.h"

namespace number_dispenser {
namespace {

using testing_support::counting_from;
using testing_support::Machine;

constexpr Definition kCounting{Kind::kIncrementing, 0, 0, 1};

// Where in a tick it happens.
enum class Point { kBeforeFlush, kInFlush, kFlushedNotTold, kToldNotReleased, kReleased };
constexpr Point kPoints[] = {Point::kBeforeFlush, Point::kInFlush, Point::kFlushedNotTold,
                             Point::kToldNotReleased, Point::kReleased};

// Runs one flush up to `point`.
void advance_to(Machine& machine, Point point) {
  if (point == Point::kBeforeFlush) return;
  if (!machine.begin_flush()) return;
  if (point == Point::kInFlush) return machine.storage.write_back(machine.random);
  if (point == Point::kFlushedNotTold) return machine.storage.end_flush();
  machine.end_flush();
  if (point == Point::kReleased) machine.take_replies();
}

// `prepare` brings a dispenser "n" to where something is to be flushed; the machine then ends at
// each point, both ways, and again while the next process has just started.
template <class Prepare>
void crash_everywhere(Prepare prepare) {
  for (const Strategy& strategy : kStrategies)
    for (const Point point : kPoints)
      for (uint64_t seed = 0; seed < 24; ++seed) {
        SCOPED_TRACE(testing::Message() << strategy.name << ", point " << static_cast<int>(point)
                                        << ", seed " << seed);
        Machine machine(seed);
        machine.define("n", kCounting, strategy.id);
        prepare(machine, strategy);
        advance_to(machine, point);
        const bool power = seed % 4 != 0;
        for (int crash = 0; crash < 3; ++crash) {
          power ? machine.cut_power() : machine.kill();
          machine.start();
        }
        if (machine.tenancy("n") != nullptr) machine.draw_and_settle("n", 20);
        machine.cut_power();
        machine.start();
        if (testing::Test::HasFailure()) return;
      }
}

void use(Machine& machine, uint64_t numbers) {
  for (uint64_t drawn = 0; drawn < numbers; ++drawn) {
    machine.draw("n");
    machine.clock.advance_ms(1);
    machine.settle();
  }
}

TEST(CrashPoints, WhileTheDefinitionIsWritten) {
  crash_everywhere([](Machine& machine, const Strategy&) {
    machine.draw("n");
    for (uint64_t flushes = machine.random.below(3); flushes-- > 0;) machine.tick();
  });
}

TEST(CrashPoints, WhileABoundIsRaised) {
  crash_everywhere([](Machine& machine, const Strategy&) {
    use(machine, 1 + machine.random.below(400));
    for (uint64_t burst = machine.random.below(2000); burst-- > 0;) machine.draw("n");
  });
}

TEST(CrashPoints, WhileAnIdleBoundGoesBack) {
  crash_everywhere([](Machine& machine, const Strategy&) {
    use(machine, 2000);
    for (int sweeps = 0; sweeps < 3; ++sweeps) {
      machine.clock.advance_ms(Registry::kSweepMs);
      machine.registry().sweep();
    }
    if (machine.random.chance(50)) machine.draw("n");
  });
}

TEST(CrashPoints, WhileTheStrategyIsSwitched) {
  crash_everywhere([](Machine& machine, const Strategy&) {
    use(machine, 200);
    machine.switch_strategy("n", kStrategies[machine.random.below(kStrategies.size())].id);
    machine.draw("n");
    machine.draw("n");
  });
}

TEST(CrashPoints, WhileItIsDeletedAndDefinedAnew) {
  crash_everywhere([](Machine& machine, const Strategy& strategy) {
    use(machine, 50);
    machine.draw("n");
    machine.remove("n");
    for (uint64_t flushes = machine.random.below(3); flushes-- > 0;) machine.tick();
    machine.define("n", counting_from(1'000'000), strategy.id);
    machine.draw("n");
    for (uint64_t flushes = machine.random.below(3); flushes-- > 0;) machine.tick();
  });
}

TEST(CrashPoints, WhileItStops) {
  for (const Strategy& strategy : kStrategies)
    for (uint64_t seed = 0; seed < 24; ++seed) {
      Machine machine(seed);
      machine.define("n", kCounting, strategy.id);
      use(machine, 1000);
      machine.registry().close();
      if (seed % 3 == 1) machine.storage.write_back(machine.random);
      if (seed % 3 == 2) ASSERT_TRUE(machine.state().close());
      machine.cut_power();
      machine.start();
      if (seed % 3 == 2 && strategy.durable) EXPECT_EQ(machine.info("n").next, 1000U);
      if (seed % 3 == 2) EXPECT_EQ(machine.info("n").wasted, 0U);
    }
}

// Anything at all, in any order, with anything going wrong at any moment.
class RandomHistory {
 public:
  explicit RandomHistory(uint64_t seed) : machine_(seed) {}

  void run(int steps) {
    for (int step = 0; step < steps && !testing::Test::HasFailure(); ++step) act();
    machine_.cut_power();
    machine_.start();
  }

 private:
  void act() {
    testing_support::SeededRandom& random = machine_.random;
    const std::string name = "n" + std::to_string(random.below(3));
    const StrategyId strategy = kStrategies[random.below(kStrategies.size())].id;
    const uint64_t die = random.below(100);
    const bool known = machine_.tenancy(name) != nullptr;
    if (die < 40) {
      for (uint64_t burst = known ? random.below(200) : 0; burst-- > 0;) machine_.draw(name);
      machine_.clock.advance_ms(random.below(50));
    } else if (die < 55) {
      machine_.storage.flushing() ? machine_.end_flush() : void(machine_.begin_flush());
    } else if (die < 75) {
      machine_.tick();
    } else if (die < 80) {
      machine_.storage.write_back(random);
    } else if (die < 85) {
      machine_.clock.advance_ms(Registry::kSweepMs);
      machine_.registry().sweep();
    } else if (die < 92) {
      if (!known) machine_.define(name, counting_from(incarnation_++), strategy);
    } else if (die < 95) {
      if (known) machine_.switch_strategy(name, strategy);
    } else if (die < 96) {
      if (known) machine_.remove(name);
    } else {
      end(die);
      machine_.start();
    }
  }
  void end(uint64_t die) {
    if (die == 96) return machine_.stop();
    if (die == 97) return machine_.kill();
    machine_.cut_power();
  }

  Machine machine_;
  uint64_t incarnation_ = 0;
};

TEST(CrashPoints, NoHistoryRepeatsANumberOrExceedsABudget) {
  for (uint64_t seed = 1; seed <= 400 && !HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    RandomHistory(seed).run(400);
  }
}

}  // namespace
}  // namespace number_dispenser
