// What a client says about its connection, transactions, and what the table says of itself.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "command_server.h"

namespace number_dispenser {
namespace {

using testing_support::CommandServer;

class ConnectionTest : public testing::Test {
 protected:
  void define(std::string_view line) { ASSERT_EQ(server.ask_and_settle(client, line)[0], ':'); }

  CommandServer server;
  CommandServer::Client client{server.context};
};

TEST_F(ConnectionTest, PingEchoSelectQuit) {
  EXPECT_EQ(client.ask("PING"), "+PONG\r\n");
  EXPECT_EQ(client.ask("ping hello"), "$5\r\nhello\r\n");
  EXPECT_EQ(client.ask("PING a b"), "-ERR wrong number of arguments for 'ping' command\r\n");
  EXPECT_EQ(client.ask("ECHO x"), "$1\r\nx\r\n");
  EXPECT_EQ(client.ask("SELECT 0"), "+OK\r\n");
  EXPECT_EQ(client.ask("SELECT 1"), "-ERR DB index is out of range\r\n");
  EXPECT_EQ(client.ask("SELECT x"), "-ERR value is not an integer or out of range\r\n");
  EXPECT_EQ(client.send({"QUIT"}), Next::kClose);
  EXPECT_EQ(client.sink.take(), "+OK\r\n");
}

TEST_F(ConnectionTest, HelloChoosesTheProtocol) {
  const std::string id = std::to_string(client.session.id());
  const std::string fields = "$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n";
  const auto tail = [&](const std::string& modules) {
    return "$2\r\nid\r\n:" + id +
           "\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$"
           "7\r\nmodules\r\n" +
           modules;
  };
  EXPECT_EQ(client.ask("HELLO 2"), "*14\r\n" + fields + "$5\r\nproto\r\n:2\r\n" + tail("*0\r\n"));
  EXPECT_EQ(client.ask("HELLO"), "*14\r\n" + fields + "$5\r\nproto\r\n:2\r\n" + tail("*0\r\n"));
  EXPECT_EQ(client.ask("HELLO 3 AUTH default x SETNAME me"),
            "%7\r\n" + fields + "$5\r\nproto\r\n:3\r\n" + tail("*0\r\n"));
  EXPECT_EQ(client.ask("CLIENT GETNAME"), "$2\r\nme\r\n");
  EXPECT_EQ(client.ask("HELLO 4"), "-NOPROTO unsupported protocol version\r\n");
  EXPECT_EQ(client.ask("HELLO x"), "-ERR Protocol version is not an integer or out of range\r\n");
  EXPECT_EQ(client.ask("HELLO 2 FOO"), "-ERR Syntax error in HELLO option 'FOO'\r\n");
  EXPECT_EQ(client.session.protocol(), Protocol::kResp3) << "a HELLO that failed changes nothing";
}

TEST_F(ConnectionTest, WithoutAPasswordAuthSaysSo) {
  EXPECT_TRUE(client.ask("AUTH x").starts_with("-ERR AUTH <password> called without any password"));
  EXPECT_EQ(client.ask("AUTH default x"), "+OK\r\n");
  EXPECT_TRUE(client.ask("AUTH other x").starts_with("-WRONGPASS "));
}

TEST_F(ConnectionTest, WithAPasswordNothingButAuthHelloAndQuitIsServedBeforeIt) {
  server.context.acl.set_default_password("secret");
  CommandServer::Client stranger(server.context);
  for (const char* request : {"PING", "GET a", "HSET a type 3", "INFO", "COMMAND", "CLIENT ID",
                              "MULTI", "CONFIG GET *", "ECHO x", "EXISTS a"})
    EXPECT_EQ(stranger.ask(request), "-NOAUTH Authentication required.\r\n") << request;
  EXPECT_TRUE(stranger.ask("HELLO 3").starts_with("-NOAUTH HELLO must be called"));
  for (const char* wrong : {"AUTH secre", "AUTH secrets", "AUTH SECRET", "AUTH default wrong",
                            "AUTH other secret", "HELLO 3 AUTH default wrong"}) {
    EXPECT_TRUE(stranger.ask(wrong).starts_with("-WRONGPASS ")) << wrong;
    server.clock.advance_ms(LoginGuard::kLongestPenaltyMs);
  }
  stranger.send({"AUTH", ""});
  EXPECT_TRUE(stranger.sink.take().starts_with("-WRONGPASS "));
  server.clock.advance_ms(LoginGuard::kLongestPenaltyMs);
  EXPECT_FALSE(stranger.session.authenticated());
  EXPECT_EQ(stranger.ask("AUTH secret"), "+OK\r\n");
  EXPECT_EQ(stranger.ask("PING"), "+PONG\r\n");
  CommandServer::Client other(server.context);
  EXPECT_TRUE(other.ask("HELLO 3 AUTH default secret").starts_with("%7\r\n"));
  EXPECT_TRUE(other.session.authenticated());
  EXPECT_EQ(client.ask("PING"), "+PONG\r\n") << "who was there before the password stays";
}

TEST_F(ConnectionTest, ClientNamesAndItsLibrary) {
  EXPECT_EQ(client.ask("CLIENT GETNAME"), "$-1\r\n");
  EXPECT_EQ(client.ask("CLIENT SETNAME n1"), "+OK\r\n");
  EXPECT_EQ(client.ask("client getname"), "$2\r\nn1\r\n");
  EXPECT_EQ(client.ask("CLIENT SETINFO LIB-NAME redis-py"), "+OK\r\n");
  EXPECT_EQ(client.ask("CLIENT SETINFO lib-ver 5.0"), "+OK\r\n");
  EXPECT_EQ(client.ask("CLIENT SETINFO x y"), "-ERR Unrecognized option 'x'\r\n");
  EXPECT_EQ(client.ask("CLIENT ID"), ":" + std::to_string(client.session.id()) + "\r\n");
  const std::string info = client.ask("CLIENT INFO");
  EXPECT_NE(info.find("lib-name=redis-py lib-ver=5.0\n"), std::string::npos) << info;
  EXPECT_TRUE(client.ask("CLIENT TRACKING ON").starts_with("-ERR client-side caching"));
  EXPECT_EQ(client.ask("CLIENT FOO"), "-ERR unknown subcommand 'FOO'. Try CLIENT HELP.\r\n");
  EXPECT_EQ(client.ask("CLIENT SETNAME"),
            "-ERR wrong number of arguments for 'client|setname' command\r\n");
  client.send({"CLIENT", "SETNAME", "a b"});
  EXPECT_TRUE(client.sink.take().starts_with("-ERR Client names cannot contain spaces"));
}

TEST_F(ConnectionTest, ConfigSetChangesTheLimitsOfClientsOrSaysWhyNot) {
  server.context.facts.open_files_clients = 5000;
  server.context.facts.usable_memory_bytes = 1'000'000;
  EXPECT_EQ(client.ask("CONFIG SET maxclients 4000 timeout 30 tcp-keepalive 0"), "+OK\r\n");
  EXPECT_EQ(client.ask("CONFIG SET maxmemory-clients 10%"), "+OK\r\n");
  EXPECT_TRUE(client.ask("CONFIG GET maxmemory-clients").ends_with("10%\r\n"))
      << "a share stays one, for CONFIG REWRITE too";
  client.send({"CONFIG", "SET", "client-output-buffer-limit", "normal 2kb 1kb 3"});
  EXPECT_EQ(client.sink.take(), "+OK\r\n");
  const ClientLimits& limits = server.context.limits;
  EXPECT_EQ(limits.max_clients, 4000u);
  EXPECT_EQ(limits.timeout_s, 30u);
  EXPECT_EQ(limits.tcp_keepalive_s, 0u);
  EXPECT_EQ(limits.memory_bytes, 100'000u);
  EXPECT_EQ(limits.output(), (OutputLimit{2048, 1024, 3}));
  EXPECT_EQ(client.ask("CONFIG GET client-output-buffer-limit"),
            "*2\r\n$26\r\nclient-output-buffer-limit\r\n$18\r\nnormal 2048 1024 3\r\n");
  const std::string failed = "-ERR CONFIG SET failed (possibly related to argument '";
  EXPECT_EQ(client.ask("CONFIG SET timeout 60 maxclients 5001"),
            failed +
                "maxclients') - The operating system is not able to handle the specified number "
                "of clients, try with 5000\r\n");
  EXPECT_EQ(limits.timeout_s, 30u);
  EXPECT_EQ(client.ask("CONFIG SET timeout -1"),
            failed + "timeout') - argument couldn't be parsed into an integer\r\n");
  EXPECT_EQ(client.ask("CONFIG SET tcp-keepalive 32768"),
            failed + "tcp-keepalive') - argument must be between 0 and 32767 inclusive\r\n");
}

TEST_F(ConnectionTest, ATransactionRunsWhatWasQueued) {
  define("HSET a type 3");
  EXPECT_EQ(client.ask("MULTI"), "+OK\r\n");
  EXPECT_EQ(client.ask("GET a"), "+QUEUED\r\n");
  EXPECT_EQ(client.ask("GET none"), "+QUEUED\r\n");
  EXPECT_EQ(client.ask("GET a"), "+QUEUED\r\n");
  EXPECT_EQ(server.registry.info("a")->next, 0U);
  client.send({"EXEC"});
  EXPECT_TRUE(client.sink.held()) << "its numbers wait like others";
  EXPECT_EQ(client.sink.take(), "*3\r\n$1\r\n0\r\n-ERR dispenser not found\r\n$1\r\n1\r\n");
  EXPECT_EQ(client.ask("GET a"), "$1\r\n2\r\n");
  EXPECT_EQ(client.ask("EXEC"), "-ERR EXEC without MULTI\r\n");
}

TEST_F(ConnectionTest, AMistakeInATransactionDiscardsAllOfIt) {
  define("HSET a type 3");
  for (const char* mistake : {"NOSUCH", "GET", "CLIENT FOO"}) {
    client.ask("MULTI");
    client.ask("GET a");
    EXPECT_TRUE(client.ask(mistake).starts_with("-ERR ")) << mistake;
    EXPECT_EQ(client.ask("EXEC"),
              "-EXECABORT Transaction discarded because of previous errors.\r\n");
  }
  EXPECT_EQ(server.registry.info("a")->next, 0U);
  EXPECT_EQ(client.ask("GET a"), "$1\r\n0\r\n");
}

TEST_F(ConnectionTest, DiscardForgetsAndMultiDoesNotNest) {
  define("HSET a type 3");
  client.ask("MULTI");
  client.ask("GET a");
  EXPECT_EQ(client.ask("MULTI"), "-ERR MULTI calls can not be nested\r\n");
  EXPECT_EQ(client.ask("DISCARD"), "+OK\r\n");
  EXPECT_EQ(client.ask("DISCARD"), "-ERR DISCARD without MULTI\r\n");
  EXPECT_EQ(client.ask("GET a"), "$1\r\n0\r\n");
  client.ask("MULTI");
  EXPECT_EQ(client.ask("EXEC"), "*0\r\n");
}

TEST_F(ConnectionTest, AnExecThatHadToWaitForRoomRepliesOnce) {
  for (const int ready : {0, 1}) {
    CommandServer small(2);
    CommandServer::Client waiting(small.context);
    small.ask_and_settle(waiting, "HSET a type 3");
    if (ready == 0) small.ask_and_settle(waiting, "HSET b type 3");
    waiting.ask("MULTI");
    waiting.ask("HSET c type 3");
    waiting.ask("HSET d type 3");
    EXPECT_EQ(waiting.send({"EXEC"}), Next::kRetry);
    EXPECT_EQ(waiting.send({"EXEC"}), Next::kRetry) << "still no room";
    CommandServer::Client other(small.context);
    small.ask_and_settle(other, "DEL a b");
    if (ready == 1) small.ask_and_settle(other, "DEL c");
    EXPECT_EQ(waiting.send({"EXEC"}), Next::kContinue);
    EXPECT_EQ(waiting.sink.take(), "*2\r\n:1\r\n:1\r\n") << ready << " ran at first";
  }
}

TEST_F(ConnectionTest, ATransactionIsBounded) {
  client.ask("MULTI");
  const std::string large(1 << 20, 'x');
  int queued = 0;
  for (; queued < 10; ++queued) {
    client.send({"ECHO", large});
    if (client.sink.take() != "+QUEUED\r\n") break;
  }
  EXPECT_EQ(queued, 3);
  EXPECT_TRUE(client.ask("EXEC").starts_with("-EXECABORT "));
}

TEST_F(ConnectionTest, UnknownCommandsAreToldAsRedisTellsThem) {
  EXPECT_EQ(client.ask("FOO a b"),
            "-ERR unknown command 'FOO', with args beginning with: 'a' 'b' \r\n");
  client.send({"FOO\r\nBAR", "x\ny"});
  EXPECT_EQ(client.sink.take(),
            "-ERR unknown command 'FOO  BAR', with args beginning with: 'x y' \r\n");
  client.send({"FOO", std::string(5000, 'x'), "never shown"});
  EXPECT_LT(client.sink.take().size(), 300U);
  EXPECT_EQ(client.ask("GET"), "-ERR wrong number of arguments for 'get' command\r\n");
  EXPECT_NE(client.ask("SET a 1").find("keeps no values"), std::string::npos);
}

TEST_F(ConnectionTest, ASubcommandsRowIsNoCommandByItself) {
  for (const char* line : {"config|help 3", "CLIENT|SETNAME a b", "acl|users x"})
    EXPECT_TRUE(client.ask(line).starts_with("-ERR unknown command '")) << line;
}

TEST_F(ConnectionTest, TheTableIsSoundAndDescribesItself) {
  std::set<std::string_view> names;
  size_t top_level = 0;
  for (const Command& row : all_commands()) {
    SCOPED_TRACE(row.name);
    EXPECT_TRUE(names.insert(row.name).second);
    EXPECT_TRUE(std::ranges::none_of(row.name, [](char c) { return c >= 'A' && c <= 'Z'; }));
    EXPECT_NE(row.arity, 0);
    EXPECT_FALSE(row.summary.empty());
    EXPECT_FALSE(row.group.empty());
    EXPECT_EQ(row.handler == nullptr, (row.flags & kContainer) != 0);
    const bool is_write = (row.flags & kWrite) != 0;
    EXPECT_FALSE(is_write && (row.flags & kReadOnly) != 0);
    if (row.name.find('|') != std::string_view::npos) continue;
    ++top_level;
    EXPECT_EQ(find_command(row.name), &row);
  }
  EXPECT_EQ(client.ask("COMMAND COUNT"), ":" + std::to_string(top_level) + "\r\n");
  EXPECT_TRUE(client.ask("COMMAND").starts_with("*" + std::to_string(top_level) + "\r\n*10\r\n"));
  EXPECT_TRUE(
      client.ask("COMMAND INFO GET nosuch").starts_with("*2\r\n*10\r\n$3\r\nget\r\n:2\r\n"));
  EXPECT_TRUE(client.ask("COMMAND DOCS GET").starts_with("*2\r\n$3\r\nget\r\n"));
  // A proxy or a client that retries reads must know that a GET is none.
  for (const char* name : {"get", "mget", "incr", "incrby"})
    EXPECT_NE(find_command(name)->flags & kWrite, 0U) << name;
}

}  // namespace
}  // namespace number_dispenser
