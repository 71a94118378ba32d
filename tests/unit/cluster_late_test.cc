// What comes to etcd late, after the node has asked again: forwarded to a leader that hung, say.
#include <gtest/gtest.h>

#include <optional>
#include <set>

#include "cluster_test.h"

namespace number_dispenser {
namespace {

using testing_support::ClusterNode;
using testing_support::ClusterTest;

class ClusterLate : public ClusterTest {
 protected:
  const std::string node_key = "/number-dispenser/node/a";
  const std::string definition_key = "/number-dispenser/def/d";

  // The first transaction of which this holds goes astray; its client hears nothing.
  void hold_up(const std::function<bool(const etcd::Txn& txn)>& holds) {
    etcd.loses = [this, holds](unsigned, const etcd::Txn& txn) {
      if (late || !holds(txn)) return false;
      late = txn;
      return true;
    };
  }
  void hold_up_creation() {
    hold_up([this](const etcd::Txn& txn) {
      return !txn.then.empty() && txn.then.front().key == definition_key;
    });
  }

  std::optional<etcd::Txn> late;
};

TEST_F(ClusterLate, AnAttemptToDefineMakesNothing) {
  ClusterNode& a = start("a");
  hold_up_creation();
  ASSERT_EQ(define(a, "d"), Outcome::kDone);
  ASSERT_TRUE(late);
  take(a, "d", 100);
  ASSERT_EQ(remove(a, "d"), Outcome::kDone);
  etcd.store.make(*late);
  EXPECT_FALSE(etcd.store.find(definition_key));
}

TEST_F(ClusterLate, AnAttemptThatEtcdMayStillMakeIsNotRepeated) {
  ClusterNode& a = start("a");
  hold_up_creation();
  const auto decided = a.cluster().propose(definition("d"));
  ASSERT_TRUE(until([&] { return late.has_value(); }));
  etcd.loses = [this](unsigned, const etcd::Txn& txn) {
    return !txn.compares.empty() && txn.compares.front().key == node_key;
  };
  ASSERT_TRUE(until([&] { return decided->done(); }));
  EXPECT_EQ(decided->outcome.load(), Outcome::kUnknown);
  EXPECT_TRUE(etcd.store.make(*late).held);
}

TEST_F(ClusterLate, AnAttemptAfterWhichNobodyTriesAgainMakesNothing) {
  ClusterNode& a = start("a");
  etcd.loses = [this](unsigned, const etcd::Txn& txn) {
    if (txn.then.empty() || txn.then.front().key != definition_key) return false;
    late = txn;  // the latest
    return true;
  };
  const auto decided = a.cluster().propose(definition("d"));
  ASSERT_TRUE(until([&] { return decided->done(); }));
  EXPECT_EQ(decided->outcome.load(), Outcome::kUnknown);
  run_ms(2000);
  EXPECT_FALSE(etcd.store.make(*late).held);
}

TEST_F(ClusterLate, NorIsItByAnotherRequest) {
  ClusterNode& a = start("a");
  bool fences = false;
  etcd.loses = [&](unsigned, const etcd::Txn& txn) {
    if (txn.compares.empty()) return false;
    if (txn.compares.front().key == definition_key) return !std::exchange(late, txn).has_value();
    const bool fence = txn.compares.front().key == node_key && txn.then.size() > 1;
    fences = fences || fence;
    return fence;
  };
  a.cluster().propose(definition("d"));
  ASSERT_TRUE(until([&] { return fences; }));
  a.cluster().propose(definition("d"));
  run_ms(500);
  EXPECT_FALSE(etcd.store.find(definition_key));
}

TEST_F(ClusterLate, AMarkThatMovesMeanwhileIsNotNoticed) {
  ClusterNode& a = start("a");
  ASSERT_EQ(define(a, "e"), Outcome::kDone);
  std::set<std::string> marks;
  for (int at = 0; at < 200; ++at) {
    take(a, "e", 10);
    ASSERT_EQ(define(a, "d"), Outcome::kDone);
    ASSERT_EQ(remove(a, "d"), Outcome::kDone);
    marks.insert(etcd.store.value_of(node_key));
  }
  EXPECT_GT(marks.size(), 3U);
  EXPECT_EQ(a.cluster().status().etcd_failures, 0U);
}

// While the mark moves twice in the file.
TEST_F(ClusterLate, APutOfTheMarkThatEtcdHasIsKnownAsOnesOwn) {
  ClusterNode& a = start("a");
  ASSERT_EQ(define(a, "e"), Outcome::kDone);
  run_ms(3000);
  const std::string mark = etcd.store.value_of(node_key);
  bool defines = false;
  etcd.loses = [&](unsigned, const etcd::Txn& txn) {
    if (txn.then.empty()) return false;
    if (txn.then.front().key == definition_key) return !std::exchange(defines, true);
    const bool is_heartbeat = !txn.compares.empty() && txn.compares.front().key == node_key;
    if (!defines || !is_heartbeat || txn.then.size() < 2) return false;
    if (!late) late = txn;
    return true;
  };
  const auto decided = a.cluster().propose(definition("d"));
  std::set<uint64_t> marks;
  EXPECT_TRUE(until([&] {
    if (late) a.draw("e");
    marks.insert(a.state().stamp().mark);
    return marks.size() == 3;
  }));
  EXPECT_TRUE(etcd.store.make(*late).held);
  ASSERT_EQ(etcd.store.value_of(node_key), mark);
  etcd.loses = nullptr;
  run_ms(5000);
  EXPECT_FALSE(a.cluster().has_failed());
  EXPECT_NE(etcd.store.value_of(node_key), mark);
  EXPECT_TRUE(decided->done());
}

TEST_F(ClusterLate, AnImportMakesNothing) {
  ClusterNode& a = served_alone("a", StrategyId::kElegantClose);
  hold_up([](const etcd::Txn& txn) {
    return !txn.then.empty() && txn.then.front().kind == etcd::Op::Kind::kTxn;
  });
  a.start();
  join(a);
  ASSERT_TRUE(late);
  take(a, "d", 100);
  ASSERT_EQ(remove(a, "d"), Outcome::kDone);
  etcd.store.make(*late);
  EXPECT_FALSE(etcd.store.find(definition_key));
}

// It was killed before its file had the import, or a backup from before that was put back.
TEST_F(ClusterLate, WhatWasImportedAndDeletedIsNotImportedAgain) {
  ClusterNode& a = served_alone("a", StrategyId::kElegantClose);
  const auto alone = a.copy();
  a.start();
  join(a);
  take(a, "d", 10);
  ASSERT_EQ(remove(a, "d"), Outcome::kDone);
  a.kill();
  a.restore(alone, 1);
  a.start();
  join(a);
  EXPECT_FALSE(etcd.store.find(definition_key));
  EXPECT_TRUE(until([&] { return !knows(a, "d"); }));
  EXPECT_EQ(define(a, "d"), Outcome::kDone) << "by who wants it anew";
}

TEST_F(ClusterLate, WhatIsAtAnotherNumberThanItWasImportedWithIsNotDeletedWithoutAWord) {
  ClusterNode& a = served_alone("a", StrategyId::kElegantClose);
  const auto alone = a.copy();
  a.start();
  join(a);
  ASSERT_EQ(remove(a, "d"), Outcome::kDone);
  a.kill();
  a.restore(alone, 1);
  a.live.lose();
  a.start(Registry::Mode::kAlone);
  ASSERT_EQ(a.draw("d"), 0U);
  for (int at = 0; at < 3; ++at) a.tick();
  a.kill();
  a.start();
  EXPECT_EQ(failure(a), ExitStatus::kConfiguration);
  const std::string& says = a.cluster().failure()->message;
  const size_t at = says.find("/number-dispenser/imported/");
  ASSERT_NE(at, std::string::npos) << says;
  etcd.store.make({.then = {etcd::erase(says.substr(at, says.find(' ', at) - at))}});
  a.kill();
  a.start();
  join(a);
  EXPECT_EQ(take(a, "d"), 1U);
}

}  // namespace
}  // namespace number_dispenser
