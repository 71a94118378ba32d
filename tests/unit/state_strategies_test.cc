// All five strategies through all that can happen to them (SPEC.md, sections 1 and 3). The machine
// checks order, duplicates, budgets and figures at every step; the tests say what must be exact.
#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>

#include "machine.h"

namespace number_dispenser {

void PrintTo(const Strategy& strategy, std::ostream* out) {
  *out << strategy.name;
}

namespace {

using testing_support::counting_from;
using testing_support::Machine;

class EveryStrategy : public testing::TestWithParam<Strategy> {
 protected:
  bool durable() const { return GetParam().durable; }
  bool has_budget() const { return GetParam().generated_per_waste > 0; }

  void define(const std::string& name = "n", uint64_t starting = 0) {
    ASSERT_TRUE(machine.define(name, counting_from(starting), GetParam().id));
    machine.settle();
    ASSERT_TRUE(machine.tenancy(name)->created);
  }
  // A steady client: a thousand numbers a second.
  void use(uint64_t numbers, const std::string& name = "n") {
    for (uint64_t drawn = 0; drawn < numbers; ++drawn) {
      ASSERT_TRUE(machine.draw(name));
      machine.clock.advance_ms(1);
      machine.settle();
    }
  }
  void expect_next(uint64_t next, uint64_t wasted) {
    EXPECT_EQ(machine.info("n").next, next);
    EXPECT_EQ(machine.info("n").wasted, wasted);
  }
  // Of all numbers moved past.
  double waste_percent() {
    const Registry::Info info = machine.info("n");
    return info.next == 0
               ? 0
               : 100.0 * static_cast<double>(info.wasted) / static_cast<double>(info.next);
  }

  Machine machine{1};
};

INSTANTIATE_TEST_SUITE_P(Strategies, EveryStrategy, testing::ValuesIn(kStrategies),
                         [](const auto& of) {
                           std::string name(of.param.name);
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST_P(EveryStrategy, FreshIssuesEveryNumberInOrderAndWastesNothing) {
  define();
  use(3000);
  EXPECT_EQ(machine.tenancy("n")->released_count, 3000U);
  expect_next(3000, 0);
}

TEST_P(EveryStrategy, FlushesBecomeRareWhereThereIsABudget) {
  define();
  use(20'000);
  const uint64_t before = machine.storage.flushes();
  use(4000);  // four seconds
  const uint64_t flushes = machine.storage.flushes() - before;
  if (!durable()) {
    EXPECT_EQ(flushes, 0U);
  } else if (!has_budget()) {
    EXPECT_EQ(flushes, 4000U);
  } else {
    // At best one for every one and a half seconds' use; less where the budget is small.
    const uint64_t budget = 20'000 / GetParam().generated_per_waste;
    EXPECT_LE(flushes, 4 + 4000 / std::max<uint64_t>(1, budget * 3 / 4));
  }
}

TEST_P(EveryStrategy, CleanStopGoesOnExactly) {
  define();
  use(3000);
  machine.draw("n");  // its reply is let out by the stop
  machine.stop();
  machine.start();
  expect_next(durable() ? 3001 : 0, 0);
  use(10);
}

TEST_P(EveryStrategy, KillGoesOnExactlyFromTheLiveCounters) {
  define();
  use(3000);
  machine.kill();
  machine.start();
  expect_next(durable() ? 3000 : 0, 0);
  use(10);
}

TEST_P(EveryStrategy, NumbersThatNeverLeftAKilledProcessAreIssuedByTheNext) {
  define();
  use(100);
  uint64_t held = 0;
  for (int drawn = 0; drawn < 500; ++drawn) machine.draw("n");
  held = machine.held();
  machine.kill();
  machine.start();
  expect_next(durable() ? 600 - held : 0, 0);
  EXPECT_EQ(held > 0, durable()) << "a window of 500 after 100 numbers";
}

TEST_P(EveryStrategy, PowerCutWastesWithinTheBudget) {
  define();
  use(20'000);
  const uint64_t next = machine.info("n").next;
  machine.cut_power();
  machine.start();
  if (!durable()) return expect_next(0, 0);
  EXPECT_GE(machine.info("n").next, next);
  EXPECT_EQ(machine.info("n").wasted > 0, has_budget()) << "the window should have been open";
  EXPECT_LE(waste_percent(),
            has_budget() ? 100.0 / static_cast<double>(1 + GetParam().generated_per_waste) : 0.0);
  use(100);
}

TEST_P(EveryStrategy, LostLiveCountersCostNoMoreThanAPowerCut) {
  define();
  use(20'000);
  machine.kill();
  machine.live.lose();
  auto opened = StateFile::open(machine.storage, machine.live, machine.clock, "memory");
  ASSERT_TRUE(opened);
  const auto tenants = (*opened)->tenants();
  ASSERT_EQ(tenants.size(), 1U);
  const BoundRecord& record = tenants[0].record;
  EXPECT_EQ(record.bound, record.position);
  if (durable()) EXPECT_GE(record.position, 20'000U);
  EXPECT_LE(record.wasted * GetParam().generated_per_waste, record.position - record.wasted);
}

TEST_P(EveryStrategy, TenPowerCutsInARowStayWithinTheBudget) {
  define();
  use(5000);
  for (int cut = 0; cut < 10; ++cut) {
    use(200);
    machine.cut_power();
    machine.start();
  }
  EXPECT_LE(waste_percent(),
            has_budget() ? 100.0 / static_cast<double>(1 + GetParam().generated_per_waste) : 0.0);
}

TEST_P(EveryStrategy, CrashesWithoutUseCostNothingMore) {
  define();
  use(5000);
  machine.cut_power();
  machine.start();
  const Registry::Info first = machine.info("n");
  for (int crash = 0; crash < 10; ++crash) {
    if (crash % 2 == 0)
      machine.cut_power();
    else
      machine.kill();
    machine.start();
  }
  expect_next(first.next, first.wasted);
}

TEST_P(EveryStrategy, TenKillsInARowWasteNothing) {
  define();
  for (int kill = 0; kill < 10; ++kill) {
    use(500);
    machine.kill();
    machine.start();
  }
  expect_next(durable() ? 5000 : 0, 0);
}

TEST_P(EveryStrategy, AUsedUpBudgetMeansAFlushANumberUntilMoreIsEarned) {
  define();
  use(20'000);
  machine.cut_power();
  machine.start();
  const uint64_t before = machine.storage.flushes();
  use(5);
  if (!durable()) {
    EXPECT_EQ(machine.storage.flushes(), before);
  } else if (GetParam().id != StrategyId::kPreBase) {  // two seconds' use is less than half of all
    EXPECT_GE(machine.storage.flushes() - before, 5U);
  }
}

TEST_P(EveryStrategy, TwoIdleSecondsLeaveNothingToWasteWhereTheStrategyRetracts) {
  define();
  use(20'000);
  machine.idle_ms(2000);
  machine.cut_power();
  machine.start();
  if (GetParam().id == StrategyId::kPreBase)
    EXPECT_GT(machine.info("n").wasted, 0U);
  else
    expect_next(durable() ? 20'000 : 0, 0);
}

TEST_P(EveryStrategy, AfterAnIdleTimeItGoesOnWithoutRepeatingANumber) {
  define();
  for (int round = 0; round < 5; ++round) {
    use(3000);
    machine.idle_ms(2500);
  }
  machine.cut_power();
  machine.start();
  use(100);
}

TEST_P(EveryStrategy, SwitchingToEveryOtherInPlaceLosesAndRepeatsNothing) {
  uint64_t starting = 0;
  for (const Strategy& other : kStrategies) {
    const std::string name = "to-" + std::string(other.name);
    define(name, starting++);
    use(2000, name);
    machine.switch_strategy(name, other.id);
    machine.draw(name);  // while the switch is on its way
    machine.settle();
    EXPECT_EQ(machine.info(name).strategy, other.id);
    use(500, name);
    EXPECT_EQ(machine.info(name).next, 2501U);
    EXPECT_EQ(machine.info(name).wasted, 0U);
  }
  machine.kill();
  machine.start();
  for (const Strategy& other : kStrategies)
    EXPECT_EQ(machine.info("to-" + std::string(other.name)).next, other.durable ? 2501U : 0U);
  for (const Strategy& other : kStrategies) use(500, "to-" + std::string(other.name));
  machine.cut_power();
  machine.start();
}

TEST_P(EveryStrategy, ADeletedNameStartsAnewAndNothingOfTheOldOneComesBack) {
  define("n", 0);
  use(2000);
  machine.remove("n");
  machine.settle();
  define("n", 1'000'000);
  expect_next(0, 0);
  use(10);
  for (int crash = 0; crash < 3; ++crash) {
    crash == 1 ? machine.cut_power() : machine.kill();
    machine.start();
    EXPECT_EQ(machine.info("n").definition.starting, 1'000'000U);
    EXPECT_LE(machine.info("n").next, 30U);
    use(1);
  }
}

TEST_P(EveryStrategy, ASlotsNextTenantInheritsNoBoundAndNoLiveCounter) {
  define("old");
  use(2000, "old");
  machine.remove("old");
  machine.settle();
  define("n", 7);  // the slot freed last is taken first
  machine.kill();
  machine.start();
  expect_next(0, 0);
  machine.cut_power();
  machine.start();
  expect_next(0, 0);
}

}  // namespace
}  // namespace number_dispenser
