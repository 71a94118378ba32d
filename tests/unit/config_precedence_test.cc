#include "config_testing.h"

namespace number_dispenser {
namespace {

using config_testing::error_of;
using config_testing::parse;
using config_testing::TemporaryFile;
using config_testing::Variables;

constexpr std::string_view kEveryKey = R"(server:
  addr: [":1", ":2"]
  threads: 2
  run_dir: /file/run
  protected_mode: no
  requirepass: file
storage:
  data_dir: /file/data
logging:
  level: debug
  format: json
)";

const Variables kEveryVariable = {
    {"NUMBER_DISPENSER_ADDR", ":3,unix:/4"},         {"NUMBER_DISPENSER_DATA", "/environment/data"},
    {"NUMBER_DISPENSER_RUN", "/environment/run"},    {"NUMBER_DISPENSER_THREADS", "3"},
    {"NUMBER_DISPENSER_LOG_LEVEL", "warn"},          {"NUMBER_DISPENSER_LOG_FORMAT", "journal"},
    {"NUMBER_DISPENSER_REQUIREPASS", "environment"}, {"NUMBER_DISPENSER_PROTECTED_MODE", "yes"}};

TEST(ConfigPrecedence, FileOutranksDefaults) {
  const TemporaryFile file(kEveryKey);
  const auto invocation = parse({"--config", file.path()},
                                {{"RUNTIME_DIRECTORY", "/run/x"}, {"JOURNAL_STREAM", "1:2"}});
  ASSERT_TRUE(invocation) << error_of(invocation);
  const Config& config = invocation->config;
  EXPECT_EQ(config.addresses, (std::vector<std::string>{":1", ":2"}));
  EXPECT_EQ(config.data_dir, "/file/data");
  EXPECT_EQ(config.run_dir, "/file/run");
  EXPECT_EQ(config.threads, 2U);
  EXPECT_EQ(config.log_level, LogLevel::kDebug);
  EXPECT_EQ(config.log_format, LogFormat::kJson);
  EXPECT_EQ(config.requirepass, "file");
  EXPECT_FALSE(config.protected_mode);
  EXPECT_EQ(config.config_file, file.path());
}

TEST(ConfigPrecedence, EnvironmentOutranksFile) {
  const TemporaryFile file(kEveryKey);
  Variables variables = kEveryVariable;
  variables["NUMBER_DISPENSER_CONFIG"] = file.path();
  const auto invocation = parse({}, variables);
  ASSERT_TRUE(invocation) << error_of(invocation);
  const Config& config = invocation->config;
  EXPECT_EQ(config.addresses, (std::vector<std::string>{":3", "unix:/4"}));
  EXPECT_EQ(config.data_dir, "/environment/data");
  EXPECT_EQ(config.run_dir, "/environment/run");
  EXPECT_EQ(config.threads, 3U);
  EXPECT_EQ(config.log_level, LogLevel::kWarn);
  EXPECT_EQ(config.log_format, LogFormat::kJournal);
  EXPECT_EQ(config.requirepass, "environment");
  EXPECT_TRUE(config.protected_mode);
  EXPECT_EQ(config.config_file, file.path());
}

TEST(ConfigPrecedence, CommandLineOutranksEnvironment) {
  const TemporaryFile file("server: {threads: 5}");
  Variables variables = kEveryVariable;
  variables["NUMBER_DISPENSER_CONFIG"] = "/nonexistent";
  const auto invocation = parse({"--config", file.path(), "--addr", ":9", "--data", "/d", "--run",
                                 "/r", "--threads", "9", "--log-level", "error", "--log-format",
                                 "text", "--requirepass", "line", "--protected-mode", "no"},
                                variables);
  ASSERT_TRUE(invocation) << error_of(invocation);
  const Config& config = invocation->config;
  EXPECT_EQ(config.addresses, std::vector<std::string>{":9"});
  EXPECT_EQ(config.data_dir, "/d");
  EXPECT_EQ(config.run_dir, "/r");
  EXPECT_EQ(config.threads, 9U);
  EXPECT_EQ(config.log_level, LogLevel::kError);
  EXPECT_EQ(config.log_format, LogFormat::kText);
  EXPECT_EQ(config.requirepass, "line");
  EXPECT_FALSE(config.protected_mode);
}

TEST(ConfigPrecedence, EachKeyIsDecidedOnItsOwn) {
  const TemporaryFile file(kEveryKey);
  const auto invocation = parse({"--config", file.path(), "--threads", "7"},
                                {{"NUMBER_DISPENSER_DATA", "/environment/data"}});
  ASSERT_TRUE(invocation) << error_of(invocation);
  EXPECT_EQ(invocation->config.threads, 7U);
  EXPECT_EQ(invocation->config.data_dir, "/environment/data");
  EXPECT_EQ(invocation->config.log_level, LogLevel::kDebug);
}

TEST(ConfigPrecedence, EmptyVariableCountsAsNotSet) {
  const TemporaryFile file("server: {requirepass: file}");
  const auto invocation = parse({"--config", file.path()}, {{"NUMBER_DISPENSER_REQUIREPASS", ""},
                                                            {"NUMBER_DISPENSER_ADDR", ""},
                                                            {"RUNTIME_DIRECTORY", ""},
                                                            {"JOURNAL_STREAM", ""}});
  ASSERT_TRUE(invocation) << error_of(invocation);
  EXPECT_EQ(invocation->config.requirepass, "file");
  EXPECT_EQ(invocation->config.run_dir, "/dev/shm");
  EXPECT_EQ(invocation->config.log_format, LogFormat::kText);
}

TEST(ConfigPrecedence, RuntimeDirectoryGivesTheFirstOfSeveral) {
  EXPECT_EQ(parse({}, {{"RUNTIME_DIRECTORY", "/run/a"}})->config.run_dir, "/run/a");
  EXPECT_EQ(parse({}, {{"RUNTIME_DIRECTORY", "/run/a:/run/b"}})->config.run_dir, "/run/a");
  EXPECT_EQ(parse({}, {{"RUNTIME_DIRECTORY", ":/run/b"}})->config.run_dir, "/dev/shm");
}

TEST(ConfigPrecedence, JournalStreamMakesJournalTheDefaultFormat) {
  EXPECT_EQ(parse({}, {{"JOURNAL_STREAM", "8:1"}})->config.log_format, LogFormat::kJournal);
  EXPECT_EQ(parse({"--log-format=text"}, {{"JOURNAL_STREAM", "8:1"}})->config.log_format,
            LogFormat::kText);
}

TEST(ConfigPrecedence, ErrorInTheEnvironmentNamesTheVariable) {
  EXPECT_EQ(error_of(parse({}, {{"NUMBER_DISPENSER_THREADS", "x"}})),
            "78: NUMBER_DISPENSER_THREADS: 'x' is not a number from 1 to 64");
  EXPECT_EQ(error_of(parse({}, {{"NUMBER_DISPENSER_ADDR", ":1,"}})),
            "78: NUMBER_DISPENSER_ADDR: '' is not an address to listen on: accepted are HOST:PORT, "
            ":PORT, [IPV6]:PORT, tls:HOST:PORT and unix:PATH");
  EXPECT_EQ(error_of(parse({}, {{"NUMBER_DISPENSER_CONFIG", "/nonexistent"}})),
            "78: cannot read the configuration file '/nonexistent': No such file or directory");
}

TEST(ConfigPrecedence, ErrorCountsAlsoWhereAnotherSourceDecides) {
  const TemporaryFile file("server: {threads: 99}");
  EXPECT_TRUE(error_of(parse({"--config", file.path(), "--threads", "1"})).starts_with("78: "));
  EXPECT_TRUE(error_of(parse({"--threads", "1"}, {{"NUMBER_DISPENSER_THREADS", "99"}}))
                  .starts_with("78: NUMBER_DISPENSER_THREADS"));
}

TEST(ConfigPrecedence, ProcessEnvironmentTellsUnsetFromEmpty) {
  ASSERT_EQ(::setenv("ND_CONFIG_TEST", "", 1), 0);
  EXPECT_EQ(process_environment("ND_CONFIG_TEST"), "");
  ASSERT_EQ(::unsetenv("ND_CONFIG_TEST"), 0);
  EXPECT_EQ(process_environment("ND_CONFIG_TEST"), std::nullopt);
}

}  // namespace
}  // namespace number_dispenser
