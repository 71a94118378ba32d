// The options of what the server watches, from all three places.
#include "config_testing.h"

namespace number_dispenser {
namespace {

using config_testing::error_of;
using config_testing::parse;
using config_testing::TemporaryFile;

TEST(ConfigMonitoring, DefaultsAreThoseOfRedis) {
  const Config config = parse({})->config;
  EXPECT_EQ(config.slowlog_log_slower_than_us, 10'000);
  EXPECT_EQ(config.slowlog_max_len, 128);
  EXPECT_EQ(config.latency_monitor_threshold_ms, 0);
  EXPECT_TRUE(config.latency_tracking);
  EXPECT_EQ(config.latency_percentiles, (std::vector<double>{50, 99, 99.9}));
  EXPECT_EQ(config.debug_command, DebugCommand::kNo);
}

TEST(ConfigMonitoring, EveryPlaceSetsThem) {
  const TemporaryFile file(R"(server:
  enable_debug_command: local
monitoring:
  slowlog_log_slower_than: -1
  latency_monitor_threshold: 100
  latency_tracking: no
)");
  const auto invocation = parse({"--config", file.path(), "--slowlog-max-len", "0"},
                                {{"NUMBER_DISPENSER_LATENCY_TRACKING_INFO_PERCENTILES", "90"},
                                 {"NUMBER_DISPENSER_LATENCY_MONITOR_THRESHOLD", "5"}});
  ASSERT_TRUE(invocation) << error_of(invocation);
  const Config& config = invocation->config;
  EXPECT_EQ(config.debug_command, DebugCommand::kLocal);
  EXPECT_EQ(config.slowlog_log_slower_than_us, -1);
  EXPECT_EQ(config.slowlog_max_len, 0);
  EXPECT_EQ(config.latency_monitor_threshold_ms, 5) << "the environment outranks the file";
  EXPECT_FALSE(config.latency_tracking);
  EXPECT_EQ(config.latency_percentiles, std::vector<double>{90});
}

TEST(ConfigMonitoring, BadValuesAreRefusedWithWhatIsAccepted) {
  const std::string most = " to 9223372036854775807";
  for (const auto& [option, value, why] :
       std::initializer_list<std::tuple<std::string, std::string, std::string>>{
           {"--slowlog-log-slower-than", "-2", "'-2' is not a number from -1" + most},
           {"--slowlog-log-slower-than", "1ms", "'1ms' is not a number from -1" + most},
           {"--slowlog-max-len", "-1", "'-1' is not a number from 0" + most},
           {"--latency-monitor-threshold", "", "'' is not a number from 0" + most},
           {"--latency-tracking", "on", "'on' is not one of yes, no, true, false"},
           {"--latency-tracking-info-percentiles", "101",
            "'101' is not a list of numbers from 0 to 100 with spaces between them"},
           {"--enable-debug-command", "all", "'all' is not one of no, local, yes, false, true"}})
    EXPECT_EQ(error_of(parse({option, value})), "64: " + option + ": " + why);
}

TEST(ConfigMonitoring, CheckConfigShowsThem) {
  const auto invocation = parse({"--check-config", "--enable-debug-command", "yes"});
  ASSERT_TRUE(invocation) << error_of(invocation);
  for (const char* line :
       {"slowlog-log-slower-than           10000\n", "slowlog-max-len                   128\n",
        "latency-monitor-threshold         0\n", "latency-tracking                  yes\n",
        "latency-tracking-info-percentiles 50 99 99.9\n",
        "enable-debug-command              yes\n"})
    EXPECT_TRUE(invocation->text.contains(line)) << line << invocation->text;
}

}  // namespace
}  // namespace number_dispenser
