// What the server watches, under the names that Redis has for it. Ranges are Redis's too.
#include <limits>

#include "config/choice.h"
#include "config/option.h"
#include "number_dispenser/base/text.h"

namespace number_dispenser {
namespace {

template <int64_t Config::*Member, int64_t Lowest>
Applied apply_number(Config& config, const std::string& text, bool) {
  return choose_number(text, Lowest, std::numeric_limits<int64_t>::max(), config.*Member);
}

template <int64_t Config::*Member>
std::string show_number(const Config& config) {
  return std::to_string(config.*Member);
}

Applied apply_percentiles(Config& config, const std::string& text, bool) {
  auto list = parse_percentiles(text);
  if (!list)
    return std::unexpected(fmt::format(
        "{} is not a list of numbers from 0 to 100 with spaces between them", quoted(text)));
  config.latency_percentiles = std::move(*list);
  return {};
}

constexpr std::pair<std::string_view, DebugCommand> kDebugCommands[] = {
    {"no", DebugCommand::kNo},
    {"local", DebugCommand::kLocal},
    {"yes", DebugCommand::kYes},
    {"false", DebugCommand::kNo},
    {"true", DebugCommand::kYes}};

const Option kMonitoringOptions[] = {
    {.name = "slowlog-log-slower-than",
     .value_name = "US",
     .variable = "NUMBER_DISPENSER_SLOWLOG_LOG_SLOWER_THAN",
     .key = "monitoring.slowlog_log_slower_than",
     .help = "SLOWLOG keeps requests that took so many microseconds or more; -1: none. This and "
             "the next four are reread on SIGHUP.",
     .apply = apply_number<&Config::slowlog_log_slower_than_us, -1>,
     .show = show_number<&Config::slowlog_log_slower_than_us>},
    {.name = "slowlog-max-len",
     .value_name = "N",
     .variable = "NUMBER_DISPENSER_SLOWLOG_MAX_LEN",
     .key = "monitoring.slowlog_max_len",
     .help = "How many requests SLOWLOG keeps.",
     .apply = apply_number<&Config::slowlog_max_len, 0>,
     .show = show_number<&Config::slowlog_max_len>},
    {.name = "latency-monitor-threshold",
     .value_name = "MS",
     .variable = "NUMBER_DISPENSER_LATENCY_MONITOR_THRESHOLD",
     .key = "monitoring.latency_monitor_threshold",
     .help = "LATENCY notes commands and flushes that took so many milliseconds or more; 0: none.",
     .apply = apply_number<&Config::latency_monitor_threshold_ms, 0>,
     .show = show_number<&Config::latency_monitor_threshold_ms>},
    {.name = "latency-tracking",
     .value_name = "yes|no",
     .variable = "NUMBER_DISPENSER_LATENCY_TRACKING",
     .key = "monitoring.latency_tracking",
     .help = "yes: count how long each command takes, for LATENCY HISTOGRAM and INFO.",
     .apply = [](Config& c, const std::string& v,
                 bool) { return choose(kYesNo, v, c.latency_tracking); },
     .show = [](const Config& c) { return name_of(kYesNo, c.latency_tracking); }},
    {.name = "latency-tracking-info-percentiles",
     .value_name = "LIST",
     .variable = "NUMBER_DISPENSER_LATENCY_TRACKING_INFO_PERCENTILES",
     .key = "monitoring.latency_tracking_info_percentiles",
     .help = "The percentiles that INFO latencystats shows, with spaces between them.",
     .apply = apply_percentiles,
     .show =
         [](const Config& c) { return fmt::format("{}", fmt::join(c.latency_percentiles, " ")); }},
    {.name = "enable-debug-command",
     .value_name = "no|local|yes",
     .variable = "NUMBER_DISPENSER_ENABLE_DEBUG_COMMAND",
     .key = "server.enable_debug_command",
     .help = "Who may use DEBUG, which can stop the server for a while: nobody, clients on this "
             "machine, or all.",
     .apply = [](Config& c, const std::string& v,
                 bool) { return choose(kDebugCommands, v, c.debug_command); },
     .show = [](const Config& c) { return name_of(kDebugCommands, c.debug_command); }},
};

}  // namespace

std::span<const Option> monitoring_options() {
  return kMonitoringOptions;
}

}  // namespace number_dispenser
