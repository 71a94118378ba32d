// What a running node does while etcd is away, has forgotten its history, or was put back.
#include <fmt/format.h>

#include <algorithm>

#include "cluster_test.h"

namespace number_dispenser {
namespace {

using testing_support::ClusterNode;
using testing_support::ClusterTest;

class ClusterOutage : public ClusterTest {
 protected:
  static constexpr uint64_t kNsPerS = 1'000'000'000;
  const std::string node_key = "/number-dispenser/node/a";
  const std::string alive_key = "/number-dispenser/alive/a";
  const std::string counter_key = "/number-dispenser/alloc/d";
  const std::string definition_key = "/number-dispenser/def/d";

  // With a first segment of 1,000, of which 10 are issued, and a mark that rests.
  ClusterNode& idle() {
    ClusterNode& a = start("a");
    EXPECT_EQ(define(a, "d"), Outcome::kDone);
    take(a, "d", 10);
    run_ms(5000);
    return a;
  }
  // So that the watch breaks and definitions are read again; there is one more.
  void forget_history() {
    const std::string other = "/number-dispenser/def/e";
    etcd.store.make({.then = {etcd::put(other, etcd.store.value_of(definition_key))}});
    etcd.store.compact(etcd.store.revision());
    etcd.cut_watches();
  }
  // The list never ends where this is called all the time: when it is to go on, its revision is
  // forgotten.
  void forget_revision() {
    etcd.store.make({.then = {etcd::put("/elsewhere", "")}});
    etcd.store.compact(etcd.store.revision());
  }
  // While etcd is away, with a mark that has moved twice.
  ClusterNode& moved_twice(const std::string& id, const std::string& name) {
    ClusterNode& node = start(id);
    EXPECT_EQ(define(node, name), Outcome::kDone);
    take(node, name, 10);
    run_ms(3000);
    etcd.go_down(20 * kNsPerS);
    std::set<uint64_t> marks;
    EXPECT_TRUE(until([&] {
      if (clock.monotonic_ns() / 1'000'000 % 100 == 0) node.draw(name);
      marks.insert(node.state().stamp().mark);
      return marks.size() == 3;
    }));
    run_ms(100);
    return node;
  }
  // As another node would.
  void lease_to_another() {
    const std::string next = R"({"next":2000,"first":1000,"node":"b","run":7})";
    etcd.store.make({.then = {etcd::put(counter_key, next)}});
  }
};

TEST_F(ClusterOutage, EtcdThatIsAwayIsWaitedFor) {
  ClusterNode& a = used("a");
  a.kill();
  etcd.go_down(20'000'000'000);
  a.start();
  run_ms(10'000);
  EXPECT_FALSE(a.cluster().joined());
  EXPECT_FALSE(a.cluster().leases());
  EXPECT_EQ(a.draw("d").error(), Registry::Supply::kComing);
  join(a);
  EXPECT_EQ(take(a, "d"), 10U);
}

TEST_F(ClusterOutage, TheMarkMovesAndSegmentsComeWhileDefinitionsAreReadAgain) {
  ClusterNode& a = idle();
  forget_history();
  std::set<std::string> marks;
  uint64_t drawn = 0;
  EXPECT_TRUE(until([&] {
    forget_revision();
    marks.insert(etcd.store.value_of(node_key));
    if (a.draw("d")) ++drawn;
    return marks.size() > 3 && drawn > 3000;
  }));
  EXPECT_FALSE(knows(a, "e")) << "it has read the definitions";
  EXPECT_TRUE(until([&] { return knows(a, "e"); }));
  EXPECT_FALSE(a.cluster().has_failed());
}

TEST_F(ClusterOutage, AStopWhileDefinitionsAreReadAgainGivesTheIdUp) {
  ClusterNode& a = idle();
  forget_history();
  const uint64_t until_ns = clock.monotonic_ns() + 3 * kNsPerS;
  EXPECT_TRUE(until([&] {
    forget_revision();
    return clock.monotonic_ns() >= until_ns;
  }));
  ASSERT_FALSE(knows(a, "e")) << "it has read the definitions";
  stop(a);
  EXPECT_FALSE(etcd.store.find(alive_key));
}

TEST_F(ClusterOutage, AnotherLookAtDefinitionsDoesNotWaitForRoom) {
  ClusterNode& a = start("a");
  ASSERT_EQ(define(a, "d"), Outcome::kDone);
  for (int at = 0; define(a, fmt::format("n{}", at)) == Outcome::kDone; ++at) ASSERT_LT(at, 1000);
  ASSERT_EQ(last->outcome.load(), Outcome::kNoRoom);
  forget_history();
  run_ms(3000);
  etcd.store.make({.then = {etcd::erase(definition_key)}});
  EXPECT_TRUE(until([&] { return !knows(a, "d"); }, 3000)) << "nothing is followed";
}

TEST_F(ClusterOutage, WhatWaitsForRoomKeepsItsFirstSegmentOverAnotherLook) {
  ClusterNode& a = start("a");
  ASSERT_EQ(define(a, "d"), Outcome::kDone);
  std::string waits = "n0";
  for (int at = 1; define(a, waits) == Outcome::kDone; ++at) waits = fmt::format("n{}", at);
  ASSERT_EQ(last->outcome.load(), Outcome::kNoRoom);
  forget_history();
  run_ms(3000);
  for (const char* name : {"d", "n0"}) ASSERT_EQ(remove(a, name), Outcome::kDone);
  ASSERT_TRUE(until([&] { return knows(a, waits); }));
  EXPECT_EQ(take(a, waits), 0U);
}

TEST_F(ClusterOutage, NothingIsLeasedBeforeAHeartbeatHasSeenTheEtcdOfBefore) {
  ClusterNode& a = idle();
  etcd.go_down(5 * kNsPerS);
  forget_history();
  EXPECT_TRUE(until([&] { return a.cluster().status().state == "away"; }));
  ASSERT_TRUE(a.draw("d", 600));
  etcd.loses = [&](unsigned, const etcd::Txn& txn) {
    return !txn.compares.empty() && txn.compares.front().key == node_key;
  };
  const std::string before = etcd.store.value_of(counter_key);
  EXPECT_TRUE(until([&] { return knows(a, "e"); })) << "the list is not answered";
  run_ms(3000);
  EXPECT_EQ(a.cluster().status().state, "away");
  EXPECT_EQ(etcd.store.value_of(counter_key), before);
  etcd.loses = nullptr;
  EXPECT_TRUE(until([&] { return etcd.store.value_of(counter_key) != before; }));
}

TEST_F(ClusterOutage, AnEtcdThatIsRestoredUnderAnIdleNodeIsNoticed) {
  ClusterNode& a = idle();
  const auto backup = etcd.store;
  lease_to_another();
  run_ms(3000);  // of which a heartbeat sees the revision, and no watch tells
  etcd.store = backup;
  EXPECT_EQ(failure(a), ExitStatus::kConfiguration);
  ASSERT_TRUE(a.cluster().failure());
  EXPECT_NE(a.cluster().failure()->message.find("Backup"), std::string::npos);
}

TEST_F(ClusterOutage, ARestoredEtcdLeasesNothingToARunningNode) {
  ClusterNode& a = idle();
  const auto backup = etcd.store;
  lease_to_another();
  run_ms(3000);
  etcd.store = backup;
  // The grant comes before a heartbeat, and with it the revision is what it was.
  a.draw("d", 600);
  EXPECT_TRUE(until([&] {
    if (const auto drawn = a.draw("d")) EXPECT_LT(*drawn, 1000U) << "leased to another";
    return a.cluster().has_failed();
  }));
  EXPECT_EQ(failure(a), ExitStatus::kConfiguration);
}

TEST_F(ClusterOutage, AStopWhileEtcdIsAwayKeepsTheLeases) {
  for (const bool reboots : {false, true}) {
    SCOPED_TRACE(reboots);
    const std::string name = reboots ? "d1" : "d0";
    ClusterNode& a = moved_twice(reboots ? "a1" : "a0", name);
    const Lease before = lease(a, name);
    stop(a);
    if (reboots) a.live.lose();
    run_ms(20'000);
    a.start();
    join(a);
    EXPECT_EQ(lease(a, name), before);
    EXPECT_EQ(a.cluster().status().ordinals_dropped, 0U);
    EXPECT_EQ(a.registry().info(name)->wasted, 0U);
    stop(a);
  }
}

TEST_F(ClusterOutage, APowerCutWhileEtcdIsAwayDropsTheLeases) {
  ClusterNode& a = moved_twice("a", "d");
  a.cut_power();
  run_ms(20'000);
  a.start();
  join(a);
  EXPECT_GT(a.cluster().status().ordinals_dropped, 0U);
  EXPECT_GE(take(a, "d"), 1000U);
}

TEST_F(ClusterOutage, ASignOfLifeThatWasNotPutIsPutAgain) {
  ClusterNode& a = idle();
  unsigned attempts = 0;
  etcd.loses = [&](unsigned, const etcd::Txn& txn) {
    const bool puts = std::ranges::any_of(
        txn.then, [&](const etcd::Op& operation) { return operation.key == alive_key; });
    return puts && ++attempts <= 2;
  };
  etcd.cut_off(a.machine, 12 * kNsPerS);
  EXPECT_TRUE(until([&] { return attempts == 2; }));
  EXPECT_FALSE(etcd.store.find(alive_key));
  EXPECT_TRUE(until([&] { return etcd.store.find(alive_key) != nullptr; }));
}

}  // namespace
}  // namespace number_dispenser
