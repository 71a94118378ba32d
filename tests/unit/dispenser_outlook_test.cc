// What a registry in a cluster says of how long its leases last.
#include "registry_leases.h"

namespace number_dispenser {
namespace {

using testing_support::RegistryLeases;
using Supply = Registry::Supply;

constexpr Definition kTwoDigits{Kind::kFixedLength, 2, 0, 1};

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

TEST_F(RegistryLeases, TheOutlookKnowsALaterOneToRunOutFirst) {
  define_leased(1000);
  registry->define(*view, "fast", kCounting, StrategyId::kPreBase, {.generation = 8, .end = 1000});
  settle();
  cell("d").draw(5);
  cell("fast").draw(800);
  clock.advance_ms(8000);
  const auto outlook = registry->outlook();
  EXPECT_EQ(outlook.first, "fast");
  EXPECT_EQ(outlook.lasts_ns, 2'000'000'000U);
}

TEST_F(RegistryLeases, TheOutlookOfASegmentThatIsUsedUpIsNow) {
  define_leased(10).draw(10);
  clock.advance_ms(1000);
  const auto outlook = registry->outlook();
  EXPECT_EQ(outlook.dispensers, 0U);
  EXPECT_EQ(outlook.ordinals, 0U);
  EXPECT_EQ(outlook.first, "d");
  EXPECT_EQ(outlook.lasts_ns, 0U);
}

TEST_F(RegistryLeases, TheOutlookDoesNotWarnOfTheEndOfTheRange) {
  Cell& c = define_leased(100, StrategyId::kPreBase, kTwoDigits);
  c.draw(60);
  clock.advance_ms(1000);
  EXPECT_EQ(registry->outlook().first, "d");
  EXPECT_EQ(registry->refill(c, 41).supply, Supply::kExhausted);
  EXPECT_TRUE(registry->answer_wish(c.slot, 7, Segment{}));
  const auto outlook = registry->outlook();
  EXPECT_EQ(outlook.first, "");
  EXPECT_EQ(outlook.ordinals, 40U);
}

TEST_F(RegistryLeases, TheOutlookIsOfWhatIsLeased) {
  for (const Registry::Mode mode : {Registry::Mode::kClustered, Registry::Mode::kAlone}) {
    const bool clustered = mode == Registry::Mode::kClustered;
    Registry other(store, clock, mode);
    const auto v = other.make_view();
    other.define(*v, "memory", kCounting, StrategyId::kMemory, {.generation = 1});
    other.define(*v, "random", {.kind = Kind::kRandom, .length = 4}, StrategyId::kPreBase,
                 {.generation = 2});
    other.define(*v, "unknown to the cluster", kCounting, StrategyId::kPreBase);
    other.define(*v, "leased", kCounting, StrategyId::kPreBase, {.generation = 3, .end = 30});
    EXPECT_EQ(other.outlook().dispensers, 0U) << "none is live yet";
    for (int flushes = 0; flushes < 2; ++flushes)
      if (other.begin_flush()) other.end_flush();
    EXPECT_EQ(other.outlook().dispensers, clustered ? 1U : 0U);
    EXPECT_EQ(other.outlook().ordinals, clustered ? 30U : 0U);
  }
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
