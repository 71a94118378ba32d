// The client against a real etcd: what is stored, and leases.
#include <gtest/gtest.h>

#include <fstream>

#include "etcd/curl.h"
#include "etcd_asker.h"
#include "etcd_server.h"

namespace number_dispenser::etcd {
namespace {

using testing_support::EtcdAsker;
using testing_support::EtcdServer;
using testing_support::TemporaryDirectory;
using Kind = Failure::Kind;
using What = Compare::What;

// One etcd for all of these, each of which uses keys of its own.
class EtcdClientTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (EtcdServer::installed()) server = std::make_unique<EtcdServer>();
  }
  static void TearDownTestSuite() { server.reset(); }

  void SetUp() override {
    if (!server) GTEST_SKIP() << "etcd is missing (Debian: etcd-server, etcd-client)";
    asker = std::make_unique<EtcdAsker>(server->endpoints());
    asker->insist(get("is it there"));
  }

  static std::unique_ptr<EtcdServer> server;
  std::unique_ptr<EtcdAsker> asker;
};
std::unique_ptr<EtcdServer> EtcdClientTest::server;

Op list(const std::string& prefix, int64_t limit = 0) {
  return {.kind = Op::Kind::kList, .key = prefix, .end = after_prefix(prefix), .limit = limit};
}

TEST_F(EtcdClientTest, WhatWasPutIsReadListedAndDeleted) {
  const auto first = asker->persist(put("kv/a", "1"));
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->held);
  ASSERT_TRUE(asker->persist(put("kv/b", "2")));
  const auto read =
      asker->persist({.then = {get("kv/a"), get("kv/none"), list("kv/"), list("kv/", 1)}});
  ASSERT_TRUE(read);
  EXPECT_EQ(read->revision, first->revision + 1);
  const auto& results = read->results;
  ASSERT_EQ(results.at(0).found.size(), 1U);
  EXPECT_EQ(results[0].found[0].value, "1");
  EXPECT_EQ(results[0].found[0].created, first->revision);
  EXPECT_EQ(results[0].found[0].modified, first->revision);
  EXPECT_TRUE(results.at(1).found.empty());
  ASSERT_EQ(results.at(2).found.size(), 2U);
  EXPECT_EQ(results[2].found[1].key, "kv/b");
  EXPECT_FALSE(results[2].more);
  EXPECT_EQ(results.at(3).found.size(), 1U);
  EXPECT_TRUE(results[3].more);
  const auto deleted = asker->transact({.then = {erase("kv/a"), erase("kv/none")}});
  ASSERT_TRUE(deleted);
  EXPECT_EQ(deleted->results.at(0).deleted, 1);
  EXPECT_EQ(deleted->results.at(1).deleted, 0);
  EXPECT_EQ(asker->value_of("kv/a"), "");
  EXPECT_NE(asker->client().cluster_id(), 0U);
}

TEST_F(EtcdClientTest, KeysAndValuesMayHoldAnyByte) {
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  ASSERT_TRUE(asker->persist(put("bytes/" + all, all)));
  EXPECT_EQ(asker->value_of("bytes/" + all), all);
  ASSERT_TRUE(asker->persist(put("bytes/empty", "")));
  const auto read = asker->persist(get("bytes/empty"));
  ASSERT_TRUE(read && read->results[0].found.size() == 1);
  EXPECT_EQ(read->results[0].found[0].value, "");
}

TEST_F(EtcdClientTest, ComparisonsChooseTheBranch) {
  const Txn create{.compares = {{"cas/a", What::kCreated, 0}},
                   .then = {put("cas/a", "1")},
                   .otherwise = {get("cas/a")}};
  const auto created = asker->transact(create);
  ASSERT_TRUE(created && created->held);
  const auto again = asker->transact(create);
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->held);
  EXPECT_EQ(again->results.at(0).found.at(0).created, created->revision);
  const Txn move{.compares = {{"cas/a", What::kModified, created->revision}},
                 .then = {put("cas/a", "2")}};
  EXPECT_TRUE(asker->transact(move)->held);
  EXPECT_FALSE(asker->transact(move)->held);
  EXPECT_EQ(asker->value_of("cas/a"), "2");
}

TEST_F(EtcdClientTest, ATransactionInsideOneHasItsOwnComparisons) {
  const Txn inner{.compares = {{"nest/b", What::kCreated, 0}},
                  .then = {put("nest/b", "made")},
                  .otherwise = {get("nest/b")}};
  const Txn outer{.then = {put("nest/a", "1"), {.kind = Op::Kind::kTxn, .txn = {inner}}}};
  const auto first = asker->transact(outer);
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->results.at(1).txn.at(0).held);
  const auto second = asker->transact(outer);
  ASSERT_TRUE(second);
  const TxnResult& result = second->results.at(1).txn.at(0);
  EXPECT_FALSE(result.held);
  EXPECT_EQ(result.results.at(0).found.at(0).value, "made");
  EXPECT_EQ(result.revision, second->revision);
}

TEST_F(EtcdClientTest, APastRevisionIsReadUntilItIsCompacted) {
  const Revision old = asker->insist(put("past/a", "old")).revision;
  const Revision now = asker->insist(put("past/a", "new")).revision;
  EXPECT_EQ(asker->persist(get("past/a", old))->results.at(0).found.at(0).value, "old");
  server->control({"compaction", std::to_string(now)});
  const auto compacted = asker->persist(get("past/a", old));
  ASSERT_FALSE(compacted);
  EXPECT_EQ(compacted.error().kind, Kind::kCompacted);
  const auto future = asker->persist(get("past/a", now + 1'000'000));
  ASSERT_FALSE(future);
  EXPECT_EQ(future.error().kind, Kind::kRefused);
}

TEST_F(EtcdClientTest, WhatEtcdCannotDoIsRefusedInItsWords) {
  Txn many;
  for (size_t i = 0; i <= kMostOps; ++i) many.then.push_back(put("many/" + std::to_string(i), ""));
  const auto too_many = asker->persist(many);
  ASSERT_FALSE(too_many);
  EXPECT_EQ(too_many.error().kind, Kind::kRefused);
  EXPECT_FALSE(too_many.error().may_have_happened);
  EXPECT_NE(too_many.error().text.find("too many operations"), std::string::npos);
  many.then.pop_back();
  EXPECT_TRUE(asker->persist(many));
  const auto large = asker->persist(put("large", std::string(2'000'000, 'x')));
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().kind, Kind::kRefused);
  EXPECT_NE(large.error().text.find("too large"), std::string::npos) << large.error().text;
}

TEST_F(EtcdClientTest, ManyRequestsAtOnceAreAnsweredOnceEach) {
  constexpr size_t kCount = 200;
  std::vector<int> answers(kCount);
  size_t answered = 0;
  for (size_t i = 0; i < kCount; ++i) {
    asker->client().transact({.then = {put("burst/" + std::to_string(i), "")}},
                             [&, i](Answer<TxnResult> result) {
                               EXPECT_TRUE(result);
                               ++answers[i];
                               ++answered;
                             });
  }
  ASSERT_TRUE(asker->until([&] { return answered == kCount; }));
  EXPECT_EQ(answers, std::vector<int>(kCount, 1));
  EXPECT_EQ(asker->persist(list("burst/"))->results[0].found.size(), kCount);
  EXPECT_FALSE(asker->client().poll());
  const HttpStats stats = asker->client().stats();
  EXPECT_EQ(stats.failures, 0U);
  EXPECT_GE(stats.requests, kCount);
}

TEST_F(EtcdClientTest, ALeaseHoldsItsKeyUntilItIsRevoked) {
  const auto lease = asker->grant_lease(60);
  ASSERT_TRUE(lease);
  ASSERT_TRUE(asker->persist(put("lease/a", "1", *lease)));
  const auto left_s = asker->keep_alive(*lease);
  ASSERT_TRUE(left_s);
  EXPECT_EQ(*left_s, 60);
  EXPECT_TRUE(asker->revoke(*lease));
  EXPECT_EQ(asker->value_of("lease/a"), "");
  EXPECT_EQ(asker->keep_alive(*lease).error().kind, Kind::kNotFound);
  EXPECT_EQ(asker->revoke(*lease).error().kind, Kind::kNotFound);
  EXPECT_EQ(asker->persist(put("lease/a", "1", *lease)).error().kind, Kind::kNotFound);
}

TEST_F(EtcdClientTest, ALeaseThatIsNotKeptAliveEndsWithItsKey) {
  const auto lease = asker->grant_lease(1);
  ASSERT_TRUE(lease);
  const Revision made = asker->insist(put("expiry/a", "1", *lease)).revision;
  ASSERT_TRUE(asker->watch_begins("expiry/", made + 1));
  ASSERT_TRUE(asker->told_events(1));
  EXPECT_TRUE(asker->told.events[0].deleted);
  EXPECT_EQ(asker->keep_alive(*lease).error().kind, Kind::kNotFound);
}

TEST_F(EtcdClientTest, AskingFromACallbackIsFine) {
  std::vector<KeyValue> found;
  HttpClient& client = asker->client();
  client.transact({.then = {put("chain/a", "1")}}, [&](const Answer<TxnResult>&) {
    client.transact({.then = {get("chain/a")}}, [&](const Answer<TxnResult>& result) {
      if (result) found = result->results.front().found;
    });
  });
  ASSERT_TRUE(asker->until([&] { return !found.empty(); }));
  EXPECT_EQ(found.front().value, "1");
}

TEST(EtcdCreateTest, WhatCannotWorkIsSaidAtOnce) {
  const TemporaryDirectory folder;
  const std::string file = folder.path() + "/file";
  std::ofstream(file) << "x";
  const auto error = [](const EtcdSettings& settings) {
    const auto made = HttpClient::create(settings, [] {});
    return made ? std::string() : made.error().message;
  };
  EXPECT_NE(error({}), "");
  EXPECT_NE(error({.endpoints = {"127.0.0.1:2379"}}).find("127.0.0.1:2379 is no endpoint"),
            std::string::npos);
  EXPECT_NE(error({.endpoints = {"https://a:1"}, .cert_file = file}).find("together"),
            std::string::npos);
  EXPECT_NE(error({.endpoints = {"https://a:1"}, .ca_file = file + "none"})
                .find("cannot read etcd's CA file"),
            std::string::npos);
  EXPECT_EQ(error({.endpoints = {"https://a:1"}, .ca_file = file}), "");
}

TEST(EtcdCreateTest, WithoutLibcurlItSaysWhatToInstall) {
  const auto none = load_curl("libno-such.so.4");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().status, ExitStatus::kConfiguration);
  EXPECT_NE(none.error().message.find("apt-get install libcurl4"), std::string::npos);
  const auto other = load_curl("libc.so.6");
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().message.find("libc.so.6 has no curl_"), std::string::npos);
}

}  // namespace
}  // namespace number_dispenser::etcd
