#include <algorithm>
#include <sstream>

#include "config_testing.h"
#include "number_dispenser/config/accepted.h"

namespace number_dispenser {
namespace {

using config_testing::error_of;
using config_testing::parse;
using Action = Invocation::Action;

TEST(ConfigHelp, EverySpellingPrintsTheSameText) {
  const auto help = parse({"--help"});
  ASSERT_TRUE(help) << error_of(help);
  EXPECT_EQ(help->action, Action::kPrintAndExit);
  EXPECT_TRUE(help->text.starts_with("Usage: number-dispenser"));
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"-h"}, {"-help"}, {"check", "--help"}, {"dump", "-h"}})
    EXPECT_EQ(parse(arguments)->text, help->text);
}

TEST(ConfigHelp, LinesFitEightyColumnsAndEndWithoutSpaces) {
  std::istringstream lines(parse({"--help"})->text);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(line.size(), 80U) << line;
    EXPECT_FALSE(line.ends_with(' ')) << line;
  }
}

TEST(ConfigHelp, NamesCommandsOptionsVariablesKeysDefaultsAndStatuses) {
  const std::string text = parse({"--help"})->text;
  for (const std::string_view part : {"  serve ",
                                      "  check ",
                                      "  dump ",
                                      "  commands ",
                                      "--addr ADDRESS",
                                      "--data DIR",
                                      "--run DIR",
                                      "--config FILE",
                                      "--threads N",
                                      "--log-level debug|info|warn|error",
                                      "--log-format text|json|journal",
                                      "--requirepass PASSWORD",
                                      "--aclfile FILE",
                                      "--protected-mode yes|no",
                                      "--maxclients N",
                                      "--maxmemory-clients BYTES|N%",
                                      "--client-output-buffer-limit LIMIT",
                                      "--timeout SECONDS",
                                      "--tcp-keepalive SECONDS",
                                      "--unixsocketperm MODE",
                                      "--unixsocket-group GROUP",
                                      "--json",
                                      "--check-config",
                                      "-V, --version",
                                      "-h, --help",
                                      "NUMBER_DISPENSER_ADDR, server.addr; default :6380",
                                      "NUMBER_DISPENSER_DATA, storage.data_dir",
                                      "NUMBER_DISPENSER_RUN, server.run_dir",
                                      "$RUNTIME_DIRECTORY",
                                      "NUMBER_DISPENSER_CONFIG",
                                      "NUMBER_DISPENSER_THREADS, server.threads",
                                      "NUMBER_DISPENSER_LOG_LEVEL, logging.level",
                                      "NUMBER_DISPENSER_LOG_FORMAT, logging.format",
                                      "NUMBER_DISPENSER_REQUIREPASS, server.requirepass",
                                      "NUMBER_DISPENSER_PROTECTED_MODE",
                                      "Files:",
                                      "Examples:",
                                      "  64  ",
                                      "  74  ",
                                      "  75  ",
                                      "  77  ",
                                      "  78  "})
    EXPECT_TRUE(text.contains(part)) << part;
}

TEST(ConfigHelp, EveryValueNamedInTheHelpIsAcceptedAndNoOther) {
  int choices = 0;
  for (const AcceptedOption& option : accepted_options()) {
    const bool has_capitals =
        std::ranges::any_of(option.value_name, [](char c) { return c >= 'A' && c <= 'Z'; });
    if (!option.value_name.contains('|') || has_capitals) continue;  // a placeholder
    const std::string argument = std::string("--").append(option.name) + "=";
    std::istringstream values{std::string(option.value_name)};
    for (std::string value; std::getline(values, value, '|'); ++choices)
      EXPECT_TRUE(parse({argument + value})) << argument << value;
    EXPECT_FALSE(parse({argument + "other"})) << argument;
  }
  EXPECT_GT(choices, 0);
}

TEST(ConfigHelp, CommandsThatOptionsNameExist) {
  std::string names;
  for (const AcceptedCommand& command : accepted_commands())
    names += " " + std::string(command.name) + " ";
  for (const AcceptedOption& option : accepted_options()) {
    std::istringstream words{std::string(option.commands)};
    for (std::string word; words >> word;)
      EXPECT_TRUE(names.contains(" " + word + " ")) << option.name;
  }
}

TEST(ConfigHelp, HelpComesBeforeOtherMistakes) {
  EXPECT_TRUE(parse({"--bogus", "--help"}));
  EXPECT_TRUE(parse({"--help"}, {{"NUMBER_DISPENSER_THREADS", "x"}}));
}

TEST(ConfigHelp, VersionIsOneLine) {
  for (const char* const spelling : {"--version", "-version", "-V"}) {
    const auto version = parse({spelling});
    ASSERT_TRUE(version) << error_of(version);
    EXPECT_EQ(version->action, Action::kPrintAndExit);
    EXPECT_EQ(version->text, "number-dispenser " ND_VERSION "\n");
  }
}

TEST(ConfigHelp, CheckConfigShowsEachValueInForce) {
  const config_testing::TemporaryFile file("server: {requirepass: hunter2, threads: 4}");
  const auto checked =
      parse({"--check-config", "--config", file.path(), "--addr", ":1", "-addr=:2"},
            {{"NUMBER_DISPENSER_DATA", "/d"}});
  ASSERT_TRUE(checked) << error_of(checked);
  EXPECT_EQ(checked->action, Action::kCheckConfig);
  EXPECT_EQ(checked->text,
            "configuration is valid\n"
            "addr                              :1 :2\n"
            "data                              /d\n"
            "run                               /dev/shm\n"
            "config                            " +
                file.path() +
                "\n"
                "threads                           4\n"
                "log-level                         info\n"
                "log-format                        text\n"
                "requirepass                       (set)\n"
                "aclfile                           (none)\n"
                "protected-mode                    yes\n"
                "maxclients                        10000\n"
                "maxmemory-clients                 25%\n"
                "client-output-buffer-limit        normal 0 0 0\n"
                "timeout                           0\n"
                "tcp-keepalive                     300\n"
                "unixsocketperm                    0\n"
                "unixsocket-group                  (none)\n"
                "tls-port                          0\n"
                "tls-cert-file                     (none)\n"
                "tls-key-file                      (none)\n"
                "tls-key-file-pass                 (none)\n"
                "tls-ca-cert-file                  (none)\n"
                "tls-ca-cert-dir                   (none)\n"
                "tls-auth-clients                  yes\n"
                "tls-protocols                     (none)\n"
                "tls-ciphers                       (none)\n"
                "tls-ciphersuites                  (none)\n"
                "tls-prefer-server-ciphers         no\n"
                "slowlog-log-slower-than           10000\n"
                "slowlog-max-len                   128\n"
                "latency-monitor-threshold         0\n"
                "latency-tracking                  yes\n"
                "latency-tracking-info-percentiles 50 99 99.9\n"
                "enable-debug-command              no\n"
                "cluster-endpoints                 (none)\n"
                "node-id                           (none)\n"
                "cluster-prefix                    /number-dispenser\n"
                "cluster-user                      (none)\n"
                "cluster-password                  (none)\n"
                "cluster-ca-file                   (none)\n"
                "cluster-cert-file                 (none)\n"
                "cluster-key-file                  (none)\n"
                "segment-minutes                   10\n");
}

TEST(ConfigHelp, CheckConfigNeverShowsAPassword) {
  const auto checked = parse({"-check-config"}, {{"NUMBER_DISPENSER_REQUIREPASS", "hunter2"}});
  ASSERT_TRUE(checked) << error_of(checked);
  EXPECT_TRUE(checked->text.contains("requirepass                       (set)\n"));
  EXPECT_FALSE(checked->text.contains("hunter2"));
  EXPECT_TRUE(
      parse({"--check-config"})->text.contains("requirepass                       (none)\n"));
}

TEST(ConfigHelp, CheckConfigReportsErrorsLikeAStart) {
  EXPECT_EQ(error_of(parse({"--check-config"}, {{"NUMBER_DISPENSER_LOG_LEVEL", "x"}})),
            "78: NUMBER_DISPENSER_LOG_LEVEL: 'x' is not one of debug, info, warn, error");
}

}  // namespace
}  // namespace number_dispenser
