// What connections see of each other and do to each other: CLIENT LIST, KILL, REPLY.
#include <gtest/gtest.h>

#include "command_server.h"

namespace number_dispenser {
namespace {

using testing_support::CommandServer;

class ClientsTest : public testing::Test {
 protected:
  static std::string id_of(CommandServer::Client& of) { return std::to_string(of.session.id()); }
  // The names in CLIENT LIST, in its order.
  std::string listed(const std::string& options = "") {
    const std::string reply = operator_.ask("CLIENT LIST" + options);
    std::string names;
    for (size_t at = 0; (at = reply.find(" name=", at)) != std::string::npos;) {
      at += 6;
      names += reply.substr(at, reply.find(' ', at) - at) + " ";
    }
    return names;
  }

  CommandServer server;
  CommandServer::Client operator_{server.context, CommandServer::kNoFile + 1};
  CommandServer::Client a{server.context, CommandServer::kNoFile + 2};
  CommandServer::Client b{server.context, CommandServer::kNoFile + 3};

  void SetUp() override {
    operator_.ask("CLIENT SETNAME op");
    a.ask("CLIENT SETNAME a");
    b.ask("CLIENT SETNAME b");
  }
};

TEST_F(ClientsTest, ListHasALineForEachConnectionUntilItCloses) {
  EXPECT_EQ(listed(), "op a b ");
  {
    CommandServer::Client late(server.context);
    late.ask("CLIENT SETNAME late");
    EXPECT_EQ(listed(), "op a b late ");
  }
  EXPECT_EQ(listed(), "op a b ");
}

TEST_F(ClientsTest, ListFiltersByTypeAndById) {
  EXPECT_EQ(listed(" TYPE normal"), "op a b ");
  for (const char* type : {"master", "replica", "slave", "PUBSUB"})
    EXPECT_EQ(listed(std::string(" TYPE ") + type), "");
  EXPECT_EQ(listed(" ID " + id_of(b) + " " + id_of(a) + " 999 -1"), "b a ");
  EXPECT_EQ(operator_.ask("CLIENT LIST TYPE x"), "-ERR Unknown client type 'x'\r\n");
  EXPECT_EQ(operator_.ask("CLIENT LIST ID 1 x"), "-ERR Invalid client ID\r\n");
  EXPECT_EQ(operator_.ask("CLIENT LIST ID"), "-ERR syntax error\r\n");
}

TEST_F(ClientsTest, ALineShowsWhatTheClientDoes) {
  const auto line = [&] { return operator_.ask("CLIENT LIST ID " + id_of(a)); };
  server.clock.advance_ms(3000);
  a.session.gauges.active_ns.set(server.clock.monotonic_ns());
  server.clock.advance_ms(2000);
  EXPECT_NE(line().find(" age=5 idle=2 flags=N db=0 "), std::string::npos) << line();
  EXPECT_NE(line().find(" cmd=client|setname user=default redir=-1 resp=2 "), std::string::npos);
  a.ask("HELLO 3");
  a.ask("MULTI");
  a.ask("PING");
  a.ask("CLIENT NO-EVICT ON");
  EXPECT_NE(line().find(" flags=x "), std::string::npos) << "NO-EVICT is queued";
  EXPECT_NE(line().find(" multi=2 "), std::string::npos);
  EXPECT_NE(line().find(" cmd=client|no-evict user=default redir=-1 resp=3 "), std::string::npos);
  a.ask("EXEC");
  EXPECT_NE(line().find(" flags=e "), std::string::npos);
  EXPECT_NE(line().find(" multi=-1 "), std::string::npos);
}

TEST_F(ClientsTest, ListAndInfoShowTheUserAsItChanges) {
  server.context.acl.set_user("app", std::vector<std::string_view>{"on", ">pw", "+@all"});
  a.ask("AUTH app pw");
  EXPECT_NE(a.ask("CLIENT INFO").find(" user=app "), std::string::npos);
  EXPECT_NE(operator_.ask("CLIENT LIST ID " + id_of(a)).find(" user=app "), std::string::npos);
  a.ask("RESET");
  EXPECT_NE(a.ask("CLIENT INFO").find(" user=default "), std::string::npos);
}

TEST_F(ClientsTest, AKilledClientIsHungUpOnAndRunsNothingMore) {
  server.ask_and_settle(a, "HSET d type 3");
  EXPECT_EQ(operator_.ask("CLIENT KILL ID " + id_of(a)), ":1\r\n");
  EXPECT_EQ(server.hung_up, std::vector<int>{CommandServer::kNoFile + 2});
  EXPECT_EQ(a.send({"GET", "d"}), Next::kClose);
  EXPECT_EQ(a.sink.take(), "");
  EXPECT_EQ(server.registry.info("d")->next, 0U);
  EXPECT_EQ(operator_.ask("CLIENT KILL ID " + id_of(a)), ":0\r\n") << "it is dead already";
  EXPECT_EQ(b.ask("PING"), "+PONG\r\n");
}

TEST_F(ClientsTest, KillSparesTheCallerUnlessToldOtherwise) {
  EXPECT_EQ(operator_.ask("CLIENT KILL TYPE normal"), ":2\r\n");
  EXPECT_EQ(server.hung_up.size(), 2U);
  EXPECT_EQ(operator_.send({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no"}), Next::kClose);
  EXPECT_EQ(operator_.sink.take(), ":1\r\n") << "its own reply still leaves";
}

TEST_F(ClientsTest, KillFiltersMustAllFit) {
  server.context.acl.set_user("app", std::vector<std::string_view>{"on", "nopass", "+@all"});
  a.ask("AUTH app x");
  const std::string id = id_of(a);
  for (const std::string& filters :
       std::vector<std::string>{"USER default ID " + id, "ADDR 1.2.3.4:5 ID " + id,
                                "LADDR x ID " + id, "TYPE replica ID " + id, "USER app ID 999"})
    EXPECT_EQ(operator_.ask("CLIENT KILL " + filters), ":0\r\n") << filters;
  EXPECT_EQ(operator_.ask("CLIENT KILL USER app ADDR ?:0 LADDR ?:0 TYPE normal ID " + id),
            ":1\r\n");
  EXPECT_EQ(server.hung_up, std::vector<int>{CommandServer::kNoFile + 2});
}

TEST_F(ClientsTest, KillSaysWhatIsWrongAndThenKillsNobody) {
  EXPECT_EQ(operator_.ask("CLIENT KILL 1.2.3.4:5"), "-ERR No such client\r\n");
  EXPECT_EQ(operator_.ask("CLIENT KILL ID 0"), "-ERR client-id should be greater than 0\r\n");
  EXPECT_EQ(operator_.ask("CLIENT KILL USER nobody"), "-ERR No such user 'nobody'\r\n");
  EXPECT_EQ(operator_.ask("CLIENT KILL TYPE x"), "-ERR Unknown client type 'x'\r\n");
  EXPECT_EQ(operator_.ask("CLIENT KILL TYPE normal SKIPME maybe"), "-ERR syntax error\r\n");
  EXPECT_EQ(operator_.ask("CLIENT KILL TYPE normal ID"), "-ERR syntax error\r\n");
  EXPECT_TRUE(server.hung_up.empty());
}

TEST_F(ClientsTest, RepliesAreSwitchedOffSkippedAndOn) {
  EXPECT_EQ(a.ask("CLIENT REPLY SKIP"), "");
  EXPECT_EQ(a.ask("PING"), "");
  EXPECT_EQ(a.ask("PING"), "+PONG\r\n");
  EXPECT_EQ(a.ask("CLIENT REPLY OFF"), "");
  EXPECT_EQ(a.ask("NOSUCH"), "");
  EXPECT_EQ(a.ask("CLIENT REPLY SKIP"), "");
  EXPECT_EQ(a.ask("PING"), "") << "SKIP does not switch them on again";
  EXPECT_EQ(a.ask("PING"), "");
  EXPECT_EQ(a.ask("CLIENT REPLY ON"), "+OK\r\n");
  EXPECT_EQ(a.ask("PING"), "+PONG\r\n");
  EXPECT_EQ(a.ask("CLIENT REPLY x"), "-ERR syntax error\r\n");
  a.ask("CLIENT REPLY OFF");
  EXPECT_EQ(a.ask("RESET"), "+RESET\r\n");
  a.ask("MULTI");
  a.ask("CLIENT REPLY OFF");
  EXPECT_EQ(a.ask("EXEC"), "*1\r\n-ERR CLIENT REPLY is not allowed in a transaction\r\n");
}

TEST_F(ClientsTest, ANumberWhoseReplyIsOffIsDrawnAndHoldsWhatFollows) {
  server.ask_and_settle(a, "HSET d type 3");
  a.ask("CLIENT REPLY SKIP");
  a.send({"GET", "d"});
  EXPECT_EQ(a.sink.bytes().size(), 0U);
  EXPECT_EQ(server.registry.info("d")->next, 1U);
  a.send({"GET", "d"});
  EXPECT_TRUE(a.sink.held());
  EXPECT_EQ(a.sink.take(), "$1\r\n1\r\n");
}

TEST_F(ClientsTest, TrackingIsOffAndNobodyIsUnblocked) {
  EXPECT_EQ(a.ask("CLIENT GETREDIR"), ":-1\r\n");
  EXPECT_EQ(
      a.ask("CLIENT TRACKINGINFO"),
      "*6\r\n$5\r\nflags\r\n*1\r\n$3\r\noff\r\n$8\r\nredirect\r\n:-1\r\n$8\r\nprefixes\r\n*0\r\n");
  EXPECT_EQ(a.ask("CLIENT UNBLOCK 1 TIMEOUT"), ":0\r\n");
  EXPECT_EQ(a.ask("CLIENT UNBLOCK 1 x"),
            "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR\r\n");
}

}  // namespace
}  // namespace number_dispenser
