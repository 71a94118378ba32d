// CLIENT PAUSE: requests that wait for a time or for CLIENT UNPAUSE.
#include <gtest/gtest.h>

#include "command_server.h"

namespace number_dispenser {
namespace {

using testing_support::CommandServer;

using Words = std::vector<std::string_view>;
using Requests = std::vector<Words>;

class PauseTest : public testing::Test {
 protected:
  void SetUp() override { server.ask_and_settle(client, "HSET d type 3"); }
  bool waits(const Words& words) {
    const bool retries = client.send(words) == Next::kRetry;
    EXPECT_EQ(client.sink.take().empty(), retries);
    return retries;
  }
  uint64_t in_ms(uint64_t ms) const { return server.clock.monotonic_ns() + ms * 1'000'000; }

  CommandServer server;
  CommandServer::Client client{server.context};
  CommandServer::Client operator_{server.context};
};

TEST_F(PauseTest, APauseOfWritesHoldsBackWhatDrawsOrDefines) {
  EXPECT_EQ(operator_.ask("CLIENT PAUSE 100 WRITE"), "+OK\r\n");
  for (const auto& words : Requests{{"GET", "d"},
                                    {"INCR", "d"},
                                    {"MGET", "d"},
                                    {"INCRBY", "d", "5"},
                                    {"HSET", "e", "type", "3"},
                                    {"DEL", "d"}})
    EXPECT_TRUE(waits(words)) << words[0];
  for (const auto& words :
       Requests{{"PING"}, {"INFO", "d"}, {"HGET", "d", "type"}, {"EXISTS", "d"}})
    EXPECT_FALSE(waits(words)) << words[0];
  EXPECT_EQ(server.registry.info("d")->next, 0U);
}

TEST_F(PauseTest, APauseOfAllHoldsBackEverythingThatIsNoMistake) {
  EXPECT_EQ(operator_.ask("CLIENT PAUSE 100"), "+OK\r\n");
  EXPECT_TRUE(waits({"PING"}));
  EXPECT_TRUE(waits({"CLIENT", "UNPAUSE"})) << "as in Redis";
  EXPECT_FALSE(waits({"NOSUCH"}));
  EXPECT_FALSE(waits({"GET"}));
}

TEST_F(PauseTest, ARequestRunsWhenItsTimeIsOver) {
  operator_.ask("CLIENT PAUSE 100 WRITE");
  const uint64_t until_ns = in_ms(100);
  EXPECT_TRUE(waits({"GET", "d"}));
  EXPECT_EQ(client.session.take_retry_ns(), until_ns);
  server.clock.advance_ms(99);
  EXPECT_TRUE(waits({"GET", "d"}));
  EXPECT_EQ(client.session.take_retry_ns(), until_ns);
  server.clock.advance_ms(1);
  EXPECT_EQ(client.ask("GET d"), "$1\r\n0\r\n") << "what waited drew nothing";
  EXPECT_EQ(client.session.take_retry_ns(), UINT64_MAX);
  EXPECT_FALSE(server.context.pause.active()) << "nobody reads a clock for it any more";
}

TEST_F(PauseTest, UnpauseLetsGoAtOnceAndIsNews) {
  operator_.ask("CLIENT PAUSE 100000 WRITE");
  EXPECT_TRUE(waits({"GET", "d"}));
  const uint64_t news = server.context.news.load();
  EXPECT_EQ(operator_.ask("CLIENT UNPAUSE"), "+OK\r\n");
  EXPECT_GT(server.context.news.load(), news);
  EXPECT_FALSE(waits({"GET", "d"}));
}

TEST_F(PauseTest, TheTimeOfAPauseThatWasEndedIsNotThatOfALaterWait) {
  operator_.ask("CLIENT PAUSE 100000 WRITE");
  EXPECT_TRUE(waits({"GET", "d"}));
  EXPECT_NE(client.session.take_retry_ns(), UINT64_MAX);
  operator_.ask("CLIENT UNPAUSE");
  std::string name = "e";
  while (!waits({"HSET", name, "type", "3"})) name += "e";  // until the store has no room
  EXPECT_EQ(client.session.take_retry_ns(), UINT64_MAX);
}

TEST_F(PauseTest, APauseUnderWayBecomesNeitherShorterNorNarrower) {
  operator_.ask("CLIENT PAUSE 100 WRITE");
  operator_.ask("CLIENT PAUSE 10 WRITE");
  server.clock.advance_ms(50);
  EXPECT_TRUE(waits({"GET", "d"}));
  EXPECT_FALSE(waits({"PING"}));
  operator_.ask("CLIENT PAUSE 1 ALL");
  EXPECT_TRUE(waits({"PING"}));
  server.clock.advance_ms(49);
  EXPECT_TRUE(waits({"PING"}));
  server.clock.advance_ms(1);
  EXPECT_FALSE(waits({"PING"}));
  operator_.ask("CLIENT PAUSE 10 WRITE");
  EXPECT_FALSE(waits({"PING"})) << "a new one is its own";
}

TEST_F(PauseTest, ATransactionWaitsIfItDraws) {
  client.ask("MULTI");
  client.ask("PING");
  operator_.ask("CLIENT PAUSE 100 WRITE");
  EXPECT_EQ(client.ask("EXEC"), "*1\r\n+PONG\r\n");
  client.ask("MULTI");
  EXPECT_TRUE(waits({"GET", "d"})) << "even to be queued, as in Redis";
  server.clock.advance_ms(100);
  EXPECT_EQ(client.ask("GET d"), "+QUEUED\r\n");
  operator_.ask("CLIENT PAUSE 100 WRITE");
  EXPECT_TRUE(waits({"EXEC"}));
  server.clock.advance_ms(100);
  EXPECT_EQ(client.ask("EXEC"), "*1\r\n$1\r\n0\r\n");
}

TEST_F(PauseTest, AServerThatStopsAnswersWhatWaits) {
  operator_.ask("CLIENT PAUSE 100000");
  EXPECT_TRUE(waits({"GET", "d"}));
  server.context.end_waits();
  EXPECT_EQ(client.ask("GET d"), "$1\r\n0\r\n");
  EXPECT_EQ(operator_.ask("CLIENT PAUSE 100000"), "+OK\r\n");
  EXPECT_FALSE(waits({"GET", "d"})) << "too late for another pause";
}

TEST_F(PauseTest, AKilledClientThatWaitsIsClosed) {
  operator_.ask("CLIENT PAUSE 100000 WRITE");
  EXPECT_TRUE(waits({"GET", "d"}));
  operator_.ask("CLIENT KILL ID " + std::to_string(client.session.id()));
  EXPECT_EQ(client.send({"GET", "d"}), Next::kClose);
  EXPECT_EQ(server.registry.info("d")->next, 0U);
}

TEST_F(PauseTest, ALongPauseDoesNotOverflow) {
  EXPECT_EQ(operator_.ask("CLIENT PAUSE 9223372036854775807 WRITE"), "+OK\r\n");
  EXPECT_TRUE(waits({"GET", "d"}));
  EXPECT_EQ(operator_.ask("CLIENT PAUSE -1"), "-ERR timeout is negative\r\n");
  EXPECT_EQ(operator_.ask("CLIENT PAUSE x"), "-ERR timeout is not an integer or out of range\r\n");
  EXPECT_EQ(operator_.ask("CLIENT PAUSE 1 x"), "-ERR CLIENT PAUSE mode must be WRITE or ALL\r\n");
}

}  // namespace
}  // namespace number_dispenser
