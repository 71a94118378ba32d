// MONITOR: what it shows, what it hides, and what it may cost.
#include <gtest/gtest.h>

#include "command_server.h"

namespace number_dispenser {
namespace {

using testing_support::CommandServer;

class MonitorTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(monitor.ask("MONITOR"), "+OK\r\n"); }
  // What has been shown since, without the times and the address, which is the same for all.
  std::string shown() {
    Buffer out;
    EXPECT_TRUE(monitor.session.hear(out, true));
    std::string lines;
    for (std::string_view rest = out.view(); !rest.empty();) {
      const size_t end = rest.find("\r\n");
      std::string_view line = rest.substr(0, end);
      EXPECT_TRUE(line.starts_with("+")) << line;
      line.remove_prefix(line.find("[0 ?:0] ") + 8);
      lines += std::string(line) + "\n";
      rest.remove_prefix(end + 2);
    }
    return lines;
  }

  CommandServer server;
  CommandServer::Client monitor{server.context};
  CommandServer::Client client{server.context};
};

TEST_F(MonitorTest, ShowsRequestsWithTheTimeInMicroseconds) {
  server.clock.advance_ms(2345);
  client.ask("get a");
  Buffer out;
  ASSERT_TRUE(monitor.session.hear(out, true));
  EXPECT_EQ(out.view(), "+3.345000 [0 ?:0] \"get\" \"a\"\r\n");
}

TEST_F(MonitorTest, ShowsWhatRunsItsOwnRequestsIncluded) {
  client.ask("PING");
  client.ask("NOSUCH");
  client.ask("GET");
  monitor.ask("ECHO mine");
  client.ask("MULTI");
  client.ask("GET a");
  EXPECT_EQ(shown(), "\"PING\"\n\"ECHO\" \"mine\"\n\"MULTI\"\n");
  client.ask("EXEC");
  EXPECT_EQ(shown(), "\"GET\" \"a\"\n\"EXEC\"\n");
}

TEST_F(MonitorTest, EscapesWhatIsNoPrintableAscii) {
  client.send({"ECHO", std::string_view("a\"\\\n\r\t\a\b\0\xff", 10)});
  EXPECT_EQ(shown(), "\"ECHO\" \"a\\\"\\\\\\n\\r\\t\\a\\b\\x00\\xff\"\n");
}

TEST_F(MonitorTest, ShowsNoSecret) {
  client.ask("AUTH hunter2");
  client.ask("AUTH default hunter2");
  client.ask("HELLO 2 AUTH default hunter2 SETNAME me");
  client.ask("ACL SETUSER u >hunter2");
  client.ask("CONFIG SET requirepass hunter2");
  client.ask("MULTI");
  client.ask("AUTH default hunter2");
  client.ask("EXEC");
  const std::string lines = shown();
  EXPECT_EQ(lines.find("hunter2"), std::string::npos) << lines;
  EXPECT_TRUE(lines.starts_with(
      "\"AUTH\" \"(redacted)\"\n\"AUTH\" \"(redacted)\" \"(redacted)\"\n"
      "\"HELLO\" \"2\" \"AUTH\" \"(redacted)\" \"(redacted)\" \"SETNAME\" \"me\"\n"))
      << lines;
}

TEST_F(MonitorTest, ASecondMonitorOfTheSameClientGetsNoReply) {
  EXPECT_EQ(monitor.ask("MONITOR"), "");
  client.ask("PING");
  EXPECT_EQ(shown(), "\"PING\"\n");
}

TEST_F(MonitorTest, IsNotAllowedInATransaction) {
  client.ask("MULTI");
  EXPECT_EQ(client.ask("MONITOR"), "+QUEUED\r\n");
  EXPECT_EQ(client.ask("EXEC"), "*1\r\n-ERR MONITOR isn't allowed for DENY BLOCKING client\r\n");
  EXPECT_FALSE(client.session.listens());
}

TEST_F(MonitorTest, LinesDoNotTearTheReplyToATransactionThatWaits) {
  server.context.acl.set_default_password("secret");
  monitor.ask("AUTH secret");
  for (const char* request : {"MULTI", "PING", "AUTH wrong", "AUTH secret"}) monitor.ask(request);
  shown();
  EXPECT_EQ(monitor.send({"EXEC"}), Next::kRetry);
  EXPECT_EQ(shown(), "");
  server.clock.advance_ms(2);
  EXPECT_EQ(monitor.send({"EXEC"}), Next::kContinue);
  EXPECT_TRUE(shown().starts_with("\"PING\"\n"));
}

TEST_F(MonitorTest, AMonitorDrawsNothing) {
  server.ask_and_settle(client, "HSET d type 3");
  for (const char* request : {"GET d", "HSET e type 3", "DEL d", "EXISTS d", "DBSIZE"})
    EXPECT_EQ(monitor.ask(request), "-ERR Replica can't interact with the keyspace\r\n") << request;
  EXPECT_EQ(server.registry.info("d")->next, 0U);
}

TEST_F(MonitorTest, ResetEndsIt) {
  EXPECT_EQ(monitor.ask("RESET"), "+RESET\r\n");
  EXPECT_FALSE(monitor.session.listens());
  EXPECT_FALSE(server.context.monitors.any());
  client.ask("PING");
  EXPECT_EQ(monitor.ask("MONITOR"), "+OK\r\n");
  EXPECT_EQ(shown(), "") << "nothing of the time between";
}

TEST_F(MonitorTest, AMonitorThatClosesCostsNothingMore) {
  {
    CommandServer::Client second(server.context);
    second.ask("MONITOR");
    monitor.ask("RESET");
    EXPECT_TRUE(server.context.monitors.any());
  }
  EXPECT_FALSE(server.context.monitors.any());
  const uint64_t news = server.context.news.load();
  client.ask("PING");
  EXPECT_EQ(server.context.news.load(), news);
}

TEST_F(MonitorTest, LinesThatWaitAreMemoryOfTheClient) {
  const size_t before = monitor.session.kept_bytes();
  const std::string large(100'000, 'x');
  Buffer out;
  for (const bool takes : {true, false}) {
    client.send({"ECHO", large});
    EXPECT_GE(monitor.session.kept_bytes(), before + large.size());
    if (takes) {
      EXPECT_TRUE(monitor.session.hear(out, true));
      EXPECT_GT(out.size(), large.size());
    } else {
      monitor.ask("RESET");
    }
    EXPECT_EQ(monitor.session.kept_bytes(), before);
  }
}

TEST_F(MonitorTest, LinesWaitForRoomAndOneThatDoesNotReadIsClosed) {
  CommandServer::Client reader(server.context);
  reader.ask("MONITOR");
  Buffer out;
  const std::string large(100'000, 'x');
  size_t told = 0;
  while (monitor.session.hear(out, false) && told < 2 * Monitors::kMailboxBytes) {
    client.send({"ECHO", large});
    client.sink.take();
    told += large.size();
    Buffer taken;
    ASSERT_TRUE(reader.session.hear(taken, true));
    EXPECT_GT(taken.size(), large.size());
  }
  EXPECT_TRUE(out.empty());
  EXPECT_GE(told, Monitors::kMailboxBytes - large.size());
  EXPECT_LE(told, Monitors::kMailboxBytes + large.size());
}

}  // namespace
}  // namespace number_dispenser
