#include "settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "number_dispenser/base/log.h"
#include "text.h"

namespace number_dispenser {
namespace {

using Context = CommandContext;
using Prepared = RuntimeSetting::Prepared;

constexpr int64_t kMostNumber = std::numeric_limits<int64_t>::max();

struct LevelNames {
  LogLevel level;
  std::string_view redis;
  std::string_view file;
};
// Redis's verbose is what lies between its debug and its notice, and it has nothing above warning.
constexpr LevelNames kLevels[] = {
    {LogLevel::kDebug, "debug", "debug"},   {LogLevel::kInfo, "notice", "info"},
    {LogLevel::kInfo, "verbose", "info"},   {LogLevel::kWarn, "warning", "warn"},
    {LogLevel::kError, "warning", "error"},
};

const LevelNames& level_names() {
  return *std::ranges::find(kLevels, log_level(), &LevelNames::level);
}

std::string yes_no(bool value) {
  return value ? "yes" : "no";
}

// These make a change out of a value, or say in Redis's words why not.

Prepared number(std::string_view value, int64_t lowest, void (*set)(Context&, int64_t)) {
  const auto wanted = parse_signed(value);
  if (!wanted) return std::unexpected("argument couldn't be parsed into an integer");
  if (*wanted < lowest)
    return std::unexpected(
        fmt::format("argument must be between {} and {} inclusive", lowest, kMostNumber));
  return [=](Context& context) { set(context, *wanted); };
}

Prepared flag(std::string_view value, void (*set)(Context&, bool)) {
  const bool yes = equals_ignoring_case(value, "yes");
  if (!yes && !equals_ignoring_case(value, "no"))
    return std::unexpected("argument must be 'yes' or 'no'");
  return [=](Context& context) { set(context, yes); };
}

Prepared level(const Context&, std::string_view value) {
  const auto* found = std::ranges::find_if(
      kLevels, [&](const LevelNames& names) { return equals_ignoring_case(names.redis, value); });
  if (found == std::end(kLevels))
    return std::unexpected(
        "argument(s) must be one of the following: debug, verbose, notice, warning");
  return [level = found->level](Context&) { set_log_level(level); };
}

Prepared percentiles(const Context&, std::string_view value) {
  auto wanted = parse_percentiles(value);
  if (!wanted) return std::unexpected(wanted.error());
  return [list = std::move(*wanted)](Context& context) {
    context.latency_tracking.set_percentiles(list);
  };
}

Prepared password(const Context&, std::string_view value) {
  return [text = std::string(value)](Context& context) { context.acl.set_default_password(text); };
}

const RuntimeSetting kSettings[] = {
    {"aclfile", [](const Context& c) { return c.facts.acl_file; }},
    {"appendfsync", [](const Context&) -> std::string { return "always"; }},
    {"appendonly", [](const Context&) -> std::string { return "no"; }},
    {"bind", [](const Context& c) { return fmt::format("{}", fmt::join(c.facts.addresses, " ")); }},
    {"databases", [](const Context&) -> std::string { return "1"; }},
    {"dir", [](const Context& c) { return c.facts.data_dir; }},
    {"enable-debug-command",
     [](const Context& c) -> std::string {
       if (c.facts.debug_command == DebugCommand::kNo) return "no";
       return c.facts.debug_command == DebugCommand::kYes ? "yes" : "local";
     }},
    {"io-threads", [](const Context& c) { return std::to_string(c.facts.threads); }},
    {"latency-monitor-threshold",
     [](const Context& c) { return std::to_string(c.latency.threshold_ms()); },
     [](const Context&, std::string_view v) {
       return number(v, 0, [](Context& c, int64_t ms) {
         c.latency.set_threshold_ms(static_cast<uint64_t>(ms));
       });
     },
     "monitoring.latency_monitor_threshold"},
    {"latency-tracking", [](const Context& c) { return yes_no(c.latency_tracking.on()); },
     [](const Context&, std::string_view v) {
       return flag(v, [](Context& c, bool on) { c.latency_tracking.set_on(on); });
     },
     "monitoring.latency_tracking"},
    {"latency-tracking-info-percentiles",
     [](const Context& c) {
       return fmt::format("{}", fmt::join(c.latency_tracking.percentiles(), " "));
     },
     percentiles, "monitoring.latency_tracking_info_percentiles"},
    {"loglevel", [](const Context&) { return std::string(level_names().redis); }, level,
     "logging.level", [](const Context&) { return std::string(level_names().file); }},
    {"maxmemory", [](const Context&) -> std::string { return "0"; }},
    {"maxmemory-policy", [](const Context&) -> std::string { return "noeviction"; }},
    {"port", [](const Context& c) { return std::to_string(c.facts.tcp_port); }},
    {"protected-mode", [](const Context& c) { return yes_no(c.protected_mode.load()); },
     [](const Context&, std::string_view v) {
       return flag(v, [](Context& c, bool on) { c.protected_mode.store(on); });
     },
     "server.protected_mode"},
    // Only its hash is kept, so that it cannot be written to the file either.
    {"requirepass", nullptr, password},
    {"save", [](const Context&) -> std::string { return ""; }},
    {"slowlog-log-slower-than",
     [](const Context& c) { return std::to_string(c.slow_log.slower_than_us()); },
     [](const Context&, std::string_view v) {
       return number(v, -1, [](Context& c, int64_t us) { c.slow_log.set_slower_than_us(us); });
     },
     "monitoring.slowlog_log_slower_than"},
    {"slowlog-max-len", [](const Context& c) { return std::to_string(c.slow_log.max_len()); },
     [](const Context&, std::string_view v) {
       return number(v, 0, [](Context& c, int64_t entries) {
         c.slow_log.set_max_len(static_cast<uint64_t>(entries));
       });
     },
     "monitoring.slowlog_max_len"},
};

}  // namespace

std::span<const RuntimeSetting> runtime_settings() {
  static const std::vector<RuntimeSetting> all = [] {
    std::vector<RuntimeSetting> rows(std::begin(kSettings), std::end(kSettings));
    rows.insert(rows.end(), client_settings().begin(), client_settings().end());
    rows.insert(rows.end(), tls_settings().begin(), tls_settings().end());
    std::ranges::sort(rows, {}, &RuntimeSetting::name);
    return rows;
  }();
  return all;
}

const RuntimeSetting* find_runtime_setting(std::string_view name) {
  const auto all = runtime_settings();
  const auto found = std::ranges::find_if(
      all, [&](const RuntimeSetting& setting) { return equals_ignoring_case(setting.name, name); });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace number_dispenser
