// What a running node does while etcd is away, has forgotten its history, or was put back.
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

  // With a first segment of 1,000, of which 10 are issued, and a mark that rests.
  ClusterNode& idle() {
    ClusterNode& a = start("a");
    EXPECT_EQ(define(a, "d"), Outcome::kDone);
    take(a, "d", 10);
    run_ms(5000);
    return a;
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
  const std::string def = "/number-dispenser/def/";
  etcd.cut_watches();
  etcd.store.make({.then = {etcd::put(def + "e", etcd.store.value_of(def + "d"))}});
  std::set<std::string> marks;
  uint64_t drawn = 0;
  EXPECT_TRUE(until([&] {
    // The list ends never: when it is to go on, its revision is forgotten.
    etcd.store.make({.then = {etcd::put("/elsewhere", "")}});
    etcd.store.compact(etcd.store.revision());
    marks.insert(etcd.store.value_of(node_key));
    if (a.draw("d")) ++drawn;
    return marks.size() > 3 && drawn > 3000;
  }));
  EXPECT_FALSE(knows(a, "e")) << "it has read the definitions";
  EXPECT_TRUE(until([&] { return knows(a, "e"); }));
  EXPECT_FALSE(a.cluster().has_failed());
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
    ClusterNode& a = add("a" + std::to_string(nodes.size()));
    const std::string name = "d" + std::to_string(nodes.size());
    a.start();
    join(a);
    ASSERT_EQ(define(a, name), Outcome::kDone);
    take(a, name, 10);
    run_ms(3000);
    etcd.go_down(20 * kNsPerS);
    // Each second of use, so that the mark moves twice.
    std::set<uint64_t> marks;
    EXPECT_TRUE(until([&] {
      if (clock.monotonic_ns() / 1'000'000 % 100 == 0) a.draw(name);
      marks.insert(a.state().stamp().mark);
      return marks.size() == 3;
    }));
    run_ms(100);
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

TEST_F(ClusterOutage, TheSignOfLifeComesBackWhateverIsLost) {
  ClusterNode& a = idle();
  for (int round = 0; round < 10; ++round) {
    SCOPED_TRACE(round);
    etcd.go_down(12 * kNsPerS);
    run_ms(12'000);
    etcd.faults.lost_request = 500;
    run_ms(3000);
    etcd.recover();
    EXPECT_TRUE(until([&] { return etcd.store.find(alive_key) != nullptr; }, 10'000));
  }
  EXPECT_FALSE(a.cluster().has_failed());
}

}  // namespace
}  // namespace number_dispenser
