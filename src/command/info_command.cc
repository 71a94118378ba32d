// INFO: a dispenser, or the server in Redis's sections.
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "handlers.h"
#include "number_dispenser/command/client_session.h"
#include "section_names.h"
#include "text.h"

namespace number_dispenser {
namespace {

constexpr std::string_view kSectionNames[] = {
    "all",         "default",      "everything",  "server",   "clients", "memory",
    "persistence", "stats",        "replication", "cpu",      "modules", "commandstats",
    "errorstats",  "latencystats", "cluster",     "keyspace",
};

}  // namespace

bool is_section_name(std::string_view name) {
  return std::ranges::any_of(kSectionNames,
                             [&](auto known) { return equals_ignoring_case(name, known); });
}

namespace handlers {
namespace {

struct Totals {
  uint64_t connections = 0, waiting = 0, accepted = 0, requests = 0, input_bytes = 0,
           output_bytes = 0, buffer_bytes = 0, evicted = 0, rejected = 0;
};

Totals totals_of(const CommandContext& context) {
  Totals sum;
  for (const auto& loop : context.loops) {
    sum.connections += loop.stats->connections.read();
    sum.waiting += loop.stats->waiting.read();
    sum.accepted += loop.stats->accepted.read();
    sum.requests += loop.stats->requests.read();
    sum.input_bytes += loop.stats->input_bytes.read();
    sum.output_bytes += loop.stats->output_bytes.read();
    sum.buffer_bytes += loop.stats->buffer_bytes.read();
    sum.evicted += loop.stats->evicted.read();
    sum.rejected += loop.stats->rejected.read();
  }
  return sum;
}

uint64_t resident_bytes() {
  unsigned long pages_total = 0;
  unsigned long pages = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "re")) {
    if (std::fscanf(file, "%lu %lu", &pages_total, &pages) != 2) pages = 0;
    std::fclose(file);
  }
  return pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::string server_section(const CommandContext& context) {
  const ServerFacts& facts = context.facts;
  utsname system{};
  ::uname(&system);
  const uint64_t uptime_s = (context.clock.monotonic_ns() - facts.started_ns) / 1'000'000'000;
  return fmt::format(
      "redis_version:7.0.15\r\nredis_mode:standalone\r\nnumber_dispenser_version:{}\r\n"
      "os:{} {} {}\r\narch_bits:64\r\nmultiplexing_api:io_uring\r\nprocess_id:{}\r\nrun_id:{}\r\n"
      "tcp_port:{}\r\nserver_time_usec:{}\r\nuptime_in_seconds:{}\r\nuptime_in_days:{}\r\n"
      "io_threads_active:0\r\nloops:{}\r\nexecutable:{}\r\nconfig_file:{}\r\n",
      facts.version, system.sysname, system.release, system.machine, ::getpid(), facts.run_id,
      facts.tcp_port, context.clock.unix_us(), uptime_s, uptime_s / 86400, facts.threads,
      facts.executable, facts.config_file);
}

std::string clients_section(const CommandContext& context) {
  const Totals sum = totals_of(context);
  return fmt::format(
      "connected_clients:{}\r\nmaxclients:{}\r\nblocked_clients:{}\r\n"
      "tracking_clients:0\r\n",
      sum.connections, context.limits.max_clients.load(), sum.waiting);
}

std::string memory_section(const CommandContext& context) {
  const uint64_t bytes = resident_bytes();
  return fmt::format(
      "used_memory:{0}\r\nused_memory_human:{1:.2f}M\r\nused_memory_rss:{0}\r\n"
      "maxmemory:0\r\nmaxmemory_policy:noeviction\r\nmem_clients_normal:{2}\r\n",
      bytes, static_cast<double>(bytes) / 1048576.0, totals_of(context).buffer_bytes);
}

std::string persistence_section(const CommandContext& context) {
  return fmt::format(
      "loading:0\r\nasync_loading:0\r\nrdb_changes_since_last_save:0\r\n"
      "rdb_bgsave_in_progress:0\r\nrdb_last_bgsave_status:ok\r\naof_enabled:0\r\n"
      "aof_rewrite_in_progress:0\r\naof_last_write_status:{}\r\n",
      context.registry.issuing() ? "ok" : "err");
}

std::string stats_section(const CommandContext& context) {
  const Totals sum = totals_of(context);
  return fmt::format(
      "total_connections_received:{}\r\ntotal_commands_processed:{}\r\n"
      "total_net_input_bytes:{}\r\ntotal_net_output_bytes:{}\r\n"
      "rejected_connections:{}\r\nexpired_keys:0\r\nevicted_keys:0\r\nevicted_clients:{}\r\n",
      sum.accepted, sum.requests, sum.input_bytes, sum.output_bytes, sum.rejected, sum.evicted);
}

std::string replication_section(const CommandContext& context) {
  return fmt::format(
      "role:master\r\nconnected_slaves:0\r\nmaster_failover_state:no-failover\r\n"
      "master_replid:{}\r\nmaster_repl_offset:0\r\n",
      context.facts.run_id);
}

std::string cpu_section(const CommandContext&) {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return fmt::format("used_cpu_sys:{}.{:06}\r\nused_cpu_user:{}.{:06}\r\n", usage.ru_stime.tv_sec,
                     usage.ru_stime.tv_usec, usage.ru_utime.tv_sec, usage.ru_utime.tv_usec);
}

std::string cluster_section(const CommandContext&) {
  return "cluster_enabled:0\r\n";
}

std::string keyspace_section(const CommandContext& context) {
  const size_t dispensers = context.registry.size();
  return dispensers == 0 ? "" : fmt::format("db0:keys={},expires=0,avg_ttl=0\r\n", dispensers);
}

std::string modules_section(const CommandContext&) {
  return "";
}

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
  std::map<std::string, uint64_t> sum;
  for (const auto& loop : context.loops)
    for (const auto& [code, count] : loop.commands->errors()) sum[code] += count;
  std::string text;
  for (const auto& [code, count] : sum)
    text += fmt::format("errorstat_{}:count={}\r\n", code, count);
  return text;
}

struct Section {
  std::string_view name;
  std::string_view title;
  bool by_default;
  std::string (*text)(const CommandContext&);
};

constexpr Section kSections[] = {
    {"server", "Server", true, server_section},
    {"clients", "Clients", true, clients_section},
    {"memory", "Memory", true, memory_section},
    {"persistence", "Persistence", true, persistence_section},
    {"stats", "Stats", true, stats_section},
    {"replication", "Replication", true, replication_section},
    {"cpu", "CPU", true, cpu_section},
    {"modules", "Modules", true, modules_section},
    {"commandstats", "Commandstats", false, commandstats_section},
    {"errorstats", "Errorstats", true, errorstats_section},
    {"cluster", "Cluster", true, cluster_section},
    {"keyspace", "Keyspace", true, keyspace_section},
};

bool is_wanted(const Section& section, std::span<const std::string_view> names) {
  if (names.empty()) return section.by_default;
  return std::ranges::any_of(names, [&](std::string_view name) {
    if (equals_ignoring_case(name, "all") || equals_ignoring_case(name, "everything")) return true;
    if (equals_ignoring_case(name, "default")) return section.by_default;
    return equals_ignoring_case(name, section.name);
  });
}

Next info_of_dispenser(Call& call) {
  const std::string_view name = call.words[1];
  const auto found = call.client.registry().info(name);
  if (!found) return error(call, "ERR dispenser not found");
  const Definition& definition = found->definition;
  const uint64_t current = definition.starting + found->next * definition.step;
  const double rate = found->next == 0 ? 0.0
                                       : 100.0 * static_cast<double>(found->wasted) /
                                             static_cast<double>(found->next);
  call.reply.verbatim(fmt::format(
      "name:{}\r\ntype:{}\r\nlength:{}\r\nstarting:{}\r\nstep:{}\r\ncurrent:{}\r\nauto_disk:{}\r\n"
      "generated:{}\r\nwasted:{}\r\nwaste_rate:{:.2f}%\r\n",
      name, static_cast<int>(definition.kind), definition.length, definition.starting,
      definition.step, current, strategy_of(found->strategy).name, found->next - found->wasted,
      found->wasted, rate));
  return Next::kContinue;
}

}  // namespace

Next info(Call& call) {
  const auto names = call.words.subspan(1);
  if (names.size() == 1 && !is_section_name(names[0])) return info_of_dispenser(call);
  const CommandContext& context = call.client.context();
  std::string text;
  for (const Section& section : kSections) {
    if (!is_wanted(section, names)) continue;
    if (!text.empty()) text += "\r\n";
    text += fmt::format("# {}\r\n{}", section.title, section.text(context));
  }
  call.reply.verbatim(text);
  return Next::kContinue;
}

}  // namespace handlers
}  // namespace number_dispenser
