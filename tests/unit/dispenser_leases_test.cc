// Segments: what a registry in a cluster issues, keeps and gives up.
#include <algorithm>
#include <thread>
#include <vector>

#include "registry_leases.h"

namespace number_dispenser {
namespace {

using testing_support::RegistryLeases;
using testing_support::RegistryTest;
using Supply = Registry::Supply;

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

TEST_F(RegistryLeases, AServerThatServesAloneForgetsTheLeasesOfItsFile) {
  find({.bound = 5, .position = 5, .lease = {.generation = 7, .end = 6}});
  RegistryTest::restart();
  EXPECT_EQ(lease(), Lease{});
  EXPECT_EQ(cell("d").draw(2), 5U);
  registry->close();
  EXPECT_EQ(store.records[0].lease, Lease{});
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

TEST_F(RegistryLeases, TheRestIsNotSkippedForASegmentThatIsTooSmallAsWell) {
  Cell& c = define_leased(10, StrategyId::kPreBase);
  EXPECT_TRUE(registry->add_segment("d", 7, {100, 200}));
  EXPECT_EQ(c.draw(8), 0U);
  const auto refill = registry->refill(c, 101);
  EXPECT_EQ(refill.supply, Supply::kBroken);
  EXPECT_EQ(refill.left, 2U);
  EXPECT_EQ(c.draw(2), 8U);
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

// A loop may draw from the rest at the very moment at which another skips it.
TEST_F(RegistryLeases, WhatIsDrawnFromARestWhileItIsSkippedIsNoWaste) {
  constexpr uint64_t kSize = 1000;
  constexpr uint64_t kMany = kSize / 2;
  Cell& c = define_leased(kSize);
  std::vector<uint64_t> drawn, by_other;
  std::jthread other([&](const std::stop_token& stop) {
    while (!stop.stop_requested())
      if (const auto ordinal = c.draw(1))
        by_other.push_back(*ordinal);
      else
        std::this_thread::yield();
  });
  for (uint64_t segment = 1; segment <= 50; ++segment) {
    const uint64_t begin = segment * 2 * kSize;
    ASSERT_TRUE(registry->add_segment("d", 7, {begin, begin + kSize}));
    while (registry->refill(c, kMany).supply != Supply::kComing) {
      const auto first = c.draw(kMany);
      for (uint64_t at = 0; first && at < kMany; ++at) drawn.push_back(*first + at);
    }
  }
  other.request_stop();
  other.join();
  drawn.insert(drawn.end(), by_other.begin(), by_other.end());
  EXPECT_EQ(registry->info("d")->generated(), drawn.size());
  std::ranges::sort(drawn);
  EXPECT_EQ(std::ranges::adjacent_find(drawn), drawn.end());
  const auto is_leased = [](uint64_t ordinal) { return ordinal / kSize % 2 == 0; };
  EXPECT_TRUE(std::ranges::all_of(drawn, is_leased));
}

TEST_F(RegistryLeases, ASegmentIsWrittenThoughTheBoundStaysWhereItIs) {
  Cell& c = define_leased(10);
  const uint64_t bound = store.records[c.slot].bound;
  EXPECT_TRUE(registry->add_segment("d", 7, {100, 200}));
  EXPECT_EQ(store.records[c.slot].lease.next, Segment{});
  settle();
  EXPECT_EQ(store.records[c.slot].lease, (Lease{.generation = 7, .end = 10, .next = {100, 200}}));
  EXPECT_EQ(store.records[c.slot].bound, bound);
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

TEST_F(RegistryLeases, WhatIsDefinedBeforeLeasesAreKnownToBeGoodIsIssuedAfterwards) {
  restart_clustered();
  registry->define(*view, "d", kCounting, std::nullopt, {.generation = 7, .end = 10});
  EXPECT_FALSE(cell("d").draw(1));
  registry->resume_leases();
  EXPECT_EQ(draw(cell("d")), 0U);
  EXPECT_EQ(cell("d").durable_bound.load(), 0U) << "its definition is not durable yet";
  settle();
  EXPECT_EQ(cell("d").durable_bound.load(), 1U);
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

TEST_F(RegistryLeases, DroppingASegmentWithoutANextOneWastesItsRest) {
  find({.bound = 5, .position = 5, .lease = {.generation = 7, .end = 10}});
  registry->drop_leases();
  settle();
  EXPECT_EQ(lease(), (Lease{.generation = 7, .end = 10}));
  EXPECT_EQ(store.records[0].position, 10U);
  EXPECT_EQ(store.records[0].wasted, 5U);
}

TEST_F(RegistryLeases, DroppingDoesNotMoveBackWhatNeedsNoLease) {
  find({.strategy = StrategyId::kMemory, .lease = {.generation = 7}});
  EXPECT_EQ(cell("d").draw(3), 0U);
  registry->drop_leases();
  settle();
  EXPECT_EQ(cell("d").draw(1), 3U);
}

TEST_F(RegistryLeases, DroppingLeavesAloneWhatIsDeleted) {
  find({.bound = 5, .position = 5, .lease = {.generation = 7, .end = 10}});
  const Cell& c = cell("d");
  registry->remove(*view, "d");
  registry->drop_leases();
  settle();
  EXPECT_EQ(c.next->load(), 5U);
  EXPECT_EQ(store.records[0].position, 5U);
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

TEST_F(RegistryLeases, WhatCannotBeLeasedIsNotWishedForAgain) {
  Cell& c = define_leased(10);
  EXPECT_EQ(registry->refill(c, 20).supply, Supply::kComing);
  const Registry::Wish wanted = wish();
  EXPECT_EQ(wanted.left, 10U);
  EXPECT_TRUE(registry->answer_wish(wanted.slot, 7, Segment{30, 35}, wanted.at_least));
  EXPECT_EQ(registry->refill(c, 20).supply, Supply::kTooMany);
  EXPECT_EQ(registry->refill(c, 25).supply, Supply::kTooMany);
  EXPECT_FALSE(registry->has_wishes());
  for (uint64_t at = 0; at < 10; ++at) EXPECT_EQ(draw(c), at);
  EXPECT_EQ(registry->refill(c, 5).supply, Supply::kReady);
}

TEST_F(RegistryLeases, WhatSeemedTooManyIsGivenWhereItHasComeAllTheSame) {
  Cell& c = define_leased(10);
  EXPECT_EQ(registry->refill(c, 20).supply, Supply::kComing);
  EXPECT_TRUE(registry->answer_wish(wish().slot, 7, std::nullopt, 20));
  EXPECT_EQ(registry->refill(c, 20).supply, Supply::kTooMany);
  EXPECT_TRUE(registry->add_segment("d", 7, {30, 60}));
  EXPECT_EQ(c.draw(10), 0U);
  EXPECT_EQ(registry->refill(c, 20).supply, Supply::kReady);
  EXPECT_EQ(c.draw(20), 30U);
}

}  // namespace
}  // namespace number_dispenser
