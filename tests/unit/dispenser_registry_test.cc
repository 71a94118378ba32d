// The life of a definition: what is written in which flush, and who learns of it when.
#include <algorithm>

#include "registry_test.h"

namespace number_dispenser {
namespace {

using testing_support::FakeStore;
using testing_support::RegistryTest;
using Lines = std::vector<std::string>;

TEST_F(RegistryTest, LiveIsWrittenOnlyAfterThePendingDefinitionIsFlushed) {
  const uint64_t change = define("a");
  EXPECT_EQ(store.take_written(), Lines{"pending 0"});
  ASSERT_TRUE(registry->begin_flush());
  EXPECT_EQ(store.take_written(), Lines{}) << "LIVE in the flush of PENDING";
  tick(*view);
  EXPECT_FALSE(settled(change));
  registry->end_flush();
  EXPECT_TRUE(registry->has_work());
  EXPECT_EQ(store.take_written(), Lines{});
  ASSERT_TRUE(registry->begin_flush());
  EXPECT_EQ(store.take_written(), Lines{"live 0"});
  tick(*view);
  EXPECT_FALSE(settled(change));
  EXPECT_EQ(cell("a").durable_bound.load(), 0U);
  registry->end_flush();
  tick(*view);
  EXPECT_TRUE(settled(change));
}

TEST_F(RegistryTest, ADeletedNamesRepliesWaitForTheTombstone) {
  define("a");
  settle();
  Cell& a = cell("a");
  const uint64_t held = draw(a);
  const auto change = registry->remove(*view, "a");
  EXPECT_EQ(change.outcome, Outcome::kDone);
  EXPECT_EQ(view->find("a"), nullptr);
  ASSERT_TRUE(registry->begin_flush());
  EXPECT_LE(a.durable_bound.load(), held);
  registry->end_flush();
  EXPECT_EQ(a.durable_bound.load(), kNoLimit);
  tick(*view);
  EXPECT_TRUE(settled(change.change));
}

TEST_F(RegistryTest, ASlotIsUsedAgainOnlyAfterItsTombstoneIsDurableAndEveryLoopHasForgottenIt) {
  auto other = registry->make_view();
  define("a");
  for (int ticks = 0; ticks < 3; ++ticks) {
    tick(*other);
    settle();
  }
  tick(*other);
  store.take_written();
  registry->remove(*view, "a");
  const auto was_freed = [&] {
    const Lines lines = store.take_written();
    return std::ranges::count(lines, "free 0") > 0;
  };
  tick(*view);
  tick(*other);
  EXPECT_FALSE(was_freed()) << "before any flush";
  ASSERT_TRUE(registry->begin_flush());
  tick(*view);
  tick(*other);
  EXPECT_FALSE(was_freed()) << "while the tombstone is on its way";
  registry->end_flush();
  tick(*view);
  EXPECT_FALSE(was_freed()) << "the other loop may still hold a reply of it";
  tick(*other);
  EXPECT_TRUE(was_freed());
}

TEST_F(RegistryTest, ADefinitionSettlesOnlyWhenEveryLoopHasAdoptedIt) {
  auto other = registry->make_view();
  const uint64_t change = define("a");
  for (int ticks = 0; ticks < 3; ++ticks) {
    tick(*view);
    flush();
  }
  EXPECT_FALSE(settled(change));
  EXPECT_EQ(other->find("a"), nullptr);
  registry->adopt(*other);
  EXPECT_NE(other->find("a"), nullptr);
  EXPECT_FALSE(settled(change)) << "adopted, but its tick has not ended";
  EXPECT_TRUE(registry->announce(*other));
  EXPECT_TRUE(settled(change));
}

TEST_F(RegistryTest, ADeletionDuringTheCreationSettlesBoth) {
  for (int flushes_before = 0; flushes_before < 3; ++flushes_before) {
    const std::string name = "n" + std::to_string(flushes_before);
    const uint64_t created = define(name);
    for (int done = 0; done < flushes_before; ++done) flush();
    if (flushes_before == 1) ASSERT_TRUE(registry->begin_flush());  // LIVE is on its way
    const auto removed = registry->remove(*view, name);
    if (flushes_before == 1) registry->end_flush();
    settle();
    EXPECT_TRUE(settled(created)) << flushes_before;
    EXPECT_TRUE(settled(removed.change)) << flushes_before;
    const Lines lines = store.take_written();
    ASSERT_FALSE(lines.empty());
    EXPECT_EQ(lines.back(), "free 0") << flushes_before;
    EXPECT_EQ(registry->size(), 0U);
  }
}

TEST_F(RegistryTest, ADefinitionDeletedOnceItIsPendingIsNotMadeLive) {
  define("a");
  flush();
  registry->remove(*view, "a");
  store.take_written();
  settle();
  EXPECT_EQ(store.take_written(), Lines{"free 0"});
}

TEST_F(RegistryTest, ASwitchOfADispenserThatIsDeletedMeanwhileWritesNothing) {
  define("a");
  settle();
  const BoundRecord before = store.records[0];
  const auto switched = registry->switch_strategy("a", StrategyId::kPreBase);
  const auto removed = registry->remove(*view, "a");
  settle();
  EXPECT_TRUE(settled(switched.change));
  EXPECT_TRUE(settled(removed.change));
  EXPECT_EQ(store.records[0], before);
}

TEST_F(RegistryTest, TheSameDefinitionAgainSettlesWithTheFirst) {
  const uint64_t first = define("a");
  const auto again = registry->define(*view, "a", kCounting, std::nullopt);
  EXPECT_EQ(again.outcome, Outcome::kDone);
  EXPECT_GE(again.change, first);
  flush();
  tick(*view);
  EXPECT_FALSE(settled(again.change));
  settle();
  EXPECT_TRUE(settled(again.change));
}

TEST_F(RegistryTest, ADefinitionThatDiffersInAnyFieldIsRefusedAndChangesNothing) {
  constexpr Definition kFirst{Kind::kFixedLength, 3, 10, 2};
  registry->define(*view, "a", kFirst, std::nullopt);
  settle();
  for (const Definition& other :
       {Definition{Kind::kIncrementing, 0, 10, 2}, Definition{Kind::kFixedLength, 4, 10, 2},
        Definition{Kind::kFixedLength, 3, 11, 2}, Definition{Kind::kFixedLength, 3, 10, 3}}) {
    EXPECT_EQ(registry->define(*view, "a", other, StrategyId::kMemory).outcome, Outcome::kDiffers);
    EXPECT_EQ(registry->info("a")->definition, kFirst);
    EXPECT_EQ(registry->info("a")->strategy, StrategyId::kElegantClose);
    EXPECT_FALSE(registry->has_work());
  }
}

TEST_F(RegistryTest, WithoutASlotADefinitionWaitsForGrowthOrIsRefused) {
  FakeStore full(1);
  Registry small(full, clock);
  const auto v = small.make_view();
  EXPECT_EQ(small.define(*v, "a", kCounting, std::nullopt).outcome, Outcome::kDone);
  EXPECT_EQ(small.define(*v, "b", kCounting, std::nullopt).outcome, Outcome::kNoRoom);
  small.refuse_new(true);
  EXPECT_EQ(small.define(*v, "b", kCounting, std::nullopt).outcome, Outcome::kRefused);
  EXPECT_EQ(small.size(), 1U);
}

TEST_F(RegistryTest, UnknownNamesAreNotFound) {
  EXPECT_EQ(registry->switch_strategy("a", StrategyId::kMemory).outcome, Outcome::kNotFound);
  EXPECT_EQ(registry->remove(*view, "a").outcome, Outcome::kNotFound);
  EXPECT_EQ(registry->info("a"), std::nullopt);
}

TEST_F(RegistryTest, ListsNamesBySlotAndGoesOnWhereItStopped) {
  for (const char* name : {"a", "b", "c", "d"}) define(name);
  settle();
  registry->remove(*view, "b");
  define("e");
  std::vector<std::string> names;
  const auto take = [&](std::string_view name) { names.emplace_back(name); };
  const uint64_t next = registry->list(0, 2, take);
  EXPECT_EQ(names, (std::vector<std::string>{"a", "c"}));
  EXPECT_EQ(registry->list(next, 10, take), 0U);
  EXPECT_EQ(names, (std::vector<std::string>{"a", "c", "d", "e"}));
  EXPECT_EQ(registry->slots(), 5U);
}

TEST_F(RegistryTest, ARequestedFlushIsSettledWhenItHasEnded) {
  const uint64_t change = registry->request_flush();
  EXPECT_TRUE(registry->has_work());
  ASSERT_TRUE(registry->begin_flush());
  EXPECT_FALSE(settled(change));
  registry->end_flush();
  EXPECT_TRUE(settled(change));
  EXPECT_FALSE(registry->begin_flush()) << "one is enough";
}

TEST_F(RegistryTest, WhatTheStoreWroteItselfIsFlushed) {
  store.has_written = true;
  EXPECT_TRUE(registry->begin_flush());
  registry->end_flush();
  EXPECT_FALSE(registry->begin_flush());
}

TEST_F(RegistryTest, TheCloseWritesEveryExactPositionThatIsNotWrittenYet) {
  for (const char* name : {"drawn", "window", "idle"}) define(name, StrategyId::kPreBase);
  define("memory", StrategyId::kMemory);
  settle();
  draw(cell("window"));
  clock.advance_ms(1000);
  for (int flushes = 0; flushes < 4; ++flushes) {
    draw(cell("window"));
    flush();
  }
  ASSERT_GT(store.records[cell("window").slot].bound, 5U) << "no window is open";
  for (const char* name : {"drawn", "memory"}) draw(cell(name));
  define("not live");
  std::vector<uint32_t> slots;
  store.before_write_bound = [&](uint32_t slot, const BoundRecord&) { slots.push_back(slot); };
  registry->close();
  EXPECT_EQ(slots, (std::vector{cell("drawn").slot, cell("window").slot}));
  EXPECT_EQ(store.records[slots[0]], (BoundRecord{1, 1, 0, StrategyId::kPreBase}));
  EXPECT_EQ(store.records[slots[1]], (BoundRecord{5, 5, 0, StrategyId::kPreBase}));
}

TEST_F(RegistryTest, TheLastFlushHasATime) {
  const int64_t before = registry->last_flush_unix_s();
  clock.advance_ms(5000);
  define("a");
  EXPECT_EQ(registry->last_flush_unix_s(), before);
  settle();
  EXPECT_EQ(registry->last_flush_unix_s(), before + 5);
}

TEST_F(RegistryTest, ASlotThatIsFreeAgainIsNotRaisedForALateWish) {
  define("a");
  settle();
  const auto other = registry->make_view();
  Cell* late = other->find("a");
  registry->remove(*view, "a");
  ASSERT_TRUE(registry->begin_flush());
  // The other loop has not heard of the end yet.
  late->draw(1);
  registry->want_raise(*late);
  registry->end_flush();
  for (Registry::View* each : {view.get(), other.get(), view.get(), other.get()}) tick(*each);
  const BoundRecord before = store.records[late->slot];
  EXPECT_FALSE(registry->begin_flush());
  EXPECT_EQ(store.records[late->slot], before);
}

TEST_F(RegistryTest, AnOpenWindowOfADeletedDispenserIsSweptAway) {
  for (const bool retired : {false, true}) {
    define("a", StrategyId::kPreCheckpoint);
    settle();
    for (int draws = 0; draws < 200; ++draws) {
      draw(cell("a"));
      clock.advance_ms(10);
      flush();
    }
    ASSERT_TRUE(registry->sweeping());
    registry->remove(*view, "a");
    if (retired) settle();
    registry->sweep();
    EXPECT_FALSE(registry->sweeping());
    settle();
  }
}

TEST_F(RegistryTest, ARandomDispensersStatisticsAreWrittenOnceTheyAreOld) {
  const auto made =
      registry->define(*view, "r", {Kind::kRandom, 6, 0, 0}, StrategyId::kElegantClose);
  ASSERT_EQ(made.outcome, Outcome::kDone);
  settle();
  const uint32_t slot = cell("r").slot;
  for (int draws = 0; draws < 7; ++draws) draw(cell("r"));
  flush();
  ASSERT_TRUE(registry->sweeping());
  registry->sweep();
  EXPECT_EQ(store.records[slot].position, 0U);
  clock.advance_ms(2000);
  registry->sweep();
  flush();
  EXPECT_EQ(store.records[slot].position, 7U);
  EXPECT_FALSE(registry->sweeping());
  // Into a strategy that keeps nothing, and back.
  for (const StrategyId strategy : {StrategyId::kMemory, StrategyId::kPreBase}) {
    registry->switch_strategy("r", strategy);
    settle();
    EXPECT_EQ(store.records[slot].strategy, strategy);
  }
}

TEST_F(RegistryTest, ARandomDispenserWhoseStatisticsWillBeWrittenAnywayAsksForNothing) {
  registry->define(*view, "r", {Kind::kRandom, 6, 0, 0}, StrategyId::kElegantClose);
  settle();
  Cell& r = cell("r");
  draw(r);
  flush();
  ASSERT_TRUE(registry->sweeping());
  registry->switch_strategy("r", StrategyId::kPreBase);
  settle();
  EXPECT_EQ(r.raise_at.load(), kNoLimit);
  draw(r);
  clock.advance_ms(2000);
  registry->sweep();
  flush();
  EXPECT_EQ(store.records[r.slot].position, 2U);
  EXPECT_EQ(r.raise_at.load(), 2U) << "from here on it asks again";
}

}  // namespace
}  // namespace number_dispenser
