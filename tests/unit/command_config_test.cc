// CONFIG, and what it changes.
#include <gtest/gtest.h>

#include <vector>

#include "command_server.h"
#include "number_dispenser/base/log.h"

namespace number_dispenser {
namespace {

using testing_support::CommandServer;

class ConfigTest : public testing::Test {
 protected:
  ~ConfigTest() override { set_log_level(level_); }

  std::string value_of(const std::string& name) {
    const std::string reply = client.ask("CONFIG GET " + name);
    const size_t end = reply.rfind("\r\n");
    const size_t begin = reply.rfind("\r\n", end - 1) + 2;
    return reply.substr(begin, end - begin);
  }

  CommandServer server;
  CommandServer::Client client{server.context};
  const LogLevel level_ = log_level();
};

TEST_F(ConfigTest, ConfigGetTakesPatterns) {
  EXPECT_EQ(client.ask("CONFIG GET save"), "*2\r\n$4\r\nsave\r\n$0\r\n\r\n");
  EXPECT_EQ(client.ask("CONFIG GET SAVE appendonly"),
            "*4\r\n$10\r\nappendonly\r\n$2\r\nno\r\n$4\r\nsave\r\n$0\r\n\r\n");
  EXPECT_EQ(client.ask("CONFIG GET data[a-c]ases"), "*2\r\n$9\r\ndatabases\r\n$1\r\n1\r\n");
  EXPECT_EQ(client.ask("CONFIG GET maxmemory"), "*2\r\n$9\r\nmaxmemory\r\n$1\r\n0\r\n");
  EXPECT_EQ(client.ask("CONFIG GET maxmemory?policy"),
            "*2\r\n$16\r\nmaxmemory-policy\r\n$10\r\nnoeviction\r\n");
  EXPECT_EQ(client.ask("CONFIG GET [^a-z]*"), "*0\r\n");
  EXPECT_EQ(client.ask("CONFIG GET nothing"), "*0\r\n");
  const std::string all = client.ask("CONFIG GET *");
  for (const char* name : {"appendonly", "databases", "maxclients", "port", "protected-mode"})
    EXPECT_NE(all.find(name), std::string::npos) << name;
  EXPECT_EQ(all.find("requirepass"), std::string::npos) << "a secret";
  client.ask("HELLO 3");
  EXPECT_EQ(client.ask("CONFIG GET save"), "%1\r\n$4\r\nsave\r\n$0\r\n\r\n");
}

TEST_F(ConfigTest, ConfigSetIsAllOrNothing) {
  EXPECT_TRUE(client.ask("CONFIG SET requirepass x protected-mode maybe").starts_with("-ERR "));
  EXPECT_TRUE(server.context.acl.is_open());
  EXPECT_TRUE(client.ask("CONFIG SET databases 2").starts_with("-ERR "));
  EXPECT_EQ(client.ask("CONFIG SET requirepass x protected-mode no"), "+OK\r\n");
  EXPECT_NE(server.context.acl.authenticate("default", "x"), nullptr);
  EXPECT_FALSE(server.context.protected_mode.load());
}

TEST_F(ConfigTest, WhatIsSetIsShown) {
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
           {"slowlog-log-slower-than", "-1"},
           {"slowlog-max-len", "0"},
           {"latency-monitor-threshold", "100"},
           {"latency-tracking", "no"},
           {"latency-tracking-info-percentiles", "99.5"},
           {"protected-mode", "no"},
           {"loglevel", "debug"},
           {"loglevel", "notice"},
           {"loglevel", "warning"}}) {
    EXPECT_EQ(client.ask("CONFIG SET " + name + " " + value), "+OK\r\n") << name;
    EXPECT_EQ(value_of(name), value) << name;
  }
  EXPECT_EQ(client.ask("CONFIG SET LogLevel VERBOSE"), "+OK\r\n");
  EXPECT_EQ(value_of("loglevel"), "notice") << "there is nothing between them here";
  client.send({"CONFIG", "SET", "latency-tracking-info-percentiles", "0 50.5  100"});
  EXPECT_EQ(client.sink.take(), "+OK\r\n");
  EXPECT_EQ(value_of("latency-tracking-info-percentiles"), "0 50.5 100");
}

TEST_F(ConfigTest, ABadValueIsRefusedInRedissWords) {
  const std::string head = "-ERR CONFIG SET failed (possibly related to argument '";
  const std::string most = " and 9223372036854775807 inclusive\r\n";
  for (const auto& [words, tail] : std::vector<std::pair<std::string, std::string>>{
           {"slowlog-max-len -1", "slowlog-max-len') - argument must be between 0" + most},
           {"slowlog-log-slower-than -2",
            "slowlog-log-slower-than') - argument must be between -1" + most},
           {"slowlog-max-len x",
            "slowlog-max-len') - argument couldn't be parsed into an integer\r\n"},
           {"latency-tracking maybe", "latency-tracking') - argument must be 'yes' or 'no'\r\n"},
           {"latency-tracking-info-percentiles 101",
            "latency-tracking-info-percentiles') - latency-tracking-info-percentiles parameters "
            "should sit between [0.0,100.0]\r\n"},
           {"latency-tracking-info-percentiles 1,2",
            "latency-tracking-info-percentiles') - Invalid latency-tracking-info-percentiles "
            "parameters\r\n"},
           {"loglevel loud",
            "loglevel') - argument(s) must be one of the following: debug, verbose, notice, "
            "warning\r\n"},
           {"enable-debug-command yes", "enable-debug-command') - can't set immutable config\r\n"},
           {"slowlog-max-len 1 SLOWLOG-max-len 2", "SLOWLOG-max-len') - duplicate parameter\r\n"}})
    EXPECT_EQ(client.ask("CONFIG SET " + words), head + tail);
  EXPECT_EQ(client.ask("CONFIG SET latency-tracking no slowlog-max-len -1"),
            head + "slowlog-max-len') - argument must be between 0" + most);
  EXPECT_EQ(value_of("latency-tracking"), "yes") << "the good one was not taken either";
  EXPECT_EQ(client.ask("CONFIG SET latency-tracking no requirepass"), "-ERR syntax error\r\n");
}

TEST_F(ConfigTest, RewriteHandsOverTheFilesKeysAndTellsWhyNot) {
  EXPECT_EQ(client.ask("CONFIG REWRITE"), "-ERR The server is running without a config file\r\n");
  std::vector<std::pair<std::string, std::string>> seen;
  std::optional<std::string> fault;
  server.context.rewrite_config = [&](std::span<const FileValue> values) {
    for (const auto& [key, value] : values) seen.emplace_back(key, value);
    return fault;
  };
  server.context.limits.max_clients = 4000;  // of 10000, because of the limit of open files
  client.ask(
      "CONFIG SET slowlog-max-len 7 requirepass secret loglevel warning maxmemory-clients 10%");
  EXPECT_EQ(client.ask("CONFIG REWRITE"), "+OK\r\n");
  const std::vector<std::pair<std::string, std::string>> expected{
      {"server.client_output_buffer_limit", "normal 0 0 0"},
      {"monitoring.latency_monitor_threshold", "0"},
      {"monitoring.latency_tracking", "yes"},
      {"monitoring.latency_tracking_info_percentiles", "50 99 99.9"},
      {"logging.level", "warn"},
      {"server.maxclients", "10000"},
      {"server.maxmemory_clients", "10%"},
      {"server.protected_mode", "yes"},
      {"monitoring.slowlog_log_slower_than", "10000"},
      {"monitoring.slowlog_max_len", "7"},
      {"server.tcp_keepalive", "300"},
      {"server.timeout", "0"}};
  EXPECT_EQ(seen, expected) << "the file's words, and no password";
  fault = "no room";
  EXPECT_EQ(client.ask("CONFIG REWRITE"), "-ERR Rewriting config file: no room\r\n");
  set_log_level(LogLevel::kError);
  seen.clear();
  client.ask("CONFIG REWRITE");
  EXPECT_EQ(seen[4].second, "error") << "which Redis does not have";
}

TEST_F(ConfigTest, EveryDebugSwitchIsShown) {
  for (const auto& [value, shown] :
       std::vector<std::pair<DebugCommand, std::string>>{{DebugCommand::kNo, "no"},
                                                         {DebugCommand::kLocal, "local"},
                                                         {DebugCommand::kYes, "yes"}}) {
    server.context.facts.debug_command = value;
    EXPECT_EQ(value_of("enable-debug-command"), shown);
  }
}

}  // namespace
}  // namespace number_dispenser
