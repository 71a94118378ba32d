// The client's watch against a real etcd.
#include <gtest/gtest.h>

#include "etcd_asker.h"
#include "etcd_server.h"

namespace number_dispenser::etcd {
namespace {

using testing_support::EtcdAsker;
using testing_support::EtcdServer;
using Kind = Failure::Kind;

class EtcdWatchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!EtcdServer::installed())
      GTEST_SKIP() << "etcd is missing (Debian: etcd-server, etcd-client)";
    serve({});
  }

  void serve(std::vector<std::string> arguments) {
    asker.reset();
    server = std::make_unique<EtcdServer>(std::move(arguments));
    asker = std::make_unique<EtcdAsker>(server->endpoints());
    asker->insist(get("is it there"));
  }
  Revision put_one(const std::string& key, const std::string& value) {
    return asker->insist(put(key, value)).revision;
  }

  std::unique_ptr<EtcdServer> server;
  std::unique_ptr<EtcdAsker> asker;
};

TEST_F(EtcdWatchTest, EverythingFromTheFirstRevisionOnIsToldInOrder) {
  put_one("w/before", "0");
  const Revision first = put_one("w/a", "1");
  put_one("x/other", "1");
  asker->insist(erase("w/a"));
  ASSERT_TRUE(asker->watch_begins("w/", first));
  EXPECT_GE(asker->told.revision, first - 1);
  put_one("w/b", "2");
  ASSERT_TRUE(asker->told_events(3));
  const auto& events = asker->told.events;
  EXPECT_EQ(events[0].kv.key, "w/a");
  EXPECT_EQ(events[0].kv.modified, first);
  EXPECT_EQ(events[0].kv.created, first);
  EXPECT_TRUE(events[1].deleted);
  EXPECT_EQ(events[1].kv.key, "w/a");
  EXPECT_EQ(events[1].kv.modified, first + 2);
  EXPECT_EQ(events[2].kv.value, "2");
  EXPECT_EQ(asker->told.revision, first + 3);
}

TEST_F(EtcdWatchTest, FromNowOnNothingOlderIsTold) {
  put_one("w/a", "1");
  ASSERT_TRUE(asker->watch_begins("w/", 0));
  const Revision second = put_one("w/a", "2");
  ASSERT_TRUE(asker->told_events(1));
  EXPECT_EQ(asker->told.events[0].kv.modified, second);
}

// etcd tells them in messages of a thousand.
TEST_F(EtcdWatchTest, ManyRevisionsThatWaitAreToldWithoutAGap) {
  constexpr size_t kRounds = 11, kAtOnce = 100, kCount = kRounds * kAtOnce;
  const Revision first = put_one("w/a", "first") + 1;
  size_t done = 0;
  for (size_t round = 1; round <= kRounds; ++round) {
    for (size_t i = 0; i < kAtOnce; ++i)
      asker->client().transact({.then = {put("w/a", std::to_string(i))}},
                               [&](const Answer<TxnResult>& result) { done += result ? 1 : 0; });
    ASSERT_TRUE(asker->until([&] { return done == round * kAtOnce; }));
  }
  // The asker checks that no event comes after everything up to it was said to be told.
  ASSERT_TRUE(asker->watch_begins("w/", first));
  ASSERT_TRUE(asker->told_events(kCount));
  for (size_t i = 0; i < kCount; ++i)
    ASSERT_EQ(asker->told.events[i].kv.modified, first + static_cast<Revision>(i));
}

TEST_F(EtcdWatchTest, ProgressIsToldWithoutEvents) {
  serve({"--experimental-watch-progress-notify-interval=100ms"});
  ASSERT_TRUE(asker->watch_begins("w/", 0));
  const Revision other = put_one("x/other", "1");
  ASSERT_TRUE(asker->until([&] { return asker->told.revision >= other || asker->told.end; }));
  EXPECT_FALSE(asker->told.end);
  EXPECT_TRUE(asker->told.events.empty());
}

TEST_F(EtcdWatchTest, AWatchFromACompactedRevisionEndsOnce) {
  const Revision first = put_one("w/a", "1");
  const Revision last = put_one("w/a", "2");
  server->control({"compaction", std::to_string(last)});
  asker->watch("w/", first);
  ASSERT_TRUE(asker->watch_ended());
  EXPECT_EQ(asker->told.end->kind, Kind::kCompacted);
  ASSERT_TRUE(asker->watch_begins("w/", last));
  EXPECT_TRUE(asker->told_events(1));
}

TEST_F(EtcdWatchTest, AReplacedOrEndedWatchIsHeardNoMore) {
  size_t old = 0;
  asker->client().watch("w/", after_prefix("w/"), 0, [&](Answer<Watched>) { ++old; });
  ASSERT_TRUE(asker->watch_begins("w/", 0));
  put_one("w/a", "1");
  ASSERT_TRUE(asker->told_events(1));
  EXPECT_EQ(old, 0U);
  asker->client().end_watch();
  asker->client().poll();
  const size_t messages = asker->told.messages;
  put_one("w/a", "2");
  // Would have been told before this, which was asked later.
  put_one("w/a", "3");
  EXPECT_EQ(asker->told.messages, messages);
  EXPECT_FALSE(asker->told.end);
}

TEST_F(EtcdWatchTest, AKilledMemberEndsTheWatchWhichCanGoOnWhereItWas) {
  ASSERT_TRUE(asker->watch_begins("w/", 0));
  const Revision last = put_one("w/a", "1");
  ASSERT_TRUE(asker->told_events(1));
  server->kill();
  ASSERT_TRUE(asker->watch_ended());
  EXPECT_EQ(asker->told.end->kind, Kind::kUnreachable);
  asker->watch("w/", last + 1);
  ASSERT_TRUE(asker->watch_ended());  // refused
  EXPECT_EQ(asker->told.end->kind, Kind::kUnreachable);
  server->start();
  put_one("w/a", "2");
  ASSERT_TRUE(asker->watch_begins("w/", last + 1));
  ASSERT_TRUE(asker->told_events(1));
  EXPECT_EQ(asker->told.events[0].kv.value, "2");
}

TEST_F(EtcdWatchTest, AWatchEndsWhenRequestsFindThatTheMemberHangs) {
  ASSERT_TRUE(asker->watch_begins("w/", 0));
  server->pause();
  const auto late = asker->transact(put("w/a", "1"));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().kind, Kind::kUnreachable);
  EXPECT_TRUE(late.error().may_have_happened);
  ASSERT_TRUE(asker->watch_ended());
  EXPECT_EQ(asker->told.end->kind, Kind::kUnreachable);
  server->resume();
  asker->insist(get("w/a"));
  EXPECT_TRUE(asker->watch_begins("w/", 0));
}

}  // namespace
}  // namespace number_dispenser::etcd
