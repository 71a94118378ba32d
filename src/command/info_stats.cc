#include "info_stats.h"

#include <fmt/format.h>

#include <map>
#include <utility>

namespace number_dispenser {
namespace {

// A command's counts over all loops.
struct CommandTotals {
  uint64_t calls = 0, rejected = 0, failed = 0, timed_calls = 0, timed_ns = 0;
};

CommandTotals totals_of(const CommandContext& context, const Command& command) {
  CommandTotals sum;
  for (const auto& loop : context.loops) {
    const CommandStats::Row& row = std::as_const(*loop.commands).of(command);
    sum.calls += row.calls.read();
    sum.rejected += row.rejected.read();
    sum.failed += row.failed.read();
    sum.timed_calls += row.timed_calls.read();
    sum.timed_ns += row.timed_ns.read();
  }
  return sum;
}

std::map<std::string, uint64_t> errors_of(const CommandContext& context) {
  std::map<std::string, uint64_t> sum;
  for (const auto& loop : context.loops)
    for (const auto& [code, count] : loop.commands->errors()) sum[code] += count;
  return sum;
}

}  // namespace

std::string commandstats_section(const CommandContext& context) {
  std::string text;
  for (const Command& command : all_commands()) {
    const CommandTotals sum = totals_of(context, command);
    if (sum.calls + sum.rejected == 0) continue;
    const double call_us = sum.timed_calls == 0 ? 0.0
                                                : static_cast<double>(sum.timed_ns) / 1000.0 /
                                                      static_cast<double>(sum.timed_calls);
    text += fmt::format(
        "cmdstat_{}:calls={},usec={:.0f},usec_per_call={:.2f},rejected_calls={},failed_calls={}"
        "\r\n",
        command.name, sum.calls, call_us * static_cast<double>(sum.calls), call_us, sum.rejected,
        sum.failed);
  }
  return text;
}

std::string errorstats_section(const CommandContext& context) {
  std::string text;
  for (const auto& [code, count] : errors_of(context))
    text += fmt::format("errorstat_{}:count={}\r\n", code, count);
  return text;
}

std::string latencystats_section(const CommandContext& context) {
  std::string text;
  if (!context.latency_tracking.on()) return text;
  const auto percentiles = context.latency_tracking.percentiles();
  for (const Command& command : all_commands()) {
    const auto distribution = context.latency_of(command);
    if (distribution.count() == 0) continue;
    text += fmt::format("latency_percentiles_usec_{}:", command.name);
    for (size_t at = 0; at < percentiles.size(); ++at)
      text += fmt::format("{}p{}={:.3f}", at == 0 ? "" : ",", percentiles[at],
                          distribution.percentile_us(percentiles[at]));
    text += "\r\n";
  }
  return text;
}

uint64_t count_errors(const CommandContext& context) {
  uint64_t sum = 0;
  for (const auto& [code, count] : errors_of(context)) sum += count;
  return sum;
}

Lookups count_lookups(const CommandContext& context) {
  Lookups sum;
  for (const auto& loop : context.loops) {
    sum.hits += loop.commands->hits.read();
    sum.misses += loop.commands->misses.read();
  }
  return sum;
}

}  // namespace number_dispenser
