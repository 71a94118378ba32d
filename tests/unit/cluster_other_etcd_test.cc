// Which etcd a node refuses: another one, one that was emptied, and one that was restored; and what
// it makes of one in which somebody has changed keys by hand.
#include "cluster_test.h"

namespace number_dispenser {
namespace {

using testing_support::ClusterNode;
using testing_support::ClusterTest;

class ClusterOtherEtcd : public ClusterTest {};

TEST_F(ClusterOtherEtcd, AnotherEtcdIsRefused) {
  ClusterNode& a = used("a");
  stop(a);
  etcd.cluster_id = 0xbad;
  a.start();
  EXPECT_EQ(failure(a), ExitStatus::kConfiguration);
}

TEST_F(ClusterOtherEtcd, AnotherEtcdBehindTheSameEndpointsIsRefusedAtEveryStep) {
  // From the claim to the first heartbeats.
  for (int ms = 5; ms <= 45; ms += 2) {
    SCOPED_TRACE(ms);
    ClusterNode& a = add("a" + std::to_string(ms));
    a.start();
    run_ms(static_cast<uint64_t>(ms));
    if (a.state().stamp().mark == 0) continue;
    etcd.cluster_id = 0xbad;
    ASSERT_EQ(failure(a), ExitStatus::kConfiguration);
    EXPECT_NE(a.cluster().failure()->message.find("0000000000000bad"), std::string::npos);
    etcd.cluster_id = 0xc1;
    a.kill();
  }
}

// As a member does that stood still (etcd's issue 20418).
TEST_F(ClusterOtherEtcd, AnAnswerFromBeforeIsNoOtherEtcd) {
  ClusterNode& a = used("a");
  etcd.faults.stale_read = 1000;
  run_ms(10'000);
  EXPECT_FALSE(a.cluster().has_failed());
  EXPECT_NE(a.cluster().status().last_failure.find("an answer of revision"), std::string::npos);
  stop(a);
  etcd.faults = {};
  a.start();
  join(a);
  EXPECT_EQ(a.cluster().status().ordinals_dropped, 0U);
  take(a, "d", 10);
}

TEST_F(ClusterOtherEtcd, NothingIsDefinedOverACounterThatIsLeftOver) {
  ClusterNode& a = start("a");
  ASSERT_EQ(define(a, "d"), Outcome::kDone);
  take(a, "d", 10);
  etcd.store.make({.then = {etcd::erase("/number-dispenser/def/d")}});
  ASSERT_TRUE(until([&] { return !knows(a, "d"); }));
  EXPECT_EQ(define(a, "d"), Outcome::kRefused);
  EXPECT_NE(last->text.find("/number-dispenser/alloc/d"), std::string::npos) << last->text;
  EXPECT_EQ(remove(a, "d"), Outcome::kDone) << "or by hand";
  EXPECT_EQ(define(a, "d"), Outcome::kDone);
}

TEST_F(ClusterOtherEtcd, AKeyThatCannotBeReadDoesNotMakeAFileOneThatNeverHadTheId) {
  ClusterNode& a = start("a");
  ASSERT_EQ(define(a, "d"), Outcome::kDone);
  take(a, "d", 10);
  a.kill();
  const std::string node_key = "/number-dispenser/node/a";
  etcd.store.make({.then = {etcd::put(node_key, "broken")}});
  etcd.loses = [&](unsigned, const etcd::Txn& txn) {
    return !txn.then.empty() && txn.then.front().key == node_key && !txn.compares.empty();
  };
  a.start();
  const uint64_t mark = a.state().stamp().mark;
  ASSERT_TRUE(until([&] { return a.state().stamp().mark != mark; }));
  EXPECT_NE(a.state().stamp().previous_mark, 0U);
}

TEST_F(ClusterOtherEtcd, AnotherEtcdOfFewerChangesIsNotTakenForARestoredOne) {
  ClusterNode& a = used("a");
  etcd.cluster_id = 0xbad;
  etcd.store = {};
  EXPECT_EQ(failure(a), ExitStatus::kConfiguration);
  EXPECT_NE(a.cluster().failure()->message.find("0000000000000bad"), std::string::npos)
      << a.cluster().failure()->message;
}

TEST_F(ClusterOtherEtcd, AnEmptiedEtcdIsRefused) {
  ClusterNode& a = used("a");
  stop(a);
  etcd.store = {};
  a.start();
  EXPECT_EQ(failure(a), ExitStatus::kConfiguration);
}

TEST_F(ClusterOtherEtcd, ARestoredEtcdThatKnowsLessIsRefused) {
  ClusterNode& a = used("a");
  stop(a);
  const std::string counter = "/number-dispenser/alloc/d";
  etcd.store.make({.then = {etcd::put(counter, R"({"next":5,"first":0,"node":"a","run":1})")}});
  a.start();
  EXPECT_EQ(failure(a), ExitStatus::kConfiguration);
}

// Restored from a backup: all nodes are stopped, and etcd is what it was.
TEST_F(ClusterOtherEtcd, ARestoredEtcdThatDoesNotKnowADefinitionIsRefused) {
  ClusterNode& a = start("a");
  const auto backup = etcd.store;
  ASSERT_EQ(define(a, "d"), Outcome::kDone);
  take(a, "d", 10);
  a.kill();
  etcd.store = backup;
  a.start();
  ASSERT_EQ(failure(a), ExitStatus::kConfiguration);
  EXPECT_NE(a.cluster().failure()->message.find("dispenser d"), std::string::npos);
  EXPECT_EQ(a.registry().info("d")->wasted, 0U) << "what etcd says is not believed";
  EXPECT_EQ(etcd.store.revision(), backup.revision()) << "nothing is changed there";
}

TEST_F(ClusterOtherEtcd, ARestoredEtcdThatHasADefinitionsFormerSelfIsRefused) {
  ClusterNode& a = start("a");
  ASSERT_EQ(define(a, "d"), Outcome::kDone);
  ASSERT_EQ(define(a, "e"), Outcome::kDone);
  const auto backup = etcd.store;
  ASSERT_EQ(remove(a, "e"), Outcome::kDone);
  ASSERT_EQ(remove(a, "d"), Outcome::kDone);
  ASSERT_EQ(define(a, "d"), Outcome::kDone);
  const uint64_t generation = lease(a, "d").generation;
  take(a, "d", 10);
  a.kill();
  etcd.store = backup;
  // It has counted past that generation since.
  while (etcd.store.revision() < static_cast<etcd::Revision>(generation) + 10)
    etcd.store.make({.then = {etcd::put("/elsewhere", "")}});
  a.start();
  ASSERT_EQ(failure(a), ExitStatus::kConfiguration);
  EXPECT_NE(a.cluster().failure()->message.find("dispenser d"), std::string::npos);
  ASSERT_TRUE(a.registry().info("d"));
  EXPECT_EQ(lease(a, "d").generation, generation);
  EXPECT_FALSE(knows(a, "e"));
}

TEST_F(ClusterOtherEtcd, AnEtcdThatIsRestoredUnderARunningNodeIsNoticed) {
  ClusterNode& a = start("a");
  run_ms(5000);  // nothing is issued: the node's key stays as it is
  const auto backup = etcd.store;
  ASSERT_EQ(define(a, "d"), Outcome::kDone);
  etcd.store = backup;
  EXPECT_EQ(failure(a), ExitStatus::kConfiguration);
  EXPECT_TRUE(knows(a, "d"));
}

// Others have written since, so that its revision tells nothing; the node's own key does.
TEST_F(ClusterOtherEtcd, AnEtcdThatIsRestoredAndHasOvertakenIsNoticedByTheNodesKey) {
  ClusterNode& a = used("a");
  const auto backup = etcd.store;
  take(a, "d", 10);
  run_ms(3000);
  const etcd::Revision before = etcd.store.revision();
  etcd.store = backup;
  while (etcd.store.revision() < before + 100) etcd.store.make({.then = {etcd::put("/other", "")}});
  EXPECT_EQ(failure(a), ExitStatus::kConfiguration);
  EXPECT_NE(a.cluster().failure()->message.find("gone back"), std::string::npos);
}

TEST_F(ClusterOtherEtcd, AnEtcdThatIsRestoredIsNoticedWhenAllIsReadAgain) {
  ClusterNode& a = start("a");
  ASSERT_EQ(define(a, "d"), Outcome::kDone);
  const auto backup = etcd.store;
  ASSERT_EQ(remove(a, "d"), Outcome::kDone);
  ASSERT_EQ(define(a, "d"), Outcome::kDone);
  run_ms(3000);
  // The node's key alone is as it was.
  const std::string node = "/number-dispenser/node/a";
  const std::string mark = etcd.store.value_of(node);
  const etcd::Revision before = etcd.store.revision();
  etcd.store = backup;
  while (etcd.store.revision() < before + 10) etcd.store.make({.then = {etcd::put(node, mark)}});
  etcd.store.compact(etcd.store.revision());
  etcd.cut_watches();
  EXPECT_EQ(failure(a), ExitStatus::kConfiguration);
  EXPECT_TRUE(knows(a, "d"));
}

TEST_F(ClusterOtherEtcd, ABackupOfTheFirstSecondIsNotTakenForFreshWithoutItsKey) {
  ClusterNode& a = start("a");
  ASSERT_EQ(define(a, "d"), Outcome::kDone);
  take(a, "d", 10);
  const auto backup = a.copy();
  take(a, "d", 10);
  run_ms(3000);
  stop(a);
  etcd.store.make({.then = {etcd::erase("/number-dispenser/node/a")}});
  for (const uint64_t place : {1, 2}) {
    ClusterNode& copy = add("a");
    copy.restore(backup, place);
    copy.start();
    EXPECT_EQ(failure(copy), ExitStatus::kConfiguration);
    copy.kill();
  }
}

}  // namespace
}  // namespace number_dispenser
