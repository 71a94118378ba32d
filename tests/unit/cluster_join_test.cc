// How a node finds out what is its own still: kills, power cuts, clean stops, copies, second
// processes.
#include <fmt/format.h>

#include "cluster_test.h"

namespace number_dispenser {
namespace {

using testing_support::ClusterNode;
using testing_support::ClusterTest;

class ClusterJoin : public ClusterTest {
 protected:
  static constexpr uint64_t kElsewhere = 99;

  // When its mark is durable.
  void kill_before_its_claim(ClusterNode& node) {
    const uint64_t mark = node.state().stamp().mark;
    const std::string key = "/number-dispenser/node/" + node.settings.node_id;
    const std::string before = etcd.store.value_of(key);
    EXPECT_TRUE(until([&] { return node.state().stamp().mark != mark; }));
    node.tick();
    node.kill();
    EXPECT_EQ(etcd.store.value_of(key), before);
  }
};

TEST_F(ClusterJoin, TheFirstNodeClaimsItsIdAndServes) {
  ClusterNode& a = start("a");
  EXPECT_EQ(a.cluster().status().state, "connected");
  EXPECT_EQ(a.cluster().status().cluster_id, 0xc1U);
  EXPECT_NE(a.state().stamp().run, 0U);
  EXPECT_TRUE(etcd.store.find("/number-dispenser/node/a"));
  EXPECT_TRUE(etcd.store.find("/number-dispenser/alive/a"));
}

TEST_F(ClusterJoin, AKilledProcessGoesOnWithWhatItHadLeased) {
  ClusterNode& a = used("a");
  const Lease before = lease(a, "d");
  a.kill();
  a.start();
  join(a);
  EXPECT_EQ(lease(a, "d"), before);
  EXPECT_EQ(take(a, "d"), 10U);
  EXPECT_EQ(a.cluster().status().ordinals_dropped, 0U);
}

TEST_F(ClusterJoin, APowerCutKeepsTheLeases) {
  ClusterNode& a = used("a");
  const Lease before = lease(a, "d");
  a.cut_power();
  a.start();
  join(a);
  EXPECT_EQ(lease(a, "d").end, before.end);
  take(a, "d", 20);
}

TEST_F(ClusterJoin, ACleanStopLeavesAtOnceAndKeepsTheLeasesInAnotherPlace) {
  ClusterNode& a = used("a");
  stop(a);
  EXPECT_FALSE(etcd.store.find("/number-dispenser/alive/a"));
  a.restore(a.copy(), kElsewhere);
  a.start();
  join(a);
  EXPECT_EQ(take(a, "d"), 10U);
}

TEST_F(ClusterJoin, AnOlderCopyDropsItsLeases) {
  ClusterNode& a = used("a");
  const auto older = a.copy();
  take(a, "d", 10);
  run_ms(3000);
  a.cut_power();
  a.restore(older, 1);
  a.start();
  join(a);
  EXPECT_GT(a.cluster().status().ordinals_dropped, 0U);
  EXPECT_GE(take(a, "d"), 1000U);
  const auto info = a.registry().info("d");
  EXPECT_EQ(info->generated() + info->wasted, info->passed());
}

TEST_F(ClusterJoin, AnOlderCopyIsNotBelievedWhenItWasKilledBeforeItJoined) {
  ClusterNode& a = used("a");
  const auto older = a.copy();
  take(a, "d", 10);
  run_ms(3000);
  a.cut_power();
  a.restore(older, 1);
  a.start();
  run_ms(1000);
  EXPECT_FALSE(a.cluster().joined()) << "the sign of life of the run before is there still";
  a.kill();
  a.start();
  join(a);
  EXPECT_GE(take(a, "d"), 1000U);
}

TEST_F(ClusterJoin, ADirectoryThatHasMovedIsNotBelievedWhenItWasKilledBeforeItJoined) {
  ClusterNode& a = used("a");
  stop(a);
  ClusterNode& clone = add("a");
  clone.restore(a.copy(), kElsewhere);
  clone.start();
  join(clone);
  take(clone, "d", 10);
  a.start();
  run_ms(1000);
  EXPECT_FALSE(a.cluster().joined());
  a.kill();
  a.start();
  EXPECT_EQ(failure(a), ExitStatus::kTemporary);
  EXPECT_EQ(take(clone, "d"), 20U);
}

TEST_F(ClusterJoin, AStopBeforeItJoinsDoesNotMakeARunningNodesCopyAnEndedOne) {
  ClusterNode& a = used("a");
  a.kill();
  a.restore(a.copy(), kElsewhere);
  a.live.lose();
  a.start();
  run_ms(1000);
  EXPECT_FALSE(a.cluster().joined()) << "the sign of life of the run before is there still";
  stop(a);
  a.start();
  join(a);
  EXPECT_GT(a.cluster().status().ordinals_dropped, 0U);
  EXPECT_GE(take(a, "d"), 1000U);
}

TEST_F(ClusterJoin, AStopBeforeItJoinsCostsNothing) {
  ClusterNode& a = used("a");
  const Lease before = lease(a, "d");
  const auto pause = [&] {
    a.start();
    EXPECT_FALSE(a.cluster().joined());
    stop(a);
  };
  a.kill();
  pause();
  a.start();
  join(a);
  EXPECT_EQ(lease(a, "d"), before);
  stop(a);
  pause();
  a.start();
  join(a);
  EXPECT_EQ(lease(a, "d"), before);
  EXPECT_EQ(take(a, "d"), 10U);
  EXPECT_EQ(a.registry().info("d")->wasted, 0U);
}

TEST_F(ClusterJoin, AProcessThatIsKilledAgainBeforeItJoinsKeepsTheLeases) {
  ClusterNode& a = used("a");
  const Lease before = lease(a, "d");
  for (int kills = 0; kills < 3; ++kills) {
    a.kill();
    a.start();
    EXPECT_FALSE(a.cluster().joined());
  }
  join(a);
  EXPECT_EQ(lease(a, "d"), before);
  EXPECT_EQ(take(a, "d"), 10U);
}

TEST_F(ClusterJoin, AFileThatWasKilledElsewhereDropsItsLeases) {
  ClusterNode& a = used("a");
  a.kill();
  a.restore(a.copy(), kElsewhere);
  a.start();
  join(a);
  EXPECT_GE(take(a, "d"), 1000U);
}

TEST_F(ClusterJoin, ACloneOfARunningNodeWaitsAndThenRefuses) {
  ClusterNode& a = used("a");
  ClusterNode& clone = add("a");
  clone.restore(a.copy(), kElsewhere);
  clone.start();
  EXPECT_EQ(failure(clone), ExitStatus::kTemporary);
  EXPECT_FALSE(a.cluster().has_failed());
  EXPECT_EQ(take(a, "d"), 10U);
}

TEST_F(ClusterJoin, AnEmptyDirectoryWithAnIdInUseRefuses) {
  used("a");
  ClusterNode& other = add("a");
  other.start();
  EXPECT_FALSE(other.cluster().joined());
  run_ms(2000);
  EXPECT_FALSE(other.cluster().leases());
  EXPECT_EQ(failure(other), ExitStatus::kTemporary);
}

TEST_F(ClusterJoin, ASupersededProcessStopsIssuing) {
  ClusterNode& a = used("a");
  ClusterNode& clone = add("a");
  clone.restore(a.copy(), kElsewhere);
  paused.insert(&a);
  run_ms(15'000);  // nothing is heard of it
  clone.start();
  join(clone);
  EXPECT_GE(take(clone, "d"), 1000U);
  paused.clear();
  // Before it hears of the other it issues what is its own.
  take(a, "d", 1);
  EXPECT_EQ(failure(a), ExitStatus::kTemporary);
  EXPECT_FALSE(a.registry().issuing());
}

TEST_F(ClusterJoin, AnEmptyDirectoryWhoseClaimWasNotMadeDoesNotTakeTheIdLater) {
  ClusterNode& a = used("a");
  paused.insert(&a);
  run_ms(15'000);  // nothing is heard of it
  ClusterNode& other = add("a");
  other.start();
  kill_before_its_claim(other);
  paused.clear();
  run_ms(3000);
  other.start();
  EXPECT_EQ(failure(other), ExitStatus::kTemporary);
  EXPECT_FALSE(a.cluster().has_failed());
  EXPECT_EQ(take(a, "d"), 10U);
}

TEST_F(ClusterJoin, ACloneWhoseClaimWasNotMadeIsNotBelievedLater) {
  ClusterNode& a = used("a");
  stop(a);
  ClusterNode& clone = add("a");
  clone.restore(a.copy(), kElsewhere);
  clone.start();
  kill_before_its_claim(clone);
  a.start();
  join(a);
  take(a, "d", 20);
  stop(a);
  clone.start();
  join(clone);
  EXPECT_GT(clone.cluster().status().ordinals_dropped, 0U);
  EXPECT_GE(take(clone, "d"), 1000U);
}

TEST_F(ClusterJoin, ACopyOfOneThatNeverHadTheIdMayHaveIt) {
  ClusterNode& first = add("a");
  first.start();
  kill_before_its_claim(first);
  ClusterNode& copy = add("a");
  copy.restore(first.copy(), kElsewhere);
  copy.start();
  kill_before_its_claim(copy);
  copy.start();
  join(copy);
}

TEST_F(ClusterJoin, LiveCountersOfARunWhoseClaimWasNotMadeProveNothing) {
  ClusterNode& a = used("a");
  stop(a);
  ClusterNode& copy = add("a");
  copy.restore(a.copy(), kElsewhere);
  a.start();
  kill_before_its_claim(a);
  copy.start();
  join(copy);
  take(copy, "d", 20);
  stop(copy);
  a.start();
  join(a);
  EXPECT_GT(a.cluster().status().ordinals_dropped, 0U);
  EXPECT_GE(take(a, "d"), 1000U);
}

TEST_F(ClusterJoin, AMoveOfTheRunBeforeThatComesLateCostsNothing) {
  ClusterNode& a = used("a");
  const std::string key = "/number-dispenser/node/a";
  const std::string before = etcd.store.value_of(key);
  const uint64_t mark = a.state().stamp().mark;
  take(a, "d", 1);
  etcd.cut_off(a.machine, 1'500'000'000);
  ASSERT_TRUE(until([&] { return a.state().stamp().mark != mark; }));
  run_ms(100);
  const uint64_t moved = a.state().stamp().mark;
  const uint64_t end = lease(a, "d").end;
  a.cut_power();
  ASSERT_EQ(etcd.store.value_of(key), before);
  a.start();
  ASSERT_TRUE(until([&] { return a.state().stamp().mark != moved; }));
  std::string late = before;
  late.replace(late.find(fmt::format("{:016x}", mark)), 16, fmt::format("{:016x}", moved));
  etcd.store.make({.then = {etcd::put(key, late)}});
  join(a);
  EXPECT_EQ(lease(a, "d").end, end);
  EXPECT_EQ(a.cluster().status().ordinals_dropped, 0U);
}

TEST_F(ClusterJoin, AClaimThatWasMadeAndNotAnsweredKeepsTheLeases) {
  ClusterNode& a = used("a");
  const uint64_t end = lease(a, "d").end;
  a.cut_power();
  a.start();
  const std::string node = "/number-dispenser/node/a";
  const std::string before = etcd.store.value_of(node);
  ASSERT_TRUE(until([&] { return etcd.store.value_of(node) != before; }));
  EXPECT_EQ(a.state().stamp().run, 0U) << "it has heard of it";
  a.cut_power();
  a.start();
  join(a);
  EXPECT_EQ(lease(a, "d").end, end);
  EXPECT_EQ(a.cluster().status().ordinals_dropped, 0U);
  take(a, "d", 10);
}

TEST_F(ClusterJoin, ASegmentThatWasNotWrittenBeforeAKillIsReclaimed) {
  ClusterNode& a = start("a");
  ASSERT_EQ(define(a, "d"), Outcome::kDone);
  const uint64_t end = lease(a, "d").end;
  take(a, "d", end / 2);
  // The wish is sent when a flush looks at the cell, and its answer reaches no flush.
  ASSERT_TRUE(a.draw("d"));
  a.tick();
  const std::string counter = "/number-dispenser/alloc/d";
  const etcd::Revision before = etcd.store.find(counter)->modified;
  for (int ms = 0; ms < 50; ++ms) {
    clock.advance_ms(1);
    a.tick_unflushed();
  }
  ASSERT_GT(etcd.store.find(counter)->modified, before);
  const uint64_t leased = lease(a, "d").next.empty() ? lease(a, "d").end : lease(a, "d").next.end;
  ASSERT_GT(leased, end);
  a.kill();
  a.start();
  join(a);
  EXPECT_EQ(lease(a, "d").end, leased);
  take(a, "d", end);
}

TEST_F(ClusterJoin, AKeyThatCannotBeReadProvesNothing) {
  ClusterNode& a = start("a");
  ASSERT_EQ(define(a, "d"), Outcome::kDone);
  take(a, "d", 10);
  // A key that is none must not look like the mark of a file that never had one.
  ClusterStamp stamp = a.state().stamp();
  stamp.previous_mark = 0;
  a.state().set_stamp(stamp);
  a.registry().request_flush();
  for (int at = 0; at < 3; ++at) a.tick();
  a.cut_power();
  for (const char* broken : {"", "{}", R"({"mark":"0000000000000000","epoch":1})"}) {
    etcd.store.make({.then = {etcd::put("/number-dispenser/node/a", broken)}});
    ClusterNode& copy = add("a");
    copy.restore(a.copy(), 1);
    copy.start();
    join(copy);
    EXPECT_GT(copy.cluster().status().ordinals_dropped, 0U) << broken;
    copy.kill();
  }
}

TEST_F(ClusterJoin, ACompactionBetweenTwoPagesBeginsTheListAnew) {
  ClusterNode& a = start("a");
  for (int at = 0; at < 60; ++at)
    ASSERT_EQ(define(a, "d" + std::to_string(at), kCounting), Outcome::kDone);
  // More than a page, by somebody who has room for it.
  for (int at = 0; at < 600; ++at)
    etcd.store.make({.then = {etcd::put("/number-dispenser/def/x" + std::to_string(at), "none")}});
  ClusterNode& b = add("b");
  b.start();
  // Whenever an answer comes, what was listed before is forgotten.
  const uint64_t until_ns = clock.monotonic_ns() + 100'000'000;
  EXPECT_TRUE(until(
      [&] {
        if (clock.monotonic_ns() < until_ns) {
          etcd.store.make({.then = {etcd::put("/elsewhere", "")}});
          etcd.store.compact(etcd.store.revision());
        }
        return b.cluster().joined();
      },
      10'000));
  EXPECT_TRUE(knows(b, "d59"));
}

TEST_F(ClusterJoin, ClaimsAndMarksWhoseAnswersAreLostAreFoundMade) {
  etcd.faults.lost_answer = 300;
  ClusterNode& a = start("a");
  EXPECT_EQ(define(a, "d"), Outcome::kDone);
  take(a, "d", 50);
  run_ms(20'000);
  EXPECT_FALSE(a.cluster().has_failed());
  etcd.recover();
  a.kill();
  a.start();
  join(a);
  EXPECT_EQ(a.cluster().status().ordinals_dropped, 0U);
}

}  // namespace
}  // namespace number_dispenser
