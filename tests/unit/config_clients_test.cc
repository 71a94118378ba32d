// The options about clients.
#include <gtest/gtest.h>

#include "config_testing.h"

namespace number_dispenser {
namespace {

using config_testing::error_of;
using config_testing::parse;

TEST(ConfigClients, DefaultsAreThoseOfRedis) {
  const auto invocation = parse({});
  ASSERT_TRUE(invocation) << error_of(invocation);
  const ClientConfig& clients = invocation->config.clients;
  EXPECT_EQ(clients.max_clients, 10'000u);
  EXPECT_EQ(clients.max_memory, MemoryShare{.percent = 25});
  EXPECT_EQ(clients.timeout_s, 0u);
  EXPECT_EQ(clients.tcp_keepalive_s, 300u);
  EXPECT_EQ(clients.output, OutputLimit{});
  EXPECT_EQ(invocation->config.unix_socket_mode, 0u);
}

TEST(ConfigClients, CommandLineEnvironmentAndFileSetThem) {
  const config_testing::TemporaryFile file(
      "server:\n  maxmemory_clients: 64mb\n  timeout: 30\n  tcp_keepalive: 0\n"
      "  unixsocketperm: 770\n  unixsocket_group: numbers\n");
  const auto invocation =
      parse({"--config", file.path(), "--maxclients", "7"},
            {{"NUMBER_DISPENSER_CLIENT_OUTPUT_BUFFER_LIMIT", "normal 2mb 1mb 5"}});
  ASSERT_TRUE(invocation) << error_of(invocation);
  const ClientConfig& clients = invocation->config.clients;
  EXPECT_EQ(clients.max_clients, 7u);
  EXPECT_EQ(clients.max_memory, MemoryShare{.bytes = 64 << 20});
  EXPECT_EQ(clients.timeout_s, 30u);
  EXPECT_EQ(clients.tcp_keepalive_s, 0u);
  EXPECT_EQ(clients.output, (OutputLimit{2 << 20, 1 << 20, 5}));
  EXPECT_EQ(invocation->config.unix_socket_mode, 0770u);
  EXPECT_EQ(invocation->config.unix_socket_group, "numbers");
}

TEST(ConfigClients, WrongValuesAreRefusedWithWhatIsAccepted) {
  const auto refusal = [](const char* option, const char* value) {
    return error_of(parse({option, value}));
  };
  EXPECT_EQ(refusal("--maxclients", "0"),
            "64: --maxclients: '0' is not a number from 1 to 10000000");
  EXPECT_EQ(refusal("--maxmemory-clients", "1tb"),
            "64: --maxmemory-clients: '1tb' is no amount of memory, as 100mb, 1gb, 25% or 0 is");
  EXPECT_EQ(refusal("--client-output-buffer-limit", "1mb"),
            "64: --client-output-buffer-limit: '1mb' is not \"normal HARD SOFT SECONDS\", as "
            "\"normal 8mb 1mb 60\" is");
  EXPECT_EQ(refusal("--timeout", "-1"), "64: --timeout: '-1' is not a number from 0 to 1000000000");
  EXPECT_EQ(refusal("--tcp-keepalive", "40000"),
            "64: --tcp-keepalive: '40000' is not a number from 0 to 32767");
  for (const char* mode : {"8", "1000", "-1", "rw"})
    EXPECT_TRUE(refusal("--unixsocketperm", mode).ends_with("is not an octal mode, as 770 is"))
        << mode;
}

}  // namespace
}  // namespace number_dispenser
