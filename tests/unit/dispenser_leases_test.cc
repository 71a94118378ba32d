// Segments: what a registry in a cluster issues, wishes for, keeps and gives up.
#include "registry_test.h"

namespace number_dispenser {
namespace {

using testing_support::FakeStore;
using testing_support::RegistryTest;
using Supply = Registry::Supply;

class RegistryLeases : public RegistryTest {
 protected:
  RegistryLeases() {
    restart(false);
    registry->resume_leases();
  }
  void restart(bool resume) {
    view.reset();
    registry = std::make_unique<Registry>(store, clock, Registry::Mode::kClustered);
    view = registry->make_view();
    if (resume) registry->resume_leases();
  }
  Cell& define_leased(uint64_t end, StrategyId strategy = StrategyId::kPreBase,
                      Definition definition = kCounting) {
    EXPECT_EQ(
        registry->define(*view, "d", definition, strategy, {.generation = 7, .end = end}).outcome,
        Outcome::kDone);
    settle();
    return cell("d");
  }
  // What recovery finds: issued up to `position`.
  void find(const BoundRecord& record, Definition definition = kCounting) {
    store.found = {{0, "d", definition, record}};
    store.records[0] = record;
    restart(false);
  }
  Lease lease() { return registry->info("d")->lease; }
  Registry::Wish wish() {
    const auto wishes = registry->take_wishes();
    EXPECT_EQ(wishes.size(), 1U);
    return wishes.empty() ? Registry::Wish{} : wishes[0];
  }
};

TEST_F(RegistryLeases, NothingPastTheSegmentIsDrawn) {
  Cell& c = define_leased(10);
  for (uint64_t at = 0; at < 10; ++at) EXPECT_EQ(draw(c), at);
  EXPECT_FALSE(c.draw(1));
  EXPECT_EQ(registry->refill(c, 1).supply, Supply::kComing);
}

TEST_F(RegistryLeases, ARegistryThatServesAloneHasNoSupply) {
  RegistryTest::restart();
  define("d");
  EXPECT_EQ(registry->refill(cell("d"), 1).supply, Supply::kExhausted);
}

TEST_F(RegistryLeases, ADispenserWithoutASegmentWishesForOneAtOnce) {
  define_leased(0);
  EXPECT_TRUE(registry->has_wishes());
  const auto wanted = wish();
  EXPECT_EQ(wanted.generation, 7U);
  EXPECT_EQ(wanted.last, 0U);
  EXPECT_FALSE(wanted.is_waited_for);
  EXPECT_FALSE(registry->has_wishes());
}

TEST_F(RegistryLeases, HalfOfASegmentIsLeftWhenTheNextIsWishedFor) {
  Cell& c = define_leased(100);
  for (int at = 0; at < 49; ++at) draw(c);
  settle();
  EXPECT_FALSE(registry->has_wishes());
  EXPECT_EQ(draw(c), 49U);
  EXPECT_EQ(draw(c), 50U);
  settle();
  const auto wanted = wish();
  EXPECT_EQ(wanted.last, 100U);
  EXPECT_EQ(wanted.leased_end, 100U);
  EXPECT_EQ(wanted.usage.ordinals, 51U);
  // One wish at a time.
  draw(c);
  settle();
  EXPECT_FALSE(registry->has_wishes());
}

TEST_F(RegistryLeases, ASegmentThatFollowsMakesTheOneInUseLonger) {
  Cell& c = define_leased(10);
  EXPECT_EQ(registry->refill(c, 20).supply, Supply::kComing);
  const auto wanted = wish();
  EXPECT_TRUE(wanted.is_waited_for);
  EXPECT_EQ(wanted.at_least, 20U);
  EXPECT_TRUE(registry->answer_wish(wanted.slot, 7, Segment{10, 50}));
  EXPECT_EQ(lease(), (Lease{.generation = 7, .end = 50}));
  EXPECT_EQ(c.draw(20), 0U);
}

TEST_F(RegistryLeases, AnotherSegmentIsBegunWhenTheOneInUseIsUsedUp) {
  Cell& c = define_leased(10);
  EXPECT_TRUE(registry->add_segment("d", 7, {100, 200}));
  EXPECT_EQ(c.draw(10), 0U);
  EXPECT_FALSE(c.draw(1));
  EXPECT_EQ(registry->refill(c, 1).supply, Supply::kReady);
  EXPECT_EQ(draw(c), 100U);
  settle();
  EXPECT_EQ(lease(), (Lease{.generation = 7, .end = 200, .skipped = 90}));
  const auto info = registry->info("d");
  EXPECT_EQ(info->generated(), 11U);
  EXPECT_EQ(info->wasted, 0U);
  EXPECT_EQ(info->segment_begin, 100U);
  EXPECT_EQ(store.records[0].lease, lease());
}

TEST_F(RegistryLeases, RefillFindsWhatHasComeMeanwhile) {
  Cell& c = define_leased(10);
  EXPECT_EQ(registry->refill(c, 10).supply, Supply::kReady);
}

TEST_F(RegistryLeases, MoreThanTheRestSkipsItAsFarAsTheBudgetGoes) {
  Cell& c = define_leased(10, StrategyId::kPreBase);
  EXPECT_TRUE(registry->add_segment("d", 7, {100, 200}));
  EXPECT_EQ(c.draw(8), 0U);
  EXPECT_EQ(registry->refill(c, 5).supply, Supply::kReady);
  EXPECT_EQ(c.draw(5), 100U);
  EXPECT_EQ(registry->info("d")->wasted, 2U);
}

TEST_F(RegistryLeases, WithoutABudgetOrALargerSegmentTheRestIsSaid) {
  Cell& c = define_leased(10, StrategyId::kElegantClose);
  EXPECT_TRUE(registry->add_segment("d", 7, {100, 200}));
  EXPECT_EQ(c.draw(8), 0U);
  const auto refill = registry->refill(c, 5);
  EXPECT_EQ(refill.supply, Supply::kBroken);
  EXPECT_EQ(refill.left, 2U);
  EXPECT_EQ(registry->refill(c, 150).supply, Supply::kBroken);
}

TEST_F(RegistryLeases, TheEndOfTheRangeIsTheEnd) {
  Cell& c = define_leased(10, StrategyId::kPreBase, {Kind::kFixedLength, 2, 80, 1});
  EXPECT_EQ(registry->refill(c, 21).supply, Supply::kExhausted);
  EXPECT_EQ(registry->refill(c, 12).supply, Supply::kComing);
  EXPECT_TRUE(registry->answer_wish(wish().slot, 7, Segment{}));
  EXPECT_EQ(registry->refill(c, 12).supply, Supply::kBroken);
  EXPECT_EQ(c.draw(10), 0U);
  EXPECT_EQ(registry->refill(c, 1).supply, Supply::kExhausted);
}

TEST_F(RegistryLeases, AWishWithoutAnAnswerIsMadeAgainByTheNextDraw) {
  Cell& c = define_leased(10);
  EXPECT_EQ(registry->refill(c, 11).supply, Supply::kComing);
  EXPECT_TRUE(registry->answer_wish(wish().slot, 7, std::nullopt));
  EXPECT_EQ(c.raise_at.load(), 0U);
  for (int at = 0; at < 8; ++at) draw(c);
  settle();
  EXPECT_TRUE(registry->has_wishes());
}

TEST_F(RegistryLeases, WhatComesTooLateIsLost) {
  define_leased(10);
  EXPECT_FALSE(registry->add_segment("d", 7, {5, 20}));
  EXPECT_FALSE(registry->add_segment("d", 7, {20, 20}));
  EXPECT_FALSE(registry->add_segment("d", 7, {20, UINT64_MAX}));
  EXPECT_FALSE(registry->add_segment("d", 8, {10, 20}));
  EXPECT_FALSE(registry->add_segment("e", 7, {10, 20}));
  EXPECT_TRUE(registry->add_segment("d", 7, {20, 30}));
  EXPECT_TRUE(registry->add_segment("d", 7, {30, 40}));
  EXPECT_FALSE(registry->add_segment("d", 7, {50, 60}));
  EXPECT_EQ(lease().next, (Segment{20, 40}));
}

TEST_F(RegistryLeases, ADispenserThatIsGoneWishesForNothingAndIsGivenNothing) {
  Cell& c = define_leased(10);
  EXPECT_EQ(registry->refill(c, 11).supply, Supply::kComing);
  registry->remove(*view, "d");
  EXPECT_EQ(registry->refill(c, 11).supply, Supply::kComing);
  EXPECT_TRUE(registry->take_wishes().empty());
  EXPECT_TRUE(registry->answer_wish(0, 7, Segment{10, 20}));
  settle();
  EXPECT_TRUE(registry->answer_wish(0, 7, Segment{10, 20}));
  EXPECT_EQ(registry->outlook().ordinals, 0U);
}

TEST_F(RegistryLeases, RandomAndMemoryDispensersNeedNoLease) {
  Cell& random = define_leased(0, StrategyId::kPreBase, {.kind = Kind::kRandom, .length = 4});
  EXPECT_TRUE(random.draw(1));
  registry->define(*view, "m", kCounting, StrategyId::kMemory, {.generation = 8});
  settle();
  EXPECT_EQ(cell("m").draw(1'000'000), 0U);
  EXPECT_FALSE(registry->has_wishes());
  EXPECT_EQ(registry->refill(cell("m"), UINT64_MAX).supply, Supply::kExhausted);
}

TEST_F(RegistryLeases, UntilLeasesAreKnownToBeGoodNothingIsIssued) {
  find({.bound = 5, .position = 5, .lease = {.generation = 7, .end = 10}});
  EXPECT_FALSE(cell("d").draw(1));
  EXPECT_EQ(registry->refill(cell("d"), 1).supply, Supply::kComing);
  registry->resume_leases();
  EXPECT_EQ(draw(cell("d")), 5U);
  EXPECT_FALSE(registry->has_wishes());
}

TEST_F(RegistryLeases, OneThatHasNothingLeftWishesWhenItsLeasesAreGood) {
  find({.bound = 10, .position = 10, .lease = {.generation = 7, .end = 10}});
  registry->resume_leases();
  EXPECT_EQ(wish().slot, 0U);
}

TEST_F(RegistryLeases, DroppedLeasesAreWaste) {
  find({.bound = 5,
        .position = 5,
        .wasted = 1,
        .strategy = StrategyId::kPreBase,
        .lease = {.generation = 7, .end = 10, .next = {100, 200}}});
  const uint64_t change = registry->drop_leases();
  settle();
  EXPECT_TRUE(settled(change));
  EXPECT_EQ(lease(), (Lease{.generation = 7, .end = 200, .skipped = 90}));
  EXPECT_EQ(registry->info("d")->wasted, 1U + 5 + 100);
  EXPECT_EQ(registry->info("d")->generated(), 4U);
  EXPECT_EQ(store.records[0].position, 200U);
  registry->resume_leases();
  EXPECT_FALSE(cell("d").draw(1));
  EXPECT_EQ(wish().leased_end, 200U);
}

TEST_F(RegistryLeases, DroppingLeavesAloneWhatIsNotLeased) {
  find({.bound = 5, .position = 5});
  registry->drop_leases();
  settle();
  EXPECT_EQ(registry->info("d")->wasted, 0U);
  EXPECT_EQ(store.records[0].position, 5U);
}

TEST_F(RegistryLeases, WhatWasDefinedAloneGoesOnInTheCluster) {
  find({.bound = 5, .position = 5});
  registry->give_lease("d", {.generation = 7, .end = 20});
  registry->resume_leases();
  EXPECT_EQ(draw(cell("d")), 5U);
  settle();
  EXPECT_EQ(store.records[0].lease, (Lease{.generation = 7, .end = 20}));
}

TEST_F(RegistryLeases, TheOutlookSaysWhoRunsOutFirst) {
  Cell& c = define_leased(1000);
  registry->define(*view, "slow", kCounting, StrategyId::kPreBase, {.generation = 8, .end = 1000});
  registry->define(*view, "idle", kCounting, StrategyId::kPreBase, {.generation = 9, .end = 1000});
  settle();
  EXPECT_EQ(registry->outlook().first, "");
  c.draw(500);
  cell("slow").draw(5);
  clock.advance_ms(10'000);
  const auto outlook = registry->outlook();
  EXPECT_EQ(outlook.dispensers, 3U);
  EXPECT_EQ(outlook.ordinals, 500U + 995 + 1000);
  EXPECT_EQ(outlook.first, "d");
  EXPECT_EQ(outlook.lasts_ns, 10'000'000'000U);
}

TEST_F(RegistryLeases, TheRateOfUseLooksBackPastASegmentThatHasJustCome) {
  Cell& c = define_leased(1000);
  clock.advance_ms(9'990);
  c.draw(995);
  registry->refill(c, 100);
  wish();
  registry->answer_wish(0, 7, Segment{1000, 10'995});
  clock.advance_ms(10);
  c.draw(5);
  // A hundred in a second.
  EXPECT_EQ(registry->outlook().first, "d");
  EXPECT_EQ(registry->outlook().lasts_ns, 99'950'000'000U);
  // From a second on it is the rate since that came.
  clock.advance_ms(990);
  c.draw(1'995);
  EXPECT_EQ(registry->outlook().lasts_ns, 4'000'000'000U);
}

TEST_F(RegistryLeases, TheRateOfUseIsUnknownForASecond) {
  define_leased(1000).draw(1000);
  clock.advance_ms(5'000);
  EXPECT_EQ(registry->outlook().lasts_ns, 0U);
  registry->remove(*view, "d");
  settle();
  Cell& again = define_leased(1000);
  again.draw(10);
  clock.advance_ms(999);
  EXPECT_EQ(registry->outlook().first, "");
  clock.advance_ms(1);
  EXPECT_EQ(registry->outlook().first, "d");
  EXPECT_EQ(registry->outlook().lasts_ns, 99'000'000'000U);
}

}  // namespace
}  // namespace number_dispenser
