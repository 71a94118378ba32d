// CONFIG REWRITE's part: a file that is changed as text.
#include <sys/stat.h>
#include <unistd.h>

#include <sstream>

#include "config_testing.h"

namespace number_dispenser {
namespace {

using config_testing::TemporaryFile;
using Values = std::vector<FileValue>;

std::string text_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// The text afterwards; or the fault, and the text must be as before.
std::string rewritten(const std::string& text, const Values& values) {
  const TemporaryFile file(text);
  const auto fault = rewrite_config_file(file.path(), values);
  if (!fault) return text_of(file.path());
  EXPECT_EQ(text_of(file.path()), text);
  return "fault";
}

const Values kWarn{{"logging.level", "warn"}};

TEST(ConfigRewrite, OnlyTheValueChanges) {
  EXPECT_EQ(
      rewritten("# top\nlogging:\n  format: json  # f\n  level: info   # why\nserver:\n", kWarn),
      "# top\nlogging:\n  format: json  # f\n  level: warn   # why\nserver:\n");
  EXPECT_EQ(rewritten("logging:\n  level: \"info\"\n", kWarn), "logging:\n  level: \"warn\"\n");
  EXPECT_EQ(rewritten("logging:\n  level: 'info' # x\n", kWarn), "logging:\n  level: warn # x\n");
  EXPECT_EQ(rewritten("logging:\n  level: info", kWarn), "logging:\n  level: warn\n");
  EXPECT_EQ(rewritten("logging:\r\n  level: info\r\n", kWarn), "logging:\r\n  level: warn\r\n");
}

TEST(ConfigRewrite, WhatSaysTheSameStaysAsItIs) {
  const std::string text =
      "logging:\n  level: \"warn\" # mine\nmonitoring:\n  latency_tracking: true\n";
  EXPECT_EQ(rewritten(text, {{"logging.level", "warn"},
                             {"monitoring.latency_tracking", "yes"},
                             {"monitoring.slowlog_max_len", "128"}}),
            text);
}

TEST(ConfigRewrite, AMissingKeyJoinsItsSection) {
  EXPECT_EQ(rewritten("logging:\n    # the form\n    format: json\n", kWarn),
            "logging:\n    level: warn\n    # the form\n    format: json\n");
  EXPECT_EQ(rewritten("logging:\nserver:\n  threads: 2\n", kWarn),
            "logging:\n  level: warn\nserver:\n  threads: 2\n");
}

TEST(ConfigRewrite, AMissingSectionComesLast) {
  EXPECT_EQ(rewritten("server:\n  threads: 2", kWarn),
            "server:\n  threads: 2\n\nlogging:\n  level: warn\n");
  EXPECT_EQ(rewritten("", {{"monitoring.latency_tracking_info_percentiles", "50 90"},
                           {"monitoring.slowlog_log_slower_than", "-1"}}),
            "monitoring:\n  slowlog_log_slower_than: -1\n"
            "  latency_tracking_info_percentiles: \"50 90\"\n");
}

TEST(ConfigRewrite, AFileItCannotChangeSafelyIsLeftAlone) {
  for (const char* text : {"logging: {level: info}\nserver: {threads: 2, run_dir: /x}\n",
                           "{logging: {format: json}}\n", "logging:\n  level: >\n    info\n",
                           "logging:\n  level: &a info\n", "---\nserver:\n  threads: 1\n...\n"}) {
    const std::string result = rewritten(text, kWarn);
    if (result == "fault") continue;
    const TemporaryFile after(result);
    const auto read = config_testing::parse({"--config", after.path()});
    ASSERT_TRUE(read) << text << result;
    EXPECT_EQ(read->config.log_level, LogLevel::kWarn) << text << result;
  }
  EXPECT_EQ(rewritten("logging: {format: json}\n", kWarn), "fault");
  EXPECT_EQ(rewritten("logging:\n  level: loud\n", kWarn), "fault") << "not valid before either";
  EXPECT_EQ(rewritten("logging:\n  level: info\n", {{"logging.level", "loud"}}), "fault");
  EXPECT_EQ(rewritten("logging:\n  level: info\n", {{"logging.colour", "red"}}), "fault");
}

TEST(ConfigRewrite, AFaultSaysWhatToDoByHand) {
  const TemporaryFile file("logging: {format: json}\n");
  EXPECT_EQ(rewrite_config_file(file.path(), kWarn),
            "'" + file.path() +
                "' is not written so that logging.level can be set in it: set it to warn by hand");
  EXPECT_EQ(rewrite_config_file("/nonexistent/file", kWarn),
            "'/nonexistent/file': No such file or directory");
}

TEST(ConfigRewrite, PermissionsAndLinksStay) {
  const TemporaryFile file("logging:\n  level: info\n");
  ASSERT_EQ(::chmod(file.path().c_str(), 0640), 0);
  const std::string link = file.path() + ".link";
  ASSERT_EQ(::symlink(file.path().c_str(), link.c_str()), 0);
  EXPECT_EQ(rewrite_config_file(link, kWarn), std::nullopt);
  struct stat now {};
  EXPECT_EQ(::lstat(link.c_str(), &now), 0);
  EXPECT_TRUE(S_ISLNK(now.st_mode));
  EXPECT_EQ(::stat(link.c_str(), &now), 0);
  EXPECT_EQ(now.st_mode & 0777, 0640U);
  EXPECT_EQ(text_of(file.path()), "logging:\n  level: warn\n");
  ::unlink(link.c_str());
}

}  // namespace
}  // namespace number_dispenser
