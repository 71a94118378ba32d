// How changes of definitions are decided in etcd, and how the other nodes follow them.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cluster_test.h"

namespace number_dispenser {
namespace {

using testing_support::ClusterNode;
using testing_support::ClusterTest;

class ClusterDefinitions : public ClusterTest {
 protected:
  static constexpr Definition kOther{Kind::kIncrementing, 0, 500, 1};

  static std::string def_key(const std::string& name) { return "/number-dispenser/def/" + name; }
  // Whatever etcd is asked meanwhile is made, and not answered.
  void lose_answers_until(const std::function<bool()>& so) {
    etcd.faults.lost_answer = 1000;
    EXPECT_TRUE(until(so));
    etcd.faults = {};
  }
  // Made in etcd; the node waits for an answer in vain.
  std::shared_ptr<const Proposal> propose_in_doubt(ClusterNode& node, Proposal wanted) {
    const std::string key = def_key(wanted.names.front());
    bool made = false;
    etcd.loses = [&](unsigned, const etcd::Txn& txn) {
      const bool changes = std::ranges::any_of(txn.then, [&](const etcd::Op& op) {
        return op.kind == etcd::Op::Kind::kPut && op.key == key;
      });
      const bool is_lost = changes && etcd.store.transact(txn)->held;
      made = made || is_lost;
      return is_lost;
    };
    auto decided = node.cluster().propose(std::move(wanted));
    EXPECT_TRUE(until([&] { return made; }));
    etcd.loses = nullptr;
    return decided;
  }
};

TEST_F(ClusterDefinitions, EveryNodeHearsOfADefinitionAndOfItsEnd) {
  ClusterNode& a = start("a");
  ClusterNode& b = start("b");
  EXPECT_EQ(define(a, "d"), Outcome::kDone);
  EXPECT_TRUE(until([&] { return knows(b, "d"); }, 1000));
  EXPECT_EQ(lease(a, "d").generation, lease(b, "d").generation);
  EXPECT_EQ(remove(b, "d"), Outcome::kDone);
  EXPECT_EQ(last->removed, 1);
  EXPECT_TRUE(until([&] { return !knows(a, "d"); }, 1000));
  EXPECT_EQ(remove(a, "d"), Outcome::kDone);
  EXPECT_EQ(last->removed, 0);
}

TEST_F(ClusterDefinitions, OfTwoCreatorsAtOnceOneWins) {
  ClusterNode& a = start("a");
  ClusterNode& b = start("b");
  const auto one = a.cluster().propose(definition("d"));
  const auto two = b.cluster().propose(definition("d", kOther));
  ASSERT_TRUE(until([&] { return one->done() && two->done(); }));
  EXPECT_NE(one->outcome.load() == Outcome::kDone, two->outcome.load() == Outcome::kDone);
  EXPECT_TRUE(one->outcome.load() == Outcome::kDiffers || two->outcome.load() == Outcome::kDiffers);
  run_ms(100);
  EXPECT_EQ(a.registry().info("d")->definition, b.registry().info("d")->definition);
}

TEST_F(ClusterDefinitions, TheSameAgainChangesNothing) {
  ClusterNode& a = start("a");
  ClusterNode& b = start("b");
  EXPECT_EQ(define(a, "d"), Outcome::kDone);
  const uint64_t generation = lease(a, "d").generation;
  EXPECT_EQ(define(b, "d"), Outcome::kDone);
  EXPECT_EQ(lease(b, "d").generation, generation);
}

TEST_F(ClusterDefinitions, ANameDefinedAnewIsAnotherDispenser) {
  ClusterNode& a = start("a");
  ClusterNode& b = start("b");
  EXPECT_EQ(define(a, "d"), Outcome::kDone);
  ASSERT_TRUE(until([&] { return knows(b, "d"); }));
  take(b, "d", 5);
  const uint64_t generation = lease(b, "d").generation;
  paused.insert(&b);
  EXPECT_EQ(remove(a, "d"), Outcome::kDone);
  EXPECT_EQ(define(a, "d"), Outcome::kDone);
  paused.clear();
  EXPECT_TRUE(until([&] { return knows(b, "d") && lease(b, "d").generation > generation; }));
  EXPECT_EQ(b.registry().info("d")->generated(), 0U);
  take(a, "d", 5);
  take(b, "d", 5);
}

TEST_F(ClusterDefinitions, AStrategyIsSwitchedEverywhere) {
  ClusterNode& a = start("a");
  ClusterNode& b = start("b");
  EXPECT_EQ(define(a, "d"), Outcome::kDone);
  EXPECT_EQ(switch_to(b, "d", StrategyId::kPreBase), Outcome::kDone);
  EXPECT_TRUE(
      until([&] { return a.registry().info("d")->strategy == StrategyId::kPreBase; }, 1000));
  EXPECT_EQ(switch_to(a, "nobody", StrategyId::kPreBase), Outcome::kNotFound);
}

TEST_F(ClusterDefinitions, BetweenMemoryAndTheOthersNothingIsSwitched) {
  ClusterNode& a = start("a");
  EXPECT_EQ(define(a, "d"), Outcome::kDone);
  EXPECT_EQ(switch_to(a, "d", StrategyId::kMemory), Outcome::kMemory);
  EXPECT_EQ(define(a, "m", kCounting, StrategyId::kMemory), Outcome::kDone);
  EXPECT_EQ(switch_to(a, "m", StrategyId::kPreBase), Outcome::kMemory);
  EXPECT_EQ(define(a, "r", {.kind = Kind::kRandom, .length = 4}), Outcome::kDone);
  EXPECT_EQ(switch_to(a, "r", StrategyId::kMemory), Outcome::kDone);
}

TEST_F(ClusterDefinitions, AChangeIsTruthfulWhateverIsLost) {
  ClusterNode& a = start("a");
  ClusterNode& b = start("b");
  etcd.faults = {.lost_request = 200, .lost_answer = 200, .late_request = 100};
  for (int round = 0; round < 30; ++round) {
    const std::string name = "d" + std::to_string(round);
    const Outcome outcome = define(a, name);
    const bool there = etcd.store.find("/number-dispenser/def/" + name) != nullptr;
    if (outcome == Outcome::kDone) EXPECT_TRUE(there);
    if (outcome == Outcome::kAway) EXPECT_FALSE(there);
  }
  etcd.recover();
  run_ms(10'000);
  for (int round = 0; round < 30; ++round) {
    const std::string name = "d" + std::to_string(round);
    const bool there = etcd.store.find("/number-dispenser/def/" + name) != nullptr;
    EXPECT_EQ(knows(a, name), there);
    EXPECT_EQ(knows(b, name), there);
  }
}

TEST_F(ClusterDefinitions, TheFirstSegmentOfWhatWasNotAnsweredIsIssued) {
  ClusterNode& a = start("a");
  for (const bool watched : {true, false}) {
    const std::string name = watched ? "w" : "d";
    run_ms(5000);
    if (!watched) etcd.stall_watches();
    // Two clients that want the same.
    const auto one = a.cluster().propose(definition(name));
    const auto two = a.cluster().propose(definition(name));
    lose_answers_until([&] { return etcd.store.find(def_key(name)) != nullptr; });
    ASSERT_TRUE(until([&] { return one->done() && two->done(); }));
    EXPECT_EQ(one->outcome.load(), Outcome::kDone);
    EXPECT_EQ(two->outcome.load(), Outcome::kDone);
    EXPECT_EQ(take(a, name), 0U);
    EXPECT_EQ(lease(a, name).skipped, 0U);
    EXPECT_EQ(a.cluster().status().ordinals_lost, 0U);
  }
}

TEST_F(ClusterDefinitions, AFirstSegmentInUseIsNotCountedAsLost) {
  ClusterNode& a = start("a");
  ASSERT_EQ(define(a, "d"), Outcome::kDone);
  take(a, "d", 10);
  const auto decided = propose_in_doubt(a, definition("d", kCounting, StrategyId::kPreBase));
  ASSERT_TRUE(until([&] { return decided->done(); }));
  EXPECT_EQ(decided->outcome.load(), Outcome::kDone);
  EXPECT_EQ(a.cluster().status().ordinals_lost, 0U);
  EXPECT_EQ(take(a, "d"), 10U);
}

TEST_F(ClusterDefinitions, WhatEtcdRefusesAfterItHasMadeItIsLookedUp) {
  ClusterNode& a = start("a");
  const auto decided = propose_in_doubt(a, definition("d"));
  const etcd::Revision made = etcd.store.revision();
  ASSERT_TRUE(until([&] { return etcd.store.revision() > made; })) << "there is no fence";
  etcd.refuse(3'600'000'000'000);
  ASSERT_TRUE(until([&] { return decided->done(); }));
  EXPECT_EQ(decided->outcome.load(), Outcome::kDone);
}

TEST_F(ClusterDefinitions, AChangeInDoubtIsNeverSaidNotToHaveBeenMade) {
  ClusterNode& a = start("a");
  ClusterNode& b = start("b");
  const auto then = std::to_array<std::function<void(const std::string&)>>(
      {[&](const std::string& name) { EXPECT_EQ(remove(b, name), Outcome::kDone); },
       [&](const std::string& name) {
         EXPECT_EQ(remove(b, name), Outcome::kDone);
         EXPECT_EQ(define(b, name, kCounting, StrategyId::kMemory), Outcome::kDone);
       },
       [&](const std::string& name) {
         etcd.store.make({.then = {etcd::put(def_key(name), "broken")}});
       },
       [&](const std::string& name) {
         EXPECT_EQ(remove(b, name), Outcome::kDone);
         etcd.refuse(10'000'000'000);
       }});
  for (size_t at = 0; at < then.size(); ++at) {
    SCOPED_TRACE(at);
    const std::string name = "d" + std::to_string(at);
    run_ms(5000);
    ASSERT_EQ(define(a, name), Outcome::kDone);
    Proposal wanted(What::kSwitch, {name});
    wanted.strategy = StrategyId::kPreBase;
    const auto decided = propose_in_doubt(a, std::move(wanted));
    then[at](name);
    ASSERT_TRUE(until([&] { return decided->done(); }));
    EXPECT_EQ(decided->outcome.load(), Outcome::kUnknown);
  }
}

TEST_F(ClusterDefinitions, WithoutEtcdNothingIsChanged) {
  ClusterNode& a = start("a");
  etcd.go_down(3'600'000'000'000);
  run_ms(10'000);
  EXPECT_EQ(define(a, "d"), Outcome::kAway);
  EXPECT_EQ(remove(a, "d"), Outcome::kAway);
}

TEST_F(ClusterDefinitions, AfterMinutesWithoutEtcdTheOthersAreFollowedAtOnce) {
  ClusterNode& a = start("a");
  ClusterNode& b = start("b");
  etcd.go_down(3'600'000'000'000);
  // More watches that fail than the wait between them has bits.
  for (int failures = 0; failures < 100; ++failures) {
    run_ms(1'000);
    etcd.cut_watches();
  }
  etcd.recover();
  EXPECT_TRUE(until([&] { return a.cluster().status().state == "connected"; }, 4'000));
  EXPECT_EQ(define(a, "d"), Outcome::kDone);
  EXPECT_TRUE(until([&] { return knows(b, "d"); }, 4'000));
}

TEST_F(ClusterDefinitions, AWatchThatHangsIsBegunAgain) {
  ClusterNode& a = start("a");
  ClusterNode& b = start("b");
  run_ms(100);
  etcd.stall_watches();
  EXPECT_EQ(define(a, "d"), Outcome::kDone);
  EXPECT_TRUE(until([&] { return knows(b, "d"); }, 10'000));
}

TEST_F(ClusterDefinitions, AWatchThatIsCutIsBegunAgain) {
  ClusterNode& a = start("a");
  ClusterNode& b = start("b");
  run_ms(100);
  etcd.cut_watches();
  EXPECT_EQ(define(a, "d"), Outcome::kDone);
  EXPECT_TRUE(until([&] { return knows(b, "d"); }, 2000));
}

TEST_F(ClusterDefinitions, AWatchThatMissedWhatWasCompactedLooksAtEverything) {
  ClusterNode& a = start("a");
  ClusterNode& b = start("b");
  EXPECT_EQ(define(a, "old"), Outcome::kDone);
  ASSERT_TRUE(until([&] { return knows(b, "old"); }));
  etcd.cut_off(b.machine, 20'000'000'000);
  EXPECT_EQ(remove(a, "old"), Outcome::kDone);
  EXPECT_EQ(define(a, "new"), Outcome::kDone);
  etcd.store.compact(etcd.store.revision());
  EXPECT_TRUE(until([&] { return knows(b, "new") && !knows(b, "old"); }));
  take(b, "new", 5);
}

TEST_F(ClusterDefinitions, ADeletionOfNothingLeavesTheWatchAlone) {
  ClusterNode& a = start("a");
  EXPECT_EQ(remove(a, "nobody"), Outcome::kDone);
  run_ms(100);
  const uint64_t before = etcd.requests;
  run_ms(5000);
  // Heartbeats and signs of life, nothing else.
  EXPECT_LE(etcd.requests - before, 12U);
  EXPECT_EQ(a.cluster().status().etcd_failures, 0U);
}

TEST_F(ClusterDefinitions, WhatServedAloneIsBroughtIntoTheCluster) {
  ClusterNode& a = add("a");
  a.start(Registry::Mode::kAlone);
  ASSERT_EQ(a.registry().define(a.view(), "d", kCounting, StrategyId::kElegantClose).outcome,
            Registry::Outcome::kDone);
  for (int at = 0; at < 3; ++at) a.tick();
  for (int at = 0; at < 10; ++at) ASSERT_TRUE(a.draw("d"));
  for (int at = 0; at < 3; ++at) a.tick();
  a.kill();
  etcd.faults = {.lost_request = 300, .lost_answer = 300};
  a.start();
  ASSERT_TRUE(until([&] { return a.cluster().joined(); }, 300'000));
  etcd.recover();
  EXPECT_EQ(take(a, "d"), 10U);
  ClusterNode& b = start("b");
  EXPECT_GE(take(b, "d"), 1000U);
}

TEST_F(ClusterDefinitions, AnImportThatDidNotGetIntoTheFileIsKnownByItsRecord) {
  ClusterNode& a = served_alone("a", StrategyId::kElegantClose);
  ClusterNode& b = start("b");
  a.start();
  // The file has nothing of it when the power goes, and another node leases meanwhile.
  const std::string key = "/number-dispenser/def/d";
  ASSERT_TRUE(until([&] { return etcd.store.find(key) != nullptr; }));
  a.cut_power();
  ASSERT_TRUE(until([&] { return knows(b, "d"); }));
  take(b, "d", 1);
  a.start();
  join(a);
  EXPECT_GE(take(a, "d"), 1000U);
}

TEST_F(ClusterDefinitions, TwoThatServedAloneWithTheSameNameAreNotMixedUp) {
  ClusterNode& a = start("a");
  EXPECT_EQ(define(a, "d"), Outcome::kDone);
  ClusterNode& b = served_alone("b", StrategyId::kElegantClose);
  b.start();
  EXPECT_TRUE(until([&] { return b.cluster().has_failed(); }));
  EXPECT_EQ(b.cluster().failure()->status, ExitStatus::kConfiguration);
}

TEST_F(ClusterDefinitions, WhatServedAloneIsNotImportedOverACounterThatIsLeftOver) {
  ClusterNode& a = served_alone("a", StrategyId::kElegantClose);
  etcd.store.make({.then = {etcd::put("/number-dispenser/alloc/d", R"({"next":1000})")}});
  a.start();
  EXPECT_EQ(failure(a), ExitStatus::kConfiguration);
  EXPECT_NE(a.cluster().failure()->message.find("delete /number-dispenser/alloc/d"),
            std::string::npos);
}

TEST_F(ClusterDefinitions, AnImportIsNotTakenUpByWhatNeedsNoLease) {
  ClusterNode& a = served_alone("a", StrategyId::kElegantClose);
  a.start();
  join(a);
  a.kill();
  ClusterNode& other = served_alone("a", StrategyId::kMemory);
  other.start();
  EXPECT_EQ(failure(other), ExitStatus::kConfiguration);
}

TEST_F(ClusterDefinitions, WhileEtcdRefusesConnectionsAChangeIsTriedNowAndThen) {
  ClusterNode& a = start("a");
  etcd.faults.refused_connection = 1000;
  const uint64_t requests = etcd.requests;
  EXPECT_EQ(define(a, "d"), Outcome::kAway);
  EXPECT_LT(etcd.requests - requests, 40U);
  etcd.recover();
  EXPECT_TRUE(until([&] { return a.cluster().leases(); }));
  EXPECT_EQ(define(a, "d"), Outcome::kDone);
}

TEST_F(ClusterDefinitions, ASwitchWhileItWaitsForRoomLeavesItsFirstSegment) {
  ClusterNode& a = start("a");
  std::string name = "n0";
  for (int at = 1; define(a, name) == Outcome::kDone; ++at) {
    ASSERT_LT(at, 1000);
    name = fmt::format("n{}", at);
  }
  ASSERT_EQ(last->outcome.load(), Outcome::kNoRoom);
  EXPECT_EQ(switch_to(a, name, StrategyId::kPreBase), Outcome::kNoRoom);
  ASSERT_EQ(remove(a, "n0"), Outcome::kDone);
  ASSERT_TRUE(until([&] { return knows(a, name); }));
  EXPECT_EQ(take(a, name), 0U);
}

}  // namespace
}  // namespace number_dispenser
