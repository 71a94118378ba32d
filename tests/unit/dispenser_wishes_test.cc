// What a registry in a cluster wishes for, and when it does not.
#include "registry_leases.h"

namespace number_dispenser {
namespace {

using testing_support::RegistryLeases;
using testing_support::RegistryTest;
using Supply = Registry::Supply;

constexpr Definition kTwoDigits{Kind::kFixedLength, 2, 0, 1};

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

TEST_F(RegistryLeases, WhileASegmentWaitsToBeBegunNoneIsWishedFor) {
  Cell& c = define_leased(10);
  EXPECT_TRUE(registry->add_segment("d", 7, {100, 200}));
  settle();
  for (int at = 0; at < 10; ++at) draw(c);
  settle();
  EXPECT_FALSE(registry->has_wishes());
  EXPECT_EQ(registry->refill(c, 1).supply, Supply::kReady);
  for (int at = 0; at < 51; ++at) draw(c);
  settle();
  EXPECT_EQ(wish().leased_end, 200U);
}

TEST_F(RegistryLeases, OnceTheWholeRangeIsLeasedNoneIsWishedFor) {
  Cell& c = define_leased(100, StrategyId::kPreBase, kTwoDigits);
  for (int at = 0; at < 51; ++at) draw(c);
  settle();
  EXPECT_TRUE(registry->answer_wish(wish().slot, 7, Segment{}));
  for (int at = 51; at < 100; ++at) draw(c);
  settle();
  EXPECT_FALSE(registry->has_wishes());
}

TEST_F(RegistryLeases, LoopsThatWaitTogetherMakeOneWishForTheMostOfThem) {
  Cell& c = define_leased(10);
  for (const uint64_t count : {15, 30, 20})
    EXPECT_EQ(registry->refill(c, count).supply, Supply::kComing);
  EXPECT_EQ(wish().at_least, 30U);
}

TEST_F(RegistryLeases, AWishSaysWhereASegmentThatHasComeMeanwhileEnds) {
  Cell& c = define_leased(10);
  EXPECT_EQ(registry->refill(c, 11).supply, Supply::kComing);
  EXPECT_TRUE(registry->add_segment("d", 7, {100, 200}));
  const auto wanted = wish();
  EXPECT_EQ(wanted.leased_end, 200U);
  EXPECT_EQ(wanted.left, 100U);
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

TEST_F(RegistryLeases, ASlotThatIsFreeAgainWishesForNothing) {
  define_leased(0);
  remove_and_settle();
  EXPECT_TRUE(registry->has_wishes());
  EXPECT_TRUE(registry->take_wishes().empty());
}

TEST_F(RegistryLeases, ASlotsNextDispenserMakesOneWishThoughItsLastOneHadWished) {
  define_leased(0);
  remove_and_settle();
  define_leased(0, StrategyId::kPreBase, kCounting, 8);
  EXPECT_EQ(wish().generation, 8U);
}

TEST_F(RegistryLeases, AnAnswerToASlotsLastDispenserIsForgotten) {
  const uint32_t slot = define_leased(0).slot;
  EXPECT_EQ(wish().generation, 7U);
  remove_and_settle();
  EXPECT_EQ(define_leased(0, StrategyId::kPreBase, kCounting, 8).slot, slot);
  EXPECT_EQ(wish().generation, 8U);
  EXPECT_TRUE(registry->answer_wish(slot, 7, Segment{0, 50}));
  EXPECT_EQ(lease(), Lease{.generation = 8});
  EXPECT_EQ(registry->refill(cell("d"), 1).supply, Supply::kComing);
  EXPECT_FALSE(registry->has_wishes()) << "its own wish still waits for its answer";
  EXPECT_TRUE(registry->answer_wish(slot, 8, Segment{0, 50}));
  EXPECT_EQ(cell("d").draw(1), 0U);
}

TEST_F(RegistryLeases, OneThatHasNothingLeftWishesWhenItsLeasesAreGood) {
  find({.bound = 10, .position = 10, .lease = {.generation = 7, .end = 10}});
  registry->resume_leases();
  EXPECT_EQ(wish().slot, 0U);
}

TEST_F(RegistryLeases, OneWithoutNeedForALeaseDoesNotWishWhenLeasesAreGood) {
  find({.strategy = StrategyId::kMemory, .lease = {.generation = 7}});
  registry->resume_leases();
  EXPECT_FALSE(registry->has_wishes());
  EXPECT_EQ(cell("d").draw(1), 0U);
}

TEST_F(RegistryLeases, OneThatIsGoneDoesNotWishWhenLeasesAreGood) {
  for (const bool retired : {false, true}) {
    if (!retired) find({.bound = 10, .position = 10, .lease = {.generation = 7, .end = 10}});
    retired ? settle() : void(registry->remove(*view, "d"));
    registry->resume_leases();
    EXPECT_FALSE(registry->has_wishes());
  }
}

TEST_F(RegistryLeases, ALoopThatIsShortWishesForWhatIsMissing) {
  Cell& c = define_leased(10);
  EXPECT_FALSE(registry->is_short(c, 10));
  EXPECT_FALSE(registry->has_wishes());
  EXPECT_TRUE(registry->is_short(c, 25));
  EXPECT_EQ(wish().at_least, 15U);
}

TEST_F(RegistryLeases, NobodyIsShortOfWhatIsLeasedAlreadyOrCannotCome) {
  Cell& broken = define_leased(10);
  EXPECT_TRUE(registry->add_segment("d", 7, {100, 200}));
  EXPECT_FALSE(registry->is_short(broken, 110));
  EXPECT_FALSE(registry->is_short(broken, 500)) << "what comes is behind another gap";
  remove_and_settle();
  Cell& whole = define_leased(100, StrategyId::kPreBase, kTwoDigits);
  EXPECT_FALSE(registry->is_short(whole, 101));
  remove_and_settle();
  Cell& last = define_leased(10);
  EXPECT_TRUE(registry->is_short(last, 11));
  EXPECT_TRUE(registry->answer_wish(wish().slot, 7, Segment{}));
  EXPECT_FALSE(registry->is_short(last, 11));
  EXPECT_FALSE(registry->has_wishes());
}

TEST_F(RegistryLeases, NobodyIsShortWhereNothingIsLeased) {
  find({.strategy = StrategyId::kMemory, .lease = {.generation = 7}});
  EXPECT_FALSE(registry->is_short(cell("d"), 1000));
  RegistryTest::restart();
  EXPECT_FALSE(registry->is_short(cell("d"), 1000));
}

TEST_F(RegistryLeases, WhoDrawsFromWhatIsSuspendedOrGoneIsToTryAgain) {
  find({.bound = 5, .position = 5, .lease = {.generation = 7, .end = 10}});
  Cell& c = cell("d");
  EXPECT_TRUE(registry->is_short(c, 1));
  registry->resume_leases();
  EXPECT_FALSE(registry->is_short(c, 1));
  registry->remove(*view, "d");
  EXPECT_TRUE(registry->is_short(c, 1));
}

}  // namespace
}  // namespace number_dispenser
