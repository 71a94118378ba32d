#include <sys/stat.h>

#include "config_testing.h"

namespace number_dispenser {
namespace {

using config_testing::error_of;
using config_testing::TemporaryFile;

Result<Invocation> parse_file(std::string_view text) {
  const TemporaryFile file(text);
  return config_testing::parse({"--config", file.path()});
}

// The error without the status and the file's name: "LINE: ...".
std::string refusal(std::string_view text) {
  const TemporaryFile file(text);
  const std::string error = error_of(config_testing::parse({"--config", file.path()}));
  const std::string prefix = "78: " + file.path() + ":";
  return error.starts_with(prefix) ? error.substr(prefix.size()) : error;
}

TEST(ConfigFile, OriginalFileIsAccepted) {
  const auto invocation = parse_file(R"(server:
  addr: ":7000"
storage:
  data_dir: "/var/d"
  auto_save: true        # accepted
logging:
  level: "warn"
  format: "json"
cluster:
  enabled: false
  node_id: "node-1"
  endpoints: ["http://127.0.0.1:2379"]
)");
  ASSERT_TRUE(invocation) << error_of(invocation);
  EXPECT_EQ(invocation->config.addresses, std::vector<std::string>{":7000"});
  EXPECT_EQ(invocation->config.data_dir, "/var/d");
  EXPECT_EQ(invocation->config.log_level, LogLevel::kWarn);
  EXPECT_EQ(invocation->config.log_format, LogFormat::kJson);
  EXPECT_FALSE(invocation->config.cluster.enabled);
}

TEST(ConfigFile, KeysOfThisServerAreAccepted) {
  const auto invocation = parse_file(R"(server:
  addr: [":7000", 'unix:/x']
  threads: 3
  run_dir: /r
  protected_mode: no
  requirepass: 12345
)");
  ASSERT_TRUE(invocation) << error_of(invocation);
  EXPECT_EQ(invocation->config.addresses, (std::vector<std::string>{":7000", "unix:/x"}));
  EXPECT_EQ(invocation->config.threads, 3U);
  EXPECT_EQ(invocation->config.run_dir, "/r");
  EXPECT_FALSE(invocation->config.protected_mode);
  EXPECT_EQ(invocation->config.requirepass, "12345");
}

TEST(ConfigFile, EmptyFileAndEmptySectionsChangeNothing) {
  for (const std::string_view text :
       {"", "\n\n", "# nothing\n", "---\n", "server:\n", "server: {}"})
    EXPECT_TRUE(parse_file(text)) << text;
}

struct Refused {
  std::string_view text;
  std::string_view error;
};

class ConfigFileRefused : public testing::TestWithParam<Refused> {};

TEST_P(ConfigFileRefused, NamesTheLineAndTheKey) {
  EXPECT_EQ(refusal(GetParam().text), GetParam().error);
}

constexpr std::string_view kServerKeys =
    "addr, run_dir, threads, requirepass, aclfile, protected_mode, maxclients, maxmemory_clients, "
    "client_output_buffer_limit, timeout, tcp_keepalive, unixsocketperm, unixsocket_group, "
    "enable_debug_command";

INSTANTIATE_TEST_SUITE_P(
    Shape, ConfigFileRefused,
    testing::Values(
        Refused{"server:\n  addr: ':1'\n\n  adr: ':1'\n",
                "4: unknown key 'server.adr'; accepted are addr, run_dir, threads, requirepass, "
                "aclfile, protected_mode, maxclients, maxmemory_clients, "
                "client_output_buffer_limit, timeout, tcp_keepalive, unixsocketperm, "
                "unixsocket_group, enable_debug_command"},
        Refused{"logging: {level: info}\nmetrics: 1\n",
                "2: unknown key 'metrics'; accepted are server, storage, logging, tls, "
                "monitoring, cluster"},
        Refused{"? 'a\tb'\n: 1\n",
                "1: unknown key 'a?b'; accepted are server, storage, logging, tls, "
                "monitoring, cluster"},
        Refused{
            "'': 1",
            "1: unknown key ''; accepted are server, storage, logging, tls, monitoring, cluster"},
        Refused{"[server]: 1", "1: a key must be a plain name"},
        Refused{"server:\n  {a: b}: 1\n", "2: a key must be a plain name"},
        Refused{
            "- server",
            "1: the file must be a mapping of server, storage, logging, tls, monitoring, cluster"},
        Refused{
            "server",
            "1: the file must be a mapping of server, storage, logging, tls, monitoring, cluster"},
        Refused{"\nlogging: info", "2: logging must be a mapping of level, format"},
        Refused{"\nlogging: [level]", "2: logging must be a mapping of level, format"},
        Refused{"server:\n  threads: [1]\n", "2: server.threads must be a plain value"},
        Refused{"server:\n  threads: {a: 1}\n", "2: server.threads must be a plain value"},
        Refused{"server:\n  threads:\n", "2: server.threads must be a plain value"},
        Refused{"server:\n  addr: ~\n", "2: server.addr must be a plain value or a list of them"},
        Refused{"server:\n  addr: []\n", "2: server.addr must not be an empty list"},
        Refused{"server:\n  addr:\n  - :1\n  - [:2]\n",
                "4: server.addr must be a list of plain values"},
        Refused{"server:\n  threads: &x 1\nstorage:\n  data_dir: *x\n",
                "4: storage.data_dir must be a plain value"},
        Refused{"server:\n  threads: 1\n  threads: 1\n", "3: server.threads is there twice"},
        Refused{"server:\n  threads: 1\nserver:\n  addr: :1\n", "3: server is there twice"},
        Refused{"server: {}\n---\nserver: {}\n",
                "2: a second document, or text behind the end of the first"},
        Refused{",,,", "1: a second document, or text behind the end of the first"},
        Refused{"server: {\n", "2: not valid YAML: end of map flow not found"},
        Refused{"server:\n  addr: :1\n threads: 2\n", "3: not valid YAML: end of map not found"},
        Refused{"server:\n  addr: ':1'\n\tthreads: 1\n", "3: not valid YAML: end of map not found"},
        Refused{"server:\n  addr: [':1'\n", "3: not valid YAML: end of sequence flow not found"}));

INSTANTIATE_TEST_SUITE_P(
    Values, ConfigFileRefused,
    testing::Values(
        Refused{"server:\n  addr: 6380\n",
                "2: server.addr: '6380' is not an address to listen on: accepted are HOST:PORT, "
                ":PORT, [IPV6]:PORT, tls:HOST:PORT and unix:PATH"},
        Refused{
            "server:\n  addr:\n  - ':1'\n  - nonsense\n",
            "4: server.addr: 'nonsense' is not an address to listen on: accepted are HOST:PORT, "
            ":PORT, [IPV6]:PORT, tls:HOST:PORT and unix:PATH"},
        Refused{"server:\n  addr: [':1', ':1']\n", "2: server.addr: ':1' is there twice"},
        Refused{"server:\n  threads: many\n",
                "2: server.threads: 'many' is not a number from 1 to 64"},
        Refused{"server:\n  protected_mode: 1\n",
                "2: server.protected_mode: '1' is not one of yes, no, true, false"},
        Refused{"storage:\n  auto_save: often\n",
                "2: storage.auto_save: 'often' is not one of yes, no, true, false"},
        Refused{"storage:\n  data_dir: ''\n", "2: storage.data_dir: '' is not a path"},
        Refused{"storage:\n  data_dir: \"a\\0b\"\n", "2: storage.data_dir: 'a?b' is not a path"},
        Refused{"logging:\n  level: 3\n",
                "2: logging.level: '3' is not one of debug, info, warn, error"},
        Refused{"cluster:\n  enabled: perhaps\n",
                "2: cluster.enabled: 'perhaps' is not one of yes, no, true, false"}));

TEST(ConfigFile, UnknownKeysOfTheServerSectionListAllKeys) {
  EXPECT_TRUE(refusal("server: {x: 1}").ends_with(kServerKeys));
}

TEST(ConfigFile, DeepNestingIsRefusedWithoutDeepRecursion) {
  std::string deep_keys;
  for (size_t depth = 0; depth < 1400; ++depth) deep_keys += std::string(depth, ' ') + "server:\n";
  const std::string half_mib(1 << 19, '[');
  EXPECT_TRUE(refusal(half_mib).contains("a key must be a plain name"));
  EXPECT_TRUE(refusal("server: {addr: " + half_mib).contains("must be a list of plain values"));
  EXPECT_TRUE(refusal(std::string(1 << 19, '{')).contains("a key must be a plain name"));
  EXPECT_TRUE(refusal(deep_keys).contains("unknown key 'server.server'"));
}

TEST(ConfigFile, LargerThanOneMebibyteIsRefused) {
  const std::string mebibyte(1 << 20, '#');
  EXPECT_EQ(error_of(parse_file(mebibyte)), "");
  EXPECT_TRUE(error_of(parse_file(mebibyte + "#")).ends_with("is larger than 1 MiB"));
  EXPECT_TRUE(error_of(config_testing::parse({"--config", "/dev/zero"}))
                  .ends_with("'/dev/zero' is larger than 1 MiB"));
}

TEST(ConfigFile, PasswordNeverAppearsInAnError) {
  for (const std::string_view text :
       {"server:\n  requirepass: [hunter2]\n", "server:\n  requirepass: {hunter2: 1}\n",
        "server:\n  requirepass:hunter2\n", "server:\n  requirepass: \"hunter2\\qhunter2\"\n",
        "server:\n  requirepass: hunter2: x\n", "server:\n  requirepass: 'hunter2",
        "server:\n  requirepass: hunter2\n  requirepass: hunter2\n",
        "server:\n  requirepas: hunter2\n", "server:\n  requirepass: hunter2\n  threads: 0\n",
        "server:\n  requirepass: \"\\uD800hunter2\"\n"}) {
    const std::string error = refusal(text);
    EXPECT_NE(error, "") << text;
    EXPECT_FALSE(error.contains("hunter")) << error;
  }
  EXPECT_TRUE(refusal("server:\n  requirepass: \"\\q\"\n").ends_with("unknown escape character"));
}

TEST(ConfigFile, MissingFileOrFolderIsAConfigurationError) {
  EXPECT_EQ(error_of(config_testing::parse({"--config", "/nonexistent"})),
            "78: cannot read the configuration file '/nonexistent': No such file or directory");
  EXPECT_EQ(error_of(config_testing::parse({"--config", "/"})),
            "78: cannot read the configuration file '/': Is a directory");
}

TEST(ConfigFile, FileThatMayNotBeReadIsAPermissionError) {
  const TemporaryFile file("");
  ASSERT_EQ(::chmod(file.path().c_str(), 0), 0);
  constexpr uid_t kNobody = 65534;
  const bool is_root = ::geteuid() == 0;  // who may read everything
  ASSERT_EQ(::seteuid(is_root ? kNobody : ::geteuid()), 0);
  const auto invocation = config_testing::parse({"--config", file.path()});
  ASSERT_EQ(::seteuid(is_root ? 0 : ::geteuid()), 0);
  EXPECT_EQ(error_of(invocation),
            "77: cannot read the configuration file '" + file.path() + "': Permission denied");
}

TEST(ConfigFile, ReloadReadsTheFileAgain) {
  const TemporaryFile file("logging: {level: debug}");
  const char* const arguments[] = {"number-dispenser", "--config", file.path().c_str()};
  const Environment environment = config_testing::environment_of({});
  EXPECT_EQ(reload(arguments, environment)->log_level, LogLevel::kDebug);
  file.write("logging: {level: error}");
  EXPECT_EQ(reload(arguments, environment)->log_level, LogLevel::kError);
  file.write("logging: {level: none}");
  EXPECT_EQ(reload(arguments, environment).error().status, ExitStatus::kConfiguration);
}

}  // namespace
}  // namespace number_dispenser
