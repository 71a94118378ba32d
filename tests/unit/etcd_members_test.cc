// The client and members of etcd that are dead, silent, cut off, or something else altogether.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "etcd_asker.h"
#include "etcd_server.h"
#include "fake_endpoint.h"

namespace number_dispenser::etcd {
namespace {

using std::chrono::steady_clock;
using testing_support::EtcdAsker;
using testing_support::EtcdServer;
using testing_support::FakeEndpoint;
using testing_support::free_port;
using Kind = Failure::Kind;

std::string dead_endpoint() {
  return fmt::format("http://127.0.0.1:{}", free_port());
}

// What a healthy member answers to an empty transaction.
const std::string kGood =
    FakeEndpoint::http(200, R"({"header":{"cluster_id":"5","revision":"2"},"succeeded":true})");

TEST(EtcdEndpointsTest, ADeadEndpointIsPassedOverAndForgotten) {
  const FakeEndpoint good([](size_t) { return kGood; });
  EtcdAsker asker({dead_endpoint(), dead_endpoint(), good.endpoint()});
  EXPECT_TRUE(asker.transact(Txn{}));
  EXPECT_TRUE(asker.transact(Txn{}));
  const HttpStats stats = asker.client().stats();
  EXPECT_EQ(stats.endpoint, good.endpoint());
  EXPECT_EQ(stats.failures, 2U);
  EXPECT_EQ(stats.requests, 4U);
  EXPECT_EQ(asker.client().cluster_id(), 5U);
}

TEST(EtcdEndpointsTest, AWatchPassesADeadEndpointOverToo) {
  const std::string created =
      R"({"result":{"header":{"cluster_id":"5","revision":"2"},"created":true}})";
  const FakeEndpoint good([&](size_t) {
    return fmt::format("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\n\r\n",
                       created.size() + 1, created);
  });
  EtcdAsker asker({dead_endpoint(), good.endpoint()});
  EXPECT_TRUE(asker.watch_begins("w/", 1));
}

TEST(EtcdEndpointsTest, WhereAllAreDeadEachIsTriedOnceAndNothingHasHappened) {
  EtcdAsker asker({dead_endpoint(), dead_endpoint()});
  const auto answer = asker.transact(put("a", "1"));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, Kind::kUnreachable);
  EXPECT_FALSE(answer.error().may_have_happened);
  EXPECT_EQ(asker.client().stats().requests, 2U);
  EXPECT_NE(answer.error().text.find("http://127.0.0.1:"), std::string::npos);
}

TEST(EtcdEndpointsTest, ASilentEndpointIsLeftAndTheNextIsAsked) {
  const FakeEndpoint silent;
  const FakeEndpoint good([](size_t) { return kGood; });
  EtcdAsker asker({silent.endpoint(), good.endpoint()});
  size_t writes = 0, reads = 0, watches = 0;
  asker.client().watch("w/", after_prefix("w/"), 1, [&](Answer<Watched> watched) {
    ASSERT_FALSE(watched);
    EXPECT_EQ(watched.error().kind, Kind::kUnreachable);
    ++watches;
  });
  asker.client().transact({.then = {put("a", "1")}}, [&](Answer<TxnResult> answer) {
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().kind, Kind::kUnreachable);
    EXPECT_TRUE(answer.error().may_have_happened);
    ++writes;
  });
  asker.client().transact({.then = {get("a")}}, [&](Answer<TxnResult> answer) {
    ASSERT_FALSE(answer);
    EXPECT_FALSE(answer.error().may_have_happened);
    ++reads;
  });
  ASSERT_TRUE(asker.until([&] { return writes + reads + watches == 3; }));
  EXPECT_TRUE(asker.transact(Txn{}));
  EXPECT_EQ(asker.client().stats().endpoint, good.endpoint());
}

TEST(EtcdEndpointsTest, TheEndIsPromptWhateverHangs) {
  // A request takes 2.5 s to be given up. A busy machine may stand still, but not every time.
  bool prompt = false;
  for (int tries = 0; tries < 10 && !prompt; ++tries) {
    const FakeEndpoint silent;
    auto asker = std::make_unique<EtcdAsker>(std::vector{silent.endpoint()});
    for (int i = 0; i < 20; ++i) asker->client().transact({}, [](Answer<TxnResult>) { FAIL(); });
    asker->watch("w/", 1);
    while (silent.requests() < 9) std::this_thread::yield();
    const auto begin = steady_clock::now();
    asker.reset();
    prompt = steady_clock::now() - begin < std::chrono::seconds(1);
  }
  EXPECT_TRUE(prompt);
}

TEST(EtcdEndpointsTest, MoreThanCanBeSentAreGivenUpInTime) {
  const FakeEndpoint silent;
  EtcdAsker asker({silent.endpoint()});
  constexpr size_t kCount = 60;
  size_t answered = 0, unsent = 0;
  for (size_t i = 0; i < kCount; ++i) {
    asker.client().transact({.then = {put("a", "1")}}, [&](Answer<TxnResult> answer) {
      ASSERT_FALSE(answer);
      ++answered;
      unsent += answer.error().may_have_happened ? 0 : 1;
    });
  }
  ASSERT_TRUE(asker.until([&] { return answered == kCount; }));
  EXPECT_GT(unsent, 0U) << "all were sent, each when those before it had been given up";
  EXPECT_EQ(unsent + silent.requests(), kCount);
}

// libcurl on its own would send it again, and etcd may have done it.
TEST(EtcdEndpointsTest, ARequestWhoseKeptConnectionEndsIsNotSentTwice) {
  for (const size_t large : {size_t{1}, size_t{300'000}}) {
    const FakeEndpoint ends([](size_t n) { return n == 1 ? kGood : std::string(); });
    EtcdAsker asker({ends.endpoint()});
    ASSERT_TRUE(asker.transact(Txn{}));
    const auto answer = asker.transact(put("a", std::string(large, 'x')));
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().kind, Kind::kUnreachable);
    EXPECT_TRUE(answer.error().may_have_happened);
    EXPECT_EQ(ends.requests(), 2U);
  }
}

// As etcd 3.6 says it, whose gateway has other errors than those before.
TEST(EtcdEndpointsTest, ATokenThatALaterEtcdHasLostIsReplaced) {
  const std::string lost = R"({"code":16,"message":"etcdserver: invalid auth token","details":[]})";
  const std::string token = FakeEndpoint::http(200, R"({"header":{"cluster_id":"5"},"token":"t"})");
  const FakeEndpoint later([&](size_t n) {
    if (n % 2 == 1) return token;
    return n == 2 ? FakeEndpoint::http(401, lost) : kGood;
  });
  EtcdAsker asker(EtcdSettings{.endpoints = {later.endpoint()}, .user = "u", .password = "p"});
  EXPECT_TRUE(asker.transact(Txn{}));
  EXPECT_EQ(later.requests(), 4U);
}

class EtcdGarbageTest : public ::testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(
    Answers, EtcdGarbageTest,
    ::testing::Values("hello\r\n", "\n\n\n", "HTTP/1.1 200", FakeEndpoint::http(200, "hello"),
                      FakeEndpoint::http(200, ""), FakeEndpoint::http(200, "{}"),
                      FakeEndpoint::http(200, R"({"header":{"cluster_id":"5"},"responses":[{}]})"),
                      FakeEndpoint::http(404, "Not Found"), FakeEndpoint::http(301, ""),
                      FakeEndpoint::http(503, R"({"error":"busy","message":"busy"})"),
                      FakeEndpoint::http(403, R"({"message":"forbidden"})"),
                      FakeEndpoint::http(503, R"({"code":503,"message":"busy"})"),
                      FakeEndpoint::http(408, R"({"code":1,"message":"context canceled"})"),
                      "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nxx"),
    [](const auto& param) { return "Answer" + std::to_string(param.index); });

TEST_P(EtcdGarbageTest, WhatIsNotEtcdIsUnreachableAndTheNextIsAsked) {
  const FakeEndpoint garbage([](size_t) { return GetParam(); });
  const FakeEndpoint good([](size_t) { return kGood; });
  EtcdAsker asker({garbage.endpoint(), good.endpoint()});
  const auto answer = asker.transact(put("a", "1"));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, Kind::kUnreachable);
  EXPECT_TRUE(answer.error().may_have_happened);
  EXPECT_EQ(answer.error().text.find('\n'), std::string::npos);
  EXPECT_EQ(asker.client().stats().endpoint, good.endpoint());
  EXPECT_TRUE(asker.transact(Txn{}));
}

TEST_P(EtcdGarbageTest, AWatchOfWhatIsNotEtcdEnds) {
  const FakeEndpoint garbage([](size_t) { return GetParam(); });
  EtcdAsker asker({garbage.endpoint()});
  asker.watch("w/", 1);
  ASSERT_TRUE(asker.watch_ended());
  EXPECT_EQ(asker.told.end->kind, Kind::kUnreachable);
}

class EtcdMembersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!EtcdServer::installed())
      GTEST_SKIP() << "etcd is missing (Debian: etcd-server, etcd-client)";
    server = std::make_unique<EtcdServer>(std::vector<std::string>{}, 3);
    asker = std::make_unique<EtcdAsker>(server->endpoints());
    asker->insist(put("w/a", "0"));
  }

  size_t current() const {
    const std::string endpoint = asker->client().stats().endpoint;
    for (size_t i = 0; i < 3; ++i)
      if (server->endpoint(i) == endpoint) return i;
    return 3;
  }

  std::unique_ptr<EtcdServer> server;
  std::unique_ptr<EtcdAsker> asker;
};

TEST_F(EtcdMembersTest, WhenItsMemberIsKilledTheClientGoesOnWithAnother) {
  ASSERT_TRUE(asker->watch_begins("w/", 0));
  const size_t killed = current();
  const Revision before = asker->insist(get("w/a")).revision;
  server->kill(killed);
  ASSERT_TRUE(asker->watch_ended());
  EXPECT_EQ(asker->told.end->kind, Kind::kUnreachable);
  asker->insist(put("w/a", "1"));
  EXPECT_NE(current(), killed);
  ASSERT_TRUE(asker->watch_begins("w/", before + 1));
  ASSERT_TRUE(asker->told_events(1));
  EXPECT_EQ(asker->told.events[0].kv.value, "1");
}

TEST_F(EtcdMembersTest, AMemberWithoutTheOthersSaysSoAndEndsTheWatch) {
  ASSERT_TRUE(asker->watch_begins("w/", 0));
  const size_t left = current();
  for (size_t i = 0; i < 3; ++i)
    if (i != left) server->kill(i);
  ASSERT_TRUE(asker->watch_ended());
  EXPECT_EQ(asker->told.end->kind, Kind::kUnreachable);
  // Once it has noticed, there is no doubt left about what is asked.
  bool in_doubt = true;
  for (int i = 0; i < 100 && in_doubt; ++i) {
    const auto answer = asker->transact(put("w/a", "1"));
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().kind, Kind::kUnreachable);
    in_doubt = answer.error().may_have_happened;
  }
  EXPECT_FALSE(in_doubt);
  server->start((left + 1) % 3);
  asker->insist(put("w/a", "2"));
  EXPECT_EQ(asker->value_of("w/a"), "2");
}

TEST(EtcdSpaceTest, WithoutSpaceChangesAreRefusedAndReadsAnswered) {
  if (!EtcdServer::installed())
    GTEST_SKIP() << "etcd is missing (Debian: etcd-server, etcd-client)";
  const EtcdServer server({"--quota-backend-bytes=1048576"});
  EtcdAsker asker(server.endpoints());
  asker.insist(put("a", "1"));
  std::optional<Failure> refused;
  for (int i = 0; i < 100 && !refused; ++i)
    if (const auto answer = asker.transact(put("fill", std::string(100'000, 'x'))); !answer)
      refused = answer.error();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->kind, Kind::kRefused);
  EXPECT_TRUE(refused->may_have_happened) << "with the last space that there was";
  EXPECT_NE(refused->text.find("database space exceeded"), std::string::npos) << refused->text;
  EXPECT_EQ(asker.value_of("a"), "1");
}

}  // namespace
}  // namespace number_dispenser::etcd
