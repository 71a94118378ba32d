// How a dispenser's bound moves, and what may leave meanwhile.
#include "registry_test.h"

namespace number_dispenser {
namespace {

class RegistryBoundsTest : public testing_support::RegistryTest {};

TEST_F(RegistryBoundsTest, NoNumberLeavesBeforeTheDefinitionIsDurableUnderAnyStrategy) {
  for (const Strategy& strategy : kStrategies) {
    const std::string name(strategy.name);
    define(name, strategy.id);
    EXPECT_EQ(draw(cell(name)), 0U);
    EXPECT_EQ(cell(name).durable_bound.load(), 0U) << name;
    flush();
    EXPECT_EQ(cell(name).durable_bound.load(), 0U) << name;
    settle();
    EXPECT_GT(cell(name).durable_bound.load(), 0U) << name;
  }
}

TEST_F(RegistryBoundsTest, TheBoundMovesOnlyWhenItsFlushHasEnded) {
  define("a");
  settle();
  draw(cell("a"));
  draw(cell("a"));
  ASSERT_TRUE(registry->begin_flush());
  EXPECT_EQ(store.records[0].bound, 2U);
  EXPECT_EQ(cell("a").durable_bound.load(), 0U);
  draw(cell("a"));  // not in the flush under way
  registry->end_flush();
  EXPECT_EQ(cell("a").durable_bound.load(), 2U);
  EXPECT_TRUE(registry->has_work());
  flush();
  EXPECT_EQ(cell("a").durable_bound.load(), 3U);
  EXPECT_FALSE(registry->has_work());
}

// cell.h: a loop may draw at the very moment at which a retraction is written.
TEST_F(RegistryBoundsTest, ARetractionLetsNoNumberLeaveThatItsRecordDoesNotCover) {
  define("a", StrategyId::kPreBase);
  settle();
  for (int batch = 0; batch < 20; ++batch) {
    for (int number = 0; number < 100; ++number) draw(cell("a"));
    clock.advance_ms(100);
    flush();
  }
  Cell& a = cell("a");
  ASSERT_GT(a.durable_bound.load(), a.next->load() + 10) << "no window is open";
  int retractions = 0;
  store.before_write_bound = [&](uint32_t, const BoundRecord& record) {
    ++retractions;
    const uint64_t ordinal = a.draw(1).value();
    EXPECT_FALSE(ordinal < a.durable_bound.load() && ordinal >= record.bound)
        << ordinal << " leaves on the bound " << a.durable_bound.load() << " while " << record.bound
        << " is written";
  };
  ASSERT_EQ(registry->switch_strategy("a", StrategyId::kPreClose).outcome, Outcome::kDone);
  ASSERT_TRUE(registry->begin_flush());
  EXPECT_EQ(retractions, 1);
  EXPECT_LE(a.durable_bound.load(), store.records[0].bound);
  registry->end_flush();
  EXPECT_EQ(a.durable_bound.load(), store.records[0].bound);
}

TEST_F(RegistryBoundsTest, ARetractionLetsNoHeldNumberGoBeforeItsFlushHasEnded) {
  define("a");
  settle();
  Cell& a = cell("a");
  for (int number = 0; number < 5; ++number) draw(a);
  ASSERT_EQ(registry->switch_strategy("a", StrategyId::kPreBase).outcome, Outcome::kDone);
  ASSERT_TRUE(registry->begin_flush());
  EXPECT_EQ(a.durable_bound.load(), 0U);
  registry->end_flush();
  EXPECT_EQ(a.durable_bound.load(), 5U);
}

TEST_F(RegistryBoundsTest, ASwitchDuringTheCreationLetsNothingLeaveBeforeIt) {
  define("a");
  Cell& a = cell("a");
  draw(a);
  registry->switch_strategy("a", StrategyId::kPreBase);
  ASSERT_TRUE(registry->begin_flush());
  EXPECT_EQ(a.durable_bound.load(), 0U);
  registry->end_flush();
  EXPECT_EQ(a.durable_bound.load(), 0U);
  settle();
  EXPECT_EQ(a.durable_bound.load(), 1U);
  EXPECT_EQ(store.records[0].strategy, StrategyId::kPreBase);
}

TEST_F(RegistryBoundsTest, ASwitchToMemoryLetsHeldNumbersGoOnlyWhenItsFlushHasEnded) {
  define("a");
  settle();
  Cell& a = cell("a");
  draw(a);
  registry->switch_strategy("a", StrategyId::kMemory);
  ASSERT_TRUE(registry->begin_flush());
  EXPECT_EQ(a.durable_bound.load(), 0U);
  registry->end_flush();
  EXPECT_EQ(a.durable_bound.load(), kNoLimit);
}

TEST_F(RegistryBoundsTest, ASwitchDuringAFlushWaitsForTheNext) {
  define("a");
  settle();
  draw(cell("a"));
  ASSERT_TRUE(registry->begin_flush());
  const auto switched = registry->switch_strategy("a", StrategyId::kPreBase);
  registry->end_flush();
  EXPECT_FALSE(settled(switched.change));
  EXPECT_EQ(store.records[0].strategy, StrategyId::kElegantClose);
  EXPECT_TRUE(registry->has_work());
  flush();
  EXPECT_TRUE(settled(switched.change));
  EXPECT_EQ(store.records[0].strategy, StrategyId::kPreBase);
}

TEST_F(RegistryBoundsTest, AnIdleBoundGoesBackAfterTwoQuietSweepsAndNotBefore) {
  define("a", StrategyId::kPreCheckpoint);
  settle();
  for (int batch = 0; batch < 20; ++batch) {
    for (int number = 0; number < 100; ++number) draw(cell("a"));
    clock.advance_ms(100);
    flush();
  }
  ASSERT_TRUE(registry->sweeping());
  const uint64_t next = cell("a").next->load();
  ASSERT_GT(store.records[0].bound, next);
  draw(cell("a"));
  registry->sweep();  // sees the draw
  registry->sweep();
  flush();
  EXPECT_GT(store.records[0].bound, next + 1);
  registry->sweep();
  flush();
  EXPECT_EQ(store.records[0].bound, next + 1);
  EXPECT_EQ(store.records[0].position, next + 1);
  EXPECT_FALSE(registry->sweeping());
}

TEST_F(RegistryBoundsTest, PreBaseKeepsItsBoundWhenIdle) {
  define("a", StrategyId::kPreBase);
  settle();
  for (int number = 0; number < 100; ++number) {
    draw(cell("a"));
    clock.advance_ms(1);
    flush();
  }
  EXPECT_GT(store.records[0].bound, 100U);
  EXPECT_FALSE(registry->sweeping());
}

TEST_F(RegistryBoundsTest, ABoundNeverPassesTheLastNumber) {
  constexpr Definition kHundred{Kind::kFixedLength, 2, 0, 1};
  registry->define(*view, "a", kHundred, StrategyId::kPreBase);
  settle();
  for (int number = 0; number < 100; ++number) {
    draw(cell("a"));
    clock.advance_ms(1);
    flush();
    ASSERT_LE(store.records[0].bound, 100U);
  }
  EXPECT_EQ(store.records[0].bound, 100U);
  EXPECT_EQ(cell("a").draw(1), std::nullopt);
}

}  // namespace
}  // namespace number_dispenser
