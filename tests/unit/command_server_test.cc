// Commands about the server itself: INFO's figures, DEBUG, MEMORY, SHUTDOWN and the like.
#include "command_server.h"

#include <gtest/gtest.h>

namespace number_dispenser {
namespace {

using testing_support::CommandServer;

class ServerCommandsTest : public testing::Test {
 protected:
  std::string field(const std::string& section, const std::string& name) {
    const std::string text = client.ask("INFO " + section);
    const size_t begin = text.find("\n" + name + ":");
    if (begin == std::string::npos) return "(none)";
    const size_t value = begin + name.size() + 2;
    return text.substr(value, text.find('\r', value) - value);
  }

  CommandServer server;
  CommandServer::Client client{server.context};
};

TEST_F(ServerCommandsTest, LookupsAreCounted) {
  server.ask_and_settle(client, "HSET a type 3");
  for (const char* request :
       {"GET a", "GET no", "INCR a", "INCRBY a 2", "MGET a no no", "EXISTS a no", "HGET a type",
        "HGET no type", "TYPE a", "OBJECT FREQ no"})
    client.ask(request);
  EXPECT_EQ(field("stats", "keyspace_hits"), "7");
  EXPECT_EQ(field("stats", "keyspace_misses"), "6");
}

TEST_F(ServerCommandsTest, RatesAreThoseBetweenTheLastTwoSamples) {
  Traffic& traffic = server.context.traffic;
  const auto sample = [&] {
    traffic.sample(server.clock.monotonic_ns(), server.context.loop_totals());
  };
  EXPECT_EQ(field("stats", "instantaneous_ops_per_sec"), "0");
  sample();
  server.stats.requests.add(500);
  server.stats.input_bytes.add(2048);
  server.stats.output_bytes.add(1024);
  server.clock.advance_ms(2000);
  sample();
  EXPECT_EQ(field("stats", "instantaneous_ops_per_sec"), "250");
  EXPECT_EQ(field("stats", "instantaneous_input_kbps"), "1.00");
  EXPECT_EQ(field("stats", "instantaneous_output_kbps"), "0.50");
  server.clock.advance_ms(1000);
  sample();
  EXPECT_EQ(field("stats", "instantaneous_ops_per_sec"), "0");
}

TEST_F(ServerCommandsTest, ResetStatBeginsAnew) {
  server.stats.requests.add(5);
  server.stats.accepted.add(3);
  server.stats.connections.add(2);
  client.ask("GET no");
  client.ask("NOSUCH");
  EXPECT_EQ(field("stats", "total_commands_processed"), "5");
  EXPECT_EQ(field("stats", "total_error_replies"), "2");
  EXPECT_EQ(client.ask("CONFIG RESETSTAT"), "+OK\r\n");
  EXPECT_EQ(field("stats", "total_commands_processed"), "0");
  EXPECT_EQ(field("stats", "total_connections_received"), "0");
  EXPECT_EQ(field("stats", "total_error_replies"), "0");
  EXPECT_EQ(field("stats", "keyspace_misses"), "0");
  EXPECT_EQ(field("errorstats", "errorstat_ERR"), "(none)");
  EXPECT_EQ(field("commandstats", "cmdstat_get"), "(none)");
  EXPECT_EQ(field("clients", "connected_clients"), "2") << "clients stay connected";
  server.stats.requests.add(1);
  EXPECT_EQ(field("stats", "total_commands_processed"), "1");
}

TEST_F(ServerCommandsTest, TheSectionsAreThoseOfTheirTable) {
  const std::string usual = client.ask("INFO");
  const std::string all = client.ask("INFO everything");
  for (const char* section : {"Server", "Clients", "Memory", "Persistence", "Stats", "Replication",
                              "CPU", "Modules", "Errorstats", "Cluster", "Keyspace"})
    EXPECT_NE(usual.find(std::string("# ") + section + "\r\n"), std::string::npos) << section;
  for (const char* section : {"Commandstats", "Latencystats"}) {
    const std::string title = std::string("# ") + section + "\r\n";
    EXPECT_EQ(usual.find(title), std::string::npos) << section;
    EXPECT_NE(all.find(title), std::string::npos) << section;
    EXPECT_NE(client.ask(std::string("INFO default ") + section).find(title), std::string::npos);
  }
}

TEST_F(ServerCommandsTest, DebugIsForThoseWhomTheSwitchAllows) {
  for (const auto& [allowed, prefix] : std::vector<std::pair<DebugCommand, std::string>>{
           {DebugCommand::kNo, "-ERR DEBUG command not allowed."},
           {DebugCommand::kLocal, "-ERR DEBUG command not allowed."},  // no socket: not local
           {DebugCommand::kYes, "+OK\r\n"}}) {
    server.context.facts.debug_command = allowed;
    EXPECT_TRUE(client.ask("DEBUG SLEEP 0").starts_with(prefix));
  }
  EXPECT_EQ(client.ask("debug sleep nonsense"), "+OK\r\n") << "as in Redis";
  EXPECT_EQ(client.ask("DEBUG SLEEP -1"), "+OK\r\n");
  EXPECT_TRUE(client.ask("DEBUG HELP").starts_with("*6\r\n+DEBUG <subcommand>"));
  for (const char* wrong : {"DEBUG SEGFAULT", "DEBUG SLEEP", "DEBUG SLEEP 0 0"})
    EXPECT_TRUE(client.ask(wrong).starts_with("-ERR unknown subcommand or wrong number of"))
        << wrong;
}

TEST_F(ServerCommandsTest, MemoryIsOfThisProcess) {
  EXPECT_EQ(client.ask("MEMORY USAGE no"), "$-1\r\n");
  EXPECT_TRUE(client.ask("MEMORY STATS").starts_with("*14\r\n$14\r\npeak.allocated\r\n:"));
  server.ask_and_settle(client, "HSET a type 3");
  EXPECT_NE(client.ask("MEMORY STATS").find("keys.count\r\n:1\r\n"), std::string::npos);
  EXPECT_NE(client.ask("MEMORY DOCTOR").find("resident for 1 dispensers and 0 clients"),
            std::string::npos);
  EXPECT_NE(client.ask("MEMORY MALLOC-STATS").find("glibc: "), std::string::npos);
  EXPECT_EQ(client.ask("MEMORY PURGE"), "+OK\r\n");
  EXPECT_GE(std::stoull(field("memory", "used_memory_peak")),
            std::stoull(field("memory", "used_memory")));
  EXPECT_TRUE(field("memory", "used_memory_human").ends_with("M"));
}

TEST_F(ServerCommandsTest, FrequenciesAreRefusedAsWithoutLfu) {
  server.ask_and_settle(client, "HSET a type 3");
  EXPECT_EQ(client.ask("OBJECT FREQ no"), "$-1\r\n");
  EXPECT_TRUE(client.ask("OBJECT FREQ a").starts_with("-ERR An LFU maxmemory policy is not"));
}

TEST_F(ServerCommandsTest, KeysComeWithWhatIsDoneToThem) {
  EXPECT_EQ(client.ask("COMMAND GETKEYSANDFLAGS GET a"),
            "*1\r\n*2\r\n$1\r\na\r\n*3\r\n+RW\r\n+access\r\n+update\r\n");
  EXPECT_EQ(client.ask("COMMAND GETKEYSANDFLAGS EXISTS a b"),
            "*2\r\n*2\r\n$1\r\na\r\n*1\r\n+RO\r\n*2\r\n$1\r\nb\r\n*1\r\n+RO\r\n");
  EXPECT_EQ(client.ask("COMMAND GETKEYSANDFLAGS PING x"),
            "-ERR The command has no key arguments\r\n");
  EXPECT_EQ(client.ask("COMMAND GETKEYSANDFLAGS GET a b"),
            "-ERR Invalid number of arguments specified for command\r\n");
  EXPECT_EQ(client.ask("COMMAND GETKEYSANDFLAGS NOSUCH a"), "-ERR Invalid command specified\r\n");
}

TEST_F(ServerCommandsTest, ShutdownRefusesWhatContradictsItself) {
  for (const char* wrong : {"SHUTDOWN foo", "SHUTDOWN SAVE nosave", "SHUTDOWN abort now"})
    EXPECT_EQ(client.ask(wrong), "-ERR syntax error\r\n") << wrong;
  EXPECT_EQ(client.ask("SHUTDOWN ABORT"), "-ERR No shutdown in progress.\r\n");
  EXPECT_EQ(client.send({"SHUTDOWN", "save", "now", "FORCE", "now"}), Next::kClose);
}

TEST_F(ServerCommandsTest, LolwutWantsWholeNumbers) {
  EXPECT_NE(client.ask("LOLWUT VERSION 5 1 2").find("next, please"), std::string::npos);
  EXPECT_EQ(client.ask("LOLWUT VERSION x"), "-ERR value is not an integer or out of range\r\n");
}

}  // namespace
}  // namespace number_dispenser
