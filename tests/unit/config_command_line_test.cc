#include "config_testing.h"

namespace number_dispenser {
namespace {

using config_testing::error_of;
using config_testing::parse;
using Action = Invocation::Action;

TEST(ConfigCommandLine, NothingMeansServeWithTheDefaults) {
  const auto invocation = parse({});
  ASSERT_TRUE(invocation) << error_of(invocation);
  EXPECT_EQ(invocation->action, Action::kServe);
  EXPECT_FALSE(invocation->json);
  const Config& config = invocation->config;
  EXPECT_EQ(config.addresses, std::vector<std::string>{":6380"});
  EXPECT_EQ(config.data_dir, "./data");
  EXPECT_EQ(config.run_dir, "/dev/shm");
  EXPECT_EQ(config.threads, kDefaultThreads);
  EXPECT_EQ(config.log_level, LogLevel::kInfo);
  EXPECT_EQ(config.log_format, LogFormat::kText);
  EXPECT_EQ(config.requirepass, "");
  EXPECT_TRUE(config.protected_mode);
  EXPECT_EQ(config.config_file, "");
}

TEST(ConfigCommandLine, EmptyArgvMeansTheDefaults) {
  const auto invocation = parse_invocation({}, config_testing::environment_of({}));
  ASSERT_TRUE(invocation);
  EXPECT_EQ(invocation->action, Action::kServe);
}

void expect_every_option(const Result<Invocation>& invocation) {
  ASSERT_TRUE(invocation) << error_of(invocation);
  const Config& config = invocation->config;
  EXPECT_EQ(config.addresses, (std::vector<std::string>{"[::1]:1", "unix:/x"}));
  EXPECT_EQ(config.data_dir, "/d");
  EXPECT_EQ(config.run_dir, "/r");
  EXPECT_EQ(config.threads, 64U);
  EXPECT_EQ(config.log_level, LogLevel::kDebug);
  EXPECT_EQ(config.log_format, LogFormat::kJson);
  EXPECT_EQ(config.requirepass, "[a,b]");
  EXPECT_FALSE(config.protected_mode);
}

TEST(ConfigCommandLine, EveryOptionWithTwoDashes) {
  expect_every_option(parse({"--addr", "[::1]:1", "--addr", "unix:/x", "--data", "/d", "--run",
                             "/r", "--threads", "64", "--log-level", "debug", "--log-format",
                             "json", "--requirepass", "[a,b]", "--protected-mode", "no"}));
}

TEST(ConfigCommandLine, EveryOptionWithOneDash) {
  expect_every_option(parse({"-addr", "[::1]:1", "-addr", "unix:/x", "-data", "/d", "-run", "/r",
                             "-threads", "64", "-log-level", "debug", "-log-format", "json",
                             "-requirepass", "[a,b]", "-protected-mode", "no"}));
}

TEST(ConfigCommandLine, EveryOptionWithAnEqualsSign) {
  expect_every_option(parse({"-addr=[::1]:1", "--addr=unix:/x", "-data=/d", "--run=/r",
                             "-threads=64", "--log-level=debug", "-log-format=json",
                             "--requirepass=[a,b]", "-protected-mode=no"}));
}

TEST(ConfigCommandLine, ValueMayBeginWithADashOrHoldAnEqualsSign) {
  const auto invocation = parse({"--requirepass", "-x=y", "-data=--d=e"});
  ASSERT_TRUE(invocation) << error_of(invocation);
  EXPECT_EQ(invocation->config.requirepass, "-x=y");
  EXPECT_EQ(invocation->config.data_dir, "--d=e");
}

TEST(ConfigCommandLine, ValueThatIsAnOptionsNameIsMeantAsAnOption) {
  EXPECT_EQ(error_of(parse({"--addr", "-data", "x"})), "64: --addr needs a value: --addr=ADDRESS");
  const auto invocation = parse({"--requirepass=-data"});
  ASSERT_TRUE(invocation) << error_of(invocation);
  EXPECT_EQ(invocation->config.requirepass, "-data");
}

TEST(ConfigCommandLine, EmptyValueDoesNotTakeTheNextArgument) {
  const auto invocation = parse({"--requirepass=", "check"});
  ASSERT_TRUE(invocation) << error_of(invocation);
  EXPECT_EQ(invocation->config.requirepass, "");
  EXPECT_EQ(invocation->action, Action::kCheck);
}

TEST(ConfigCommandLine, LastOneCountsWhereOnlyOneCanBe) {
  const auto invocation = parse({"--threads", "2", "-threads=3"});
  ASSERT_TRUE(invocation) << error_of(invocation);
  EXPECT_EQ(invocation->config.threads, 3U);
}

TEST(ConfigCommandLine, CommandsTakeOptionsOnBothSides) {
  const auto serve = parse({"serve", "-addr", ":1"});
  ASSERT_TRUE(serve) << error_of(serve);
  EXPECT_EQ(serve->action, Action::kServe);
  EXPECT_EQ(serve->config.addresses.front(), ":1");
  const auto check = parse({"--data", "/d", "check", "--run", "/r"});
  ASSERT_TRUE(check) << error_of(check);
  EXPECT_EQ(check->action, Action::kCheck);
  EXPECT_EQ(check->config.data_dir, "/d");
  EXPECT_EQ(check->config.run_dir, "/r");
  const auto dump = parse({"dump", "--json"});
  ASSERT_TRUE(dump) << error_of(dump);
  EXPECT_EQ(dump->action, Action::kDump);
  EXPECT_TRUE(dump->json);
  EXPECT_FALSE(parse({"dump"})->json);
}

TEST(ConfigCommandLine, WordsAfterCommandsAreNamesOfCommands) {
  const auto commands =
      parse({"commands", "client", "id", "--json"}, {{"NUMBER_DISPENSER_THREADS", "not read"}});
  ASSERT_TRUE(commands) << error_of(commands);
  EXPECT_EQ(commands->action, Action::kCommands);
  EXPECT_EQ(commands->names, (std::vector<std::string>{"client", "id"}));
  EXPECT_TRUE(commands->json);
  EXPECT_TRUE(parse({"commands"})->names.empty());
  EXPECT_EQ(error_of(parse({"commands", "--frobnicate"})),
            "64: unknown option '--frobnicate'; --help lists them all");
}

struct Refused {
  std::vector<std::string> arguments;
  std::string_view error;
};

class ConfigCommandLineRefused : public testing::TestWithParam<Refused> {};

TEST_P(ConfigCommandLineRefused, SaysWhatIsWrongAndWhatIsAccepted) {
  EXPECT_EQ(error_of(parse(GetParam().arguments)), GetParam().error);
}

INSTANTIATE_TEST_SUITE_P(
    All, ConfigCommandLineRefused,
    testing::Values(
        Refused{{"--threds", "4"}, "64: unknown option '--threds'; did you mean --threads?"},
        Refused{{"-adr=:1"}, "64: unknown option '--adr'; did you mean --addr?"},
        Refused{{"--verson"}, "64: unknown option '--verson'; did you mean --version?"},
        Refused{{"--frobnicate=secret"},
                "64: unknown option '--frobnicate'; --help lists them all"},
        Refused{{"-x"}, "64: unknown option '-x'; --help lists them all"},
        Refused{{"--"}, "64: unknown option '--'; --help lists them all"},
        Refused{{"chek"},
                "64: unexpected argument 'chek'; accepted is one command of serve, check, dump, "
                "commands"},
        Refused{{"check", "dump"},
                "64: unexpected argument 'dump'; accepted is one command of serve, check, dump, "
                "commands"},
        Refused{{"check", "a\nb"},
                "64: unexpected argument 'a?b'; accepted is one command of serve, check, dump, "
                "commands"},
        Refused{
            {""},
            "64: unexpected argument ''; accepted is one command of serve, check, dump, commands"},
        Refused{{"--data"}, "64: --data needs a value: --data=DIR"},
        Refused{{"--data="}, "64: --data: '' is not a path"},
        Refused{{"--json"}, "64: --json goes with the commands dump and commands only"},
        Refused{{"check", "--json"}, "64: --json goes with the commands dump and commands only"},
        Refused{{"dump", "--json=yes"}, "64: --json takes no value"},
        Refused{{"--addr", ":1", "-addr", ":1"}, "64: --addr: ':1' is there twice"},
        Refused{{"--addr", "6380"},
                "64: --addr: '6380' is not an address to listen on: accepted are HOST:PORT, :PORT, "
                "[IPV6]:PORT, tls:HOST:PORT and unix:PATH"},
        Refused{{"--threads", "0"}, "64: --threads: '0' is not a number from 1 to 64"},
        Refused{{"--threads", "-1"}, "64: --threads: '-1' is not a number from 1 to 64"},
        Refused{{"--threads", "65"}, "64: --threads: '65' is not a number from 1 to 64"},
        Refused{{"--threads", "two"}, "64: --threads: 'two' is not a number from 1 to 64"},
        Refused{{"--threads", "2x"}, "64: --threads: '2x' is not a number from 1 to 64"},
        Refused{{"--log-level", "loud"},
                "64: --log-level: 'loud' is not one of debug, info, warn, error"},
        Refused{{"--log-format", "xml"},
                "64: --log-format: 'xml' is not one of text, json, journal"},
        Refused{{"--protected-mode", "maybe"},
                "64: --protected-mode: 'maybe' is not one of yes, no, true, false"}));

TEST(ConfigCommandLine, LongArgumentsAreCutInErrors) {
  EXPECT_LT(error_of(parse({"--" + std::string(100'000, 'x')})).size(), 400U);
}

}  // namespace
}  // namespace number_dispenser
