// SLOWLOG and LATENCY: what took long.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <string>
#include <vector>

#include "handlers.h"
#include "latency_graph.h"
#include "number_dispenser/command/client_session.h"
#include "text.h"

namespace number_dispenser::handlers {
namespace {

CommandContext& context_of(Call& call) {
  return call.client.context();
}

// A command's row, or a container's: then its subcommands.
std::vector<const Command*> rows_named(std::string_view name) {
  const std::string lower = lower_case(name);
  std::vector<const Command*> rows;
  for (const Command& row : all_commands())
    if (row.name == lower || row.name.starts_with(lower + "|")) rows.push_back(&row);
  return rows;
}

int64_t signed_of(uint64_t value) {
  return static_cast<int64_t>(value);
}

// How far the samples lie from their mean, on average.
uint64_t mean_deviation(const std::deque<LatencyMonitor::Sample>& samples, uint64_t mean) {
  uint64_t sum = 0;
  for (const auto& sample : samples) sum += sample.ms > mean ? sample.ms - mean : mean - sample.ms;
  return sum / samples.size();
}

}  // namespace

Next slowlog_get(Call& call) {
  if (call.words.size() > 3)
    return error(call,
                 fmt::format("ERR unknown subcommand or wrong number of arguments for '{}'. Try "
                             "SLOWLOG HELP.",
                             printable(call.words[1])));
  constexpr int64_t kDefaultCount = 10;
  const auto count = call.words.size() == 3 ? parse_signed(call.words[2]) : kDefaultCount;
  if (!count || *count < -1) return error(call, "ERR count should be greater than or equal to -1");
  // -1, as an unsigned number, is more than there can be.
  const auto entries = context_of(call).slow_log.newest(static_cast<size_t>(*count));
  ReplyWriter& reply = call.reply;
  reply.array(entries.size());
  for (const SlowLog::Entry& entry : entries) {
    reply.array(6);
    reply.integer(signed_of(entry.id));
    reply.integer(entry.unix_s);
    reply.integer(signed_of(entry.took_us));
    reply.array(entry.words.size());
    for (const std::string& word : entry.words) reply.bulk(word);
    reply.bulk(entry.address);
    reply.bulk(entry.name);
  }
  return Next::kContinue;
}

Next slowlog_len(Call& call) {
  call.reply.integer(signed_of(context_of(call).slow_log.size()));
  return Next::kContinue;
}

Next slowlog_reset(Call& call) {
  context_of(call).slow_log.clear();
  return ok(call);
}

Next latency_latest(Call& call) {
  const auto events = context_of(call).latency.events();
  call.reply.array(events.size());
  for (const auto& [name, event] : events) {
    call.reply.array(4);
    call.reply.bulk(name);
    call.reply.integer(event.samples.back().unix_s);
    call.reply.integer(signed_of(event.samples.back().ms));
    call.reply.integer(signed_of(event.longest_ms));
  }
  return Next::kContinue;
}

Next latency_history(Call& call) {
  const auto event = context_of(call).latency.event(call.words[2]);
  call.reply.array(event.samples.size());
  for (const auto& sample : event.samples) {
    call.reply.array(2);
    call.reply.integer(sample.unix_s);
    call.reply.integer(signed_of(sample.ms));
  }
  return Next::kContinue;
}

Next latency_reset(Call& call) {
  LatencyMonitor& latency = context_of(call).latency;
  const auto names = call.words.subspan(2);
  int64_t forgotten = names.empty() ? latency.forget_all() : 0;
  for (const std::string_view name : names) forgotten += latency.forget(name);
  call.reply.integer(forgotten);
  return Next::kContinue;
}

Next latency_graph(Call& call) {
  const std::string_view name = call.words[2];
  const auto event = context_of(call).latency.event(name);
  if (event.samples.empty())
    return error(call, fmt::format("ERR No samples available for event '{}'", printable(name)));
  call.reply.verbatim(draw_graph(name, event, context_of(call).clock.unix_us() / 1'000'000));
  return Next::kContinue;
}

Next latency_doctor(Call& call) {
  const LatencyMonitor& latency = context_of(call).latency;
  const auto events = latency.events();
  std::string text;
  if (latency.threshold_ms() == 0)
    text =
        "Latency monitoring is off. CONFIG SET latency-monitor-threshold <milliseconds> switches "
        "it on.\n";
  else if (events.empty())
    text = fmt::format("Nothing took {} ms or longer.\n", latency.threshold_ms());
  for (const auto& [name, event] : events) {
    const auto& samples = event.samples;
    const uint64_t sum =
        std::accumulate(samples.begin(), samples.end(), uint64_t{0},
                        [](uint64_t total, const auto& sample) { return total + sample.ms; });
    const uint64_t mean = sum / samples.size();
    text +=
        fmt::format("{}: average {} ms, mean deviation {} ms, longest ever {} ms; kept: {}. {}\n",
                    name, mean, mean_deviation(samples, mean), event.longest_ms, samples.size(),
                    name == "flush" ? "The disk is slow: replies wait for it."
                                    : "SLOWLOG GET shows which requests.");
  }
  call.reply.verbatim(text);
  return Next::kContinue;
}

Next latency_histogram(Call& call) {
  const CommandContext& context = context_of(call);
  std::vector<const Command*> wanted;
  if (call.words.size() == 2)
    for (const Command& row : all_commands()) wanted.push_back(&row);
  for (const std::string_view name : call.words.subspan(2))
    std::ranges::copy(rows_named(name), std::back_inserter(wanted));
  std::vector<std::pair<std::string_view, LatencyDistribution>> shown;
  for (const Command* row : wanted) {
    const auto distribution = context.latency_of(*row);
    if (distribution.count() != 0) shown.emplace_back(row->name, distribution);
  }
  call.reply.map(shown.size());
  for (const auto& [name, distribution] : shown) {
    const auto steps = distribution.cumulative();
    call.reply.bulk(name);
    call.reply.map(2);
    call.reply.bulk("calls");
    call.reply.integer(signed_of(distribution.count()));
    call.reply.bulk("histogram_usec");
    call.reply.map(steps.size());
    for (const auto& step : steps) {
      call.reply.integer(signed_of(step.us));
      call.reply.integer(signed_of(step.count));
    }
  }
  return Next::kContinue;
}

}  // namespace number_dispenser::handlers
