#include <gtest/gtest.h>

#include <algorithm>

#include "number_dispenser/dispenser/bound.h"
#include "seeded_random.h"

namespace number_dispenser {
namespace {

using testing_support::SeededRandom;

const Strategy& row(StrategyId id) {
  return strategy_of(id);
}
constexpr uint64_t kSecondNs = 1'000'000'000;
// So fast that only the budget limits the window.
constexpr Usage kFast{.ordinals = 1'000'000'000, .elapsed_ns = kSecondNs};

TEST(Strategy, BudgetsAreTheSharesOfTheSpecification) {
  EXPECT_EQ(row(StrategyId::kPreBase).generated_per_waste, 1U);         // 50 %
  EXPECT_EQ(row(StrategyId::kPreCheckpoint).generated_per_waste, 19U);  // 5 %
  EXPECT_EQ(row(StrategyId::kPreClose).generated_per_waste, 999U);      // 0.1 %
  EXPECT_EQ(row(StrategyId::kElegantClose).generated_per_waste, 0U);
  for (size_t at = 0; at < kStrategies.size(); ++at)
    EXPECT_EQ(static_cast<size_t>(kStrategies[at].id), at) << "strategy_of() looks up by position";
}

TEST(Strategy, NamesAreReadInAnyCaseWithEitherDash) {
  for (const Strategy& strategy : kStrategies)
    EXPECT_EQ(parse_strategy(strategy.name), strategy.id) << strategy.name;
  EXPECT_EQ(parse_strategy("PRE_BASE"), StrategyId::kPreBase);
  EXPECT_EQ(parse_strategy("Pre-Close"), StrategyId::kPreClose);
  EXPECT_EQ(parse_strategy("elegant-close"), StrategyId::kElegantClose);
  for (const char* wrong : {"", "mem", "memory ", "pre base", "elegant_close2"})
    EXPECT_EQ(parse_strategy(wrong), std::nullopt) << wrong;
}

TEST(Window, IsTheBudgetsShareOfWhatWasGenerated) {
  EXPECT_EQ(window_ordinals(row(StrategyId::kPreBase), 1000, 0, kFast), 1000U);
  EXPECT_EQ(window_ordinals(row(StrategyId::kPreCheckpoint), 1000, 0, kFast), 52U);
  EXPECT_EQ(window_ordinals(row(StrategyId::kPreClose), 1000, 0, kFast), 1U);
  EXPECT_EQ(window_ordinals(row(StrategyId::kPreClose), 998, 0, kFast), 0U);
  EXPECT_EQ(window_ordinals(row(StrategyId::kElegantClose), 1'000'000, 0, kFast), 0U);
  EXPECT_EQ(window_ordinals(row(StrategyId::kPreBase), 0, 0, kFast), 0U);
}

TEST(Window, PastWasteIsTakenOffTheBudget) {
  EXPECT_EQ(window_ordinals(row(StrategyId::kPreBase), 1000, 400, kFast), 200U);
  EXPECT_EQ(window_ordinals(row(StrategyId::kPreBase), 1000, 500, kFast), 0U);
  EXPECT_EQ(window_ordinals(row(StrategyId::kPreBase), 1000, 900, kFast), 0U);
  EXPECT_EQ(window_ordinals(row(StrategyId::kPreCheckpoint), 1000, 50, kFast), 0U);
  EXPECT_EQ(window_ordinals(row(StrategyId::kPreCheckpoint), 1020, 50, kFast), 1U);
}

TEST(Window, IsNoMoreThanTheUseOfTwoSeconds) {
  const Strategy& pre_base = row(StrategyId::kPreBase);
  EXPECT_EQ(window_ordinals(pre_base, 1'000'000, 0, {1000, kSecondNs}), 2000U);
  EXPECT_EQ(window_ordinals(pre_base, 1'000'000, 0, {1, 10 * kSecondNs}), 0U);
  EXPECT_EQ(window_ordinals(pre_base, 1'000'000, 0, {0, kSecondNs}), 0U);
  // A rate is read off no less than 100 ms: a burst of ten in a microsecond is not ten million a
  // second.
  EXPECT_EQ(window_ordinals(pre_base, 1'000'000, 0, {10, 1000}), 200U);
  EXPECT_EQ(window_ordinals(pre_base, 1'000'000, 0, {10, 0}), 200U);
}

TEST(Window, HugeNumbersDoNotOverflow) {
  constexpr uint64_t kHuge = uint64_t{1} << 63;
  EXPECT_EQ(window_ordinals(row(StrategyId::kPreBase), kHuge, 0, {kHuge, 1}), kHuge);
  EXPECT_EQ(window_ordinals(row(StrategyId::kPreBase), ~uint64_t{0}, kHuge, {~uint64_t{0}, 1}), 0U);
}

TEST(Window, MoreWasteThanOrdinalsIsABrokenInvariant) {
  EXPECT_DEATH(window_ordinals(row(StrategyId::kPreBase), 1, 2, kFast), "wasted 2 of 1");
}

TEST(RaiseThreshold, IsAQuarterBeforeTheBound) {
  EXPECT_EQ(raise_threshold(100, 200), 175U);
  EXPECT_EQ(raise_threshold(100, 103), 103U);
  EXPECT_EQ(raise_threshold(100, 100), 100U);
  EXPECT_DEATH(raise_threshold(101, 100), "next 101 bound 100");
}

// A dispenser in steady use whose bound is raised at the threshold: its windows open geometrically.
TEST(Window, ANewDispensersWindowOpensGeometrically) {
  const Strategy& pre_base = row(StrategyId::kPreBase);
  uint64_t next = 1;
  uint64_t bound = 1;
  int flushes = 0;
  for (; next < 1'000'000; ++flushes) {
    bound = next + window_ordinals(pre_base, next, 0, kFast);
    next = std::max(next + 1, raise_threshold(next, bound));
  }
  EXPECT_LE(flushes, 30) << "each window is about as long as all before it";
  // pre_close first flushes each number, then grows by a thousandth each time: still no flush a
  // number.
  next = 1;
  int careful = 0;
  for (; next < 10'000'000; ++careful)
    next = std::max(
        next + 1,
        raise_threshold(next, next + window_ordinals(row(StrategyId::kPreClose), next, 0, kFast)));
  EXPECT_LT(careful, 30'000);
  EXPECT_GT(careful, 999);
}

struct History {
  uint64_t position = 0, bound = 0, next = 0, wasted = 0;
};

// Uses and crashes at random: whatever the moment, the waste of the whole life is in the budget.
TEST(Window, NoHistoryOfUseAndCrashesExceedsTheBudget) {
  SeededRandom random(20240601);
  for (const Strategy& strategy : kStrategies) {
    if (!strategy.durable) continue;
    uint64_t most_wasted = 0;
    for (int life = 0; life < 2000; ++life) {
      History h;
      const uint64_t patience = 1 + random.below(1'000'000);  // the most drawn at a time
      for (int step = 0; step < 60; ++step) {
        // Draw within the bound, or as a group past it, which waits.
        h.next += 1 + random.below(std::min(patience, 1 + h.next));
        const Usage usage{h.next - h.position, random.below(5 * kSecondNs)};
        h.bound = h.next + window_ordinals(strategy, h.next, h.wasted, usage);
        h.position = h.next;
        if (random.below(3) != 0) continue;
        // The power goes: what a crash costs is bound - position (bound.h).
        h.wasted += h.bound - h.position;
        h.next = h.position = h.bound;
        const uint64_t generated = h.next - h.wasted;
        ASSERT_LE(h.wasted * strategy.generated_per_waste, generated) << strategy.name;
        if (strategy.generated_per_waste == 0) ASSERT_EQ(h.wasted, 0U);
      }
      most_wasted = std::max(most_wasted, h.wasted);
    }
    EXPECT_EQ(most_wasted > 0, strategy.generated_per_waste > 0) << strategy.name;
  }
}

TEST(Window, ADispenserThatHasUsedItsBudgetEarnsANewOne) {
  const Strategy& strategy = row(StrategyId::kPreCheckpoint);
  uint64_t next = 2000;
  uint64_t wasted = window_ordinals(strategy, next, 0, kFast);
  next += wasted;  // a crash with the window full
  EXPECT_EQ(window_ordinals(strategy, next, wasted, kFast), 0U);
  EXPECT_EQ(window_ordinals(strategy, next + 13, wasted, kFast), 0U);
  EXPECT_EQ(window_ordinals(strategy, next + 14, wasted, kFast), 1U) << "2014 is 106 times 19";
}

TEST(BoundRecord, DiffersInEachOfItsFields) {
  const BoundRecord record{9, 8, 7, StrategyId::kPreBase};
  EXPECT_EQ(record, record);
  EXPECT_NE(record, (BoundRecord{10, 8, 7, StrategyId::kPreBase}));
  EXPECT_NE(record, (BoundRecord{9, 9, 7, StrategyId::kPreBase}));
  EXPECT_NE(record, (BoundRecord{9, 8, 8, StrategyId::kPreBase}));
  EXPECT_NE(record, (BoundRecord{9, 8, 7, StrategyId::kPreClose}));
}

}  // namespace
}  // namespace number_dispenser
