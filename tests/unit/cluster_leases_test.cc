// How segments come from etcd: several nodes share a range, answers are lost, etcd refuses.
#include "cluster_test.h"

namespace number_dispenser {
namespace {

using testing_support::ClusterNode;
using testing_support::ClusterTest;

class ClusterLeases : public ClusterTest {};

TEST_F(ClusterLeases, TwoNodesShareARangeAndIssueAllOfIt) {
  ClusterNode& a = start("a");
  ClusterNode& b = start("b");
  ASSERT_EQ(define(a, "d", short_range(3000)), Outcome::kDone);
  ASSERT_TRUE(until([&] { return knows(b, "d"); }));
  for (bool more = true; more;) {
    more = false;
    for (ClusterNode* node : {&a, &b})
      for (int at = 0; at < 50; ++at) more = take(*node, "d").has_value() || more;
  }
  size_t issued = 0;
  for (const auto& [of, ordinals] : received) issued += ordinals.size();
  EXPECT_EQ(issued, 3000U);
}

TEST_F(ClusterLeases, WhoIsSlowerTriesAgainAtOnce) {
  ClusterNode& a = start("a");
  ClusterNode& b = start("b");
  ASSERT_EQ(define(a, "d"), Outcome::kDone);
  ASSERT_TRUE(until([&] { return knows(b, "d"); }));
  for (int round = 0; round < 20; ++round) {
    take(a, "d", 300);
    take(b, "d", 300);
  }
  EXPECT_GT(a.cluster().status().conflicts + b.cluster().status().conflicts, 0U);
}

TEST_F(ClusterLeases, AGrantWhoseAnswerIsLostIsFoundInTheCountersHistory) {
  ClusterNode& a = start("a");
  ASSERT_EQ(define(a, "d"), Outcome::kDone);
  etcd.faults.lost_answer = 400;
  take(a, "d", 3000);
  etcd.recover();
  EXPECT_EQ(a.registry().info("d")->wasted, 0U);
  EXPECT_EQ(lease(a, "d").skipped, 0U);
}

TEST_F(ClusterLeases, AGrantThatWasNotMadeIsAskedForAgain) {
  ClusterNode& a = start("a");
  ASSERT_EQ(define(a, "d"), Outcome::kDone);
  etcd.faults.lost_request = 400;
  take(a, "d", 3000);
  EXPECT_EQ(lease(a, "d").skipped, 0U);
}

TEST_F(ClusterLeases, WhereTheHistoryIsForgottenADoubtfulSegmentIsLost) {
  ClusterNode& a = start("a");
  ClusterNode& b = start("b");
  ASSERT_EQ(define(a, "d"), Outcome::kDone);
  ASSERT_TRUE(until([&] { return knows(b, "d"); }));
  etcd.faults.lost_answer = 300;
  for (int round = 0; round < 20; ++round) {
    take(a, "d", 200);
    take(b, "d", 200);
    etcd.store.compact(etcd.store.revision());
  }
}

TEST_F(ClusterLeases, WithoutEtcdANodeGoesOnWithWhatItHas) {
  ClusterNode& a = start("a");
  ASSERT_EQ(define(a, "d"), Outcome::kDone);
  etcd.go_down(3'600'000'000'000);
  run_ms(10'000);
  EXPECT_FALSE(a.cluster().leases());
  EXPECT_EQ(a.cluster().status().state, "away");
  EXPECT_GE(a.cluster().status().away_s, 9U);
  take(a, "d", 1000);
  EXPECT_EQ(a.draw("d").error(), Registry::Supply::kComing);
  etcd.recover();
  take(a, "d", 100);
  EXPECT_EQ(a.cluster().status().state, "connected");
}

TEST_F(ClusterLeases, EtcdThatGoesAwayWhileANodeWaitsForRoomIsSaidToBeAway) {
  ClusterNode& a = start("a");
  ASSERT_EQ(define(a, "d"), Outcome::kDone);
  const std::string definitions = "/number-dispenser/def/";
  const std::string value = etcd.store.value_of(definitions + "d");
  // More than the file has room for.
  for (int at = 0; at < 100; ++at)
    etcd.store.make({.then = {etcd::put(definitions + "x" + std::to_string(at), value)}});
  ClusterNode& b = add("b");
  b.start();
  ASSERT_TRUE(until([&] { return knows(b, "x1"); }));
  EXPECT_FALSE(b.cluster().joined());
  etcd.go_down(3'600'000'000'000);
  join(b);
  run_ms(5000);
  EXPECT_FALSE(b.cluster().leases());
  EXPECT_EQ(b.cluster().status().state, "away");
  etcd.recover();
  EXPECT_TRUE(until([&] { return b.cluster().leases(); }));
  EXPECT_EQ(b.cluster().status().state, "connected");
}

TEST_F(ClusterLeases, EtcdIsNotAwayWhileTheJoinWaitsForADisk) {
  ClusterNode& a = add("a");
  a.start();
  for (int ms = 0; ms < 10'000; ++ms) {
    clock.advance_ms(1);
    a.tick_unflushed();
    etcd.run();
  }
  EXPECT_NE(a.state().stamp().mark, 0U) << "it waits for something else";
  EXPECT_TRUE(a.cluster().leases());
  EXPECT_EQ(a.cluster().status().state, "joining");
  join(a);
  EXPECT_EQ(a.cluster().status().state, "connected");
}

TEST_F(ClusterLeases, EtcdThatRefusesLeasesNothingUntilItHasRoom) {
  ClusterNode& a = start("a");
  ASSERT_EQ(define(a, "d"), Outcome::kDone);
  take(a, "d", 400);
  etcd.refuse(3'600'000'000'000);
  take(a, "d", 600);
  EXPECT_EQ(a.draw("d").error(), Registry::Supply::kComing);
  EXPECT_TRUE(until([&] { return !a.cluster().leases(); }));
  EXPECT_EQ(define(a, "e"), Outcome::kRefused);
  etcd.recover();
  take(a, "d", 10);
  EXPECT_TRUE(a.cluster().leases());
}

TEST_F(ClusterLeases, AChangeThatEtcdHasMadeAndRefusedIsFoundMade) {
  ClusterNode& a = start("a");
  etcd.faults.made_refusal = 1000;
  etcd.refuse(3'600'000'000'000, false);
  EXPECT_EQ(define(a, "d"), Outcome::kDone);
  take(a, "d", 10);
  EXPECT_EQ(switch_to(a, "d", StrategyId::kPreClose), Outcome::kDone);
}

TEST_F(ClusterLeases, ASwitchThatEtcdRefusesIsSaidToBeRefused) {
  ClusterNode& a = start("a");
  ASSERT_EQ(define(a, "d"), Outcome::kDone);
  etcd.refuse(3'600'000'000'000, false);
  EXPECT_EQ(switch_to(a, "d", StrategyId::kPreClose), Outcome::kRefused);
  EXPECT_EQ(define(a, "d", kCounting, StrategyId::kPreClose), Outcome::kRefused);
  EXPECT_NE(last->text.find("space exceeded"), std::string::npos) << last->text;
}

TEST_F(ClusterLeases, WhetherOneThatEtcdHasRefusedWasMadeMayNotBeKnown) {
  ClusterNode& a = start("a");
  etcd.refuse(3'600'000'000'000, false);
  etcd.loses = [&](unsigned, const etcd::Txn& txn) {
    // Somebody else defines something, just before it is looked up.
    if (!txn.compares.empty() || txn.then.front().key != "/number-dispenser/def/d") return false;
    etcd.store.make({.then = {etcd::put("/number-dispenser/changes", "")}});
    return false;
  };
  EXPECT_EQ(define(a, "d"), Outcome::kUnknown);
  EXPECT_NE(last->text.find("space exceeded"), std::string::npos) << "why";
}

TEST_F(ClusterLeases, WhereEtcdRefusesOnlyDefinitionsNumbersComeAllTheTime) {
  ClusterNode& a = start("a");
  ASSERT_EQ(define(a, "d"), Outcome::kDone);
  ASSERT_EQ(define(a, "without"), Outcome::kDone);
  take(a, "d", 10);
  etcd.refuse(3'600'000'000'000, false);
  EXPECT_EQ(define(a, "e"), Outcome::kRefused);
  ASSERT_EQ(remove(a, "without"), Outcome::kDone) << "it makes room";
  EXPECT_FALSE(knows(a, "without"));
  std::set<std::string> marks;
  const uint64_t until_ns = clock.monotonic_ns() + 10'000'000'000;
  while (clock.monotonic_ns() < until_ns) {
    take(a, "d", 1);
    marks.insert(etcd.store.value_of("/number-dispenser/node/a"));
    ASSERT_EQ(a.cluster().status().state, "connected");
  }
  EXPECT_GT(marks.size(), 5U);
}

TEST_F(ClusterLeases, WhereEtcdRefusesAMoveOfTheMarkTheNodeStaysConnected) {
  ClusterNode& a = start("a");
  ASSERT_EQ(define(a, "d"), Outcome::kDone);
  run_ms(2000);
  etcd.refuse(3'600'000'000'000);
  take(a, "d", 10);
  const uint64_t until_ns = clock.monotonic_ns() + 20'000'000'000;
  while (clock.monotonic_ns() < until_ns) {
    run_ms(1);
    ASSERT_EQ(a.cluster().status().state, "connected");
  }
  const std::string mark = etcd.store.value_of("/number-dispenser/node/a");
  etcd.recover();
  EXPECT_TRUE(until([&] { return etcd.store.value_of("/number-dispenser/node/a") != mark; }, 3000));
}

TEST_F(ClusterLeases, SegmentsGrowWithUse) {
  ClusterNode& a = start("a");
  ASSERT_EQ(define(a, "d"), Outcome::kDone);
  for (int at = 0; at < 2000; ++at) {
    ASSERT_TRUE(until([&] { return a.draw("d", 10).has_value(); }, 1000));
    run_ms(1);
  }
  EXPECT_LT(a.cluster().status().segments_leased, 6U);
}

TEST_F(ClusterLeases, SegmentsAreCountedHoweverTheyCome) {
  ClusterNode& a = add("a");
  a.start(Registry::Mode::kAlone);
  a.registry().define(a.view(), "i", kCounting, std::nullopt);
  run_ms(10);
  a.end_stop();
  a.start();
  join(a);
  EXPECT_EQ(a.cluster().status().segments_leased, 1U) << "with an import";
  EXPECT_EQ(a.cluster().status().ordinals_leased, 1000U);
  ASSERT_EQ(define(a, "d"), Outcome::kDone);
  EXPECT_EQ(a.cluster().status().segments_leased, 2U) << "with a definition";
  EXPECT_EQ(a.cluster().status().ordinals_leased, 2000U);
  ASSERT_EQ(define(a, "m", kCounting, StrategyId::kMemory), Outcome::kDone);
  EXPECT_EQ(a.cluster().status().segments_leased, 2U) << "of what needs no lease";
  // etcd has leased another, of which the node hears in its next life only.
  const std::string before = etcd.store.value_of("/number-dispenser/alloc/d");
  ASSERT_EQ(a.draw("d", 600), 0U);
  ASSERT_TRUE(until([&] { return etcd.store.value_of("/number-dispenser/alloc/d") != before; }));
  a.kill();
  a.start();
  join(a);
  EXPECT_EQ(a.cluster().status().segments_leased, 1U) << "found again";
  EXPECT_EQ(a.cluster().status().ordinals_leased, a.registry().info("d")->left() - 400);
}

TEST_F(ClusterLeases, WhoLeavesAsksForNothingMore) {
  ClusterNode& a = start("a");
  ASSERT_EQ(define(a, "d"), Outcome::kDone);
  run_ms(3000);
  // A segment is wished for, and a mark is due.
  ASSERT_EQ(a.draw("d", 600), 0U);
  a.begin_stop();
  const uint64_t requests = etcd.requests;
  run_ms(100);
  const uint64_t flushes = a.registry().flushes();
  run_ms(3000);
  EXPECT_TRUE(a.cluster().left());
  EXPECT_EQ(etcd.requests, requests);
  EXPECT_EQ(a.registry().flushes(), flushes);
}

TEST_F(ClusterLeases, WhoLeavesDoesNotComeBackToLife) {
  ClusterNode& a = start("a");
  // The lease of the key has gone; that it has, etcd says when the node is leaving.
  const auto is_asking = [&, before = etcd.requests] { return etcd.requests > before; };
  ASSERT_TRUE(until(is_asking));
  a.begin_stop();
  etcd.run();
  run_ms(1000);
  EXPECT_TRUE(a.cluster().left());
  EXPECT_FALSE(etcd.store.find("/number-dispenser/alive/a"));
}

TEST_F(ClusterLeases, ADrawThatCannotBeMetLeavesTheOthersTheirShare) {
  ClusterNode& a = start("a");
  ClusterNode& b = start("b");
  ASSERT_EQ(define(a, "d", short_range(3000)), Outcome::kDone);
  ASSERT_TRUE(until([&] { return knows(b, "d"); }));
  take(b, "d", 1);
  take(a, "d", 400);  // what is left of the range is in two pieces, none of them so long
  std::expected<uint64_t, Registry::Supply> drawn;
  ASSERT_TRUE(until([&] {
    drawn = b.draw("d", 2300);
    return drawn || drawn.error() != Registry::Supply::kComing;
  }));
  ASSERT_FALSE(drawn);
  EXPECT_EQ(drawn.error(), Registry::Supply::kTooMany);
  take(a, "d", 800);
}

TEST_F(ClusterLeases, ADrawUpToTheEndOfTheRangeIsMetWhereTheLeaseGoesOn) {
  ClusterNode& a = start("a");
  ASSERT_EQ(define(a, "d", short_range(3000)), Outcome::kDone);
  take(a, "d", 10);
  EXPECT_TRUE(until([&] { return a.draw("d", 2990).has_value(); }));
}

TEST_F(ClusterLeases, AHistoryThatIsNotAnsweredIsAskedForAgain) {
  ClusterNode& a = start("a");
  ClusterNode& b = start("b");
  ASSERT_EQ(define(a, "d"), Outcome::kDone);
  ASSERT_TRUE(until([&] { return knows(b, "d"); }));
  run_ms(100);  // b has its first segment
  // The segment is a's, which does not hear of it; then b takes another.
  etcd.faults.lost_answer = 1000;
  ASSERT_EQ(a.draw("d", 600), 0U);
  run_ms(100);
  etcd.recover();
  take(b, "d", 700);
  // a reads the counter, and then its history. Of that it hears only the second time.
  const uint64_t leased = a.cluster().status().ordinals_leased;
  bool looked_back = false;
  etcd.loses = [&](unsigned node, const etcd::Txn& txn) {
    const bool looks_back =
        node == a.machine && !txn.then.empty() && txn.then.front().revision != 0;
    return looks_back && !std::exchange(looked_back, true);
  };
  EXPECT_TRUE(until([&] { return a.cluster().status().ordinals_leased > leased; }));
  EXPECT_TRUE(looked_back);
  EXPECT_EQ(a.cluster().status().ordinals_lost, 0U);
}

TEST_F(ClusterLeases, AGrantThatIsMadeAfterTheCounterWasReadIsFoundAllTheSame) {
  ClusterNode& a = start("a");
  ASSERT_EQ(define(a, "d"), Outcome::kDone);
  // The first attempt reaches etcd when the second is on its way.
  std::optional<etcd::Txn> late;
  unsigned attempts = 0;
  etcd.loses = [&](unsigned, const etcd::Txn& txn) {
    const bool grants = !txn.then.empty() && txn.then.front().kind == etcd::Op::Kind::kTxn &&
                        !txn.then.front().txn.front().then.empty();
    if (!grants) return false;
    if (++attempts == 1) late = txn;
    if (attempts == 2) etcd.store.make(*late);
    return attempts == 1;
  };
  take(a, "d", 2500);
  EXPECT_GE(attempts, 2U);
  EXPECT_EQ(lease(a, "d").skipped, 0U);
  EXPECT_EQ(a.registry().info("d")->wasted, 0U);
}

}  // namespace
}  // namespace number_dispenser
