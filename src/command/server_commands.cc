// What a client asks about the server: COMMAND, CONFIG, INFO.
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "handlers.h"
#include "number_dispenser/command/client_session.h"
#include "section_names.h"
#include "text.h"

namespace number_dispenser {
namespace {

constexpr std::string_view kSectionNames[] = {
    "all",         "default",   "everything",  "server",     "clients",
    "memory",      "persistence", "stats",     "replication", "cpu",
    "modules",     "commandstats", "errorstats", "latencystats", "cluster",
    "keyspace",
};

}  // namespace

bool is_section_name(std::string_view name) {
  return std::ranges::any_of(kSectionNames, [&](auto known) {
    return equals_ignoring_case(name, known);
  });
}

namespace handlers {
namespace {

struct Totals {
  uint64_t connections = 0, accepted = 0, requests = 0, input_bytes = 0, output_bytes = 0;
};

Totals totals_of(const CommandContext& context) {
  Totals sum;
  for (const auto& loop : context.loops) {
    sum.connections += loop.stats->connections.read();
    sum.accepted += loop.stats->accepted.read();
    sum.requests += loop.stats->requests.read();
    sum.input_bytes += loop.stats->input_bytes.read();
    sum.output_bytes += loop.stats->output_bytes.read();
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
      facts.tcp_port, context.clock.unix_seconds() * 1'000'000, uptime_s, uptime_s / 86400,
      facts.threads, facts.executable, facts.config_file);
}

std::string clients_section(const CommandContext& context) {
  return fmt::format("connected_clients:{}\r\nmaxclients:{}\r\nblocked_clients:0\r\n"
                     "tracking_clients:0\r\n",
                     totals_of(context).connections, context.facts.max_clients);
}

std::string memory_section(const CommandContext&) {
  const uint64_t bytes = resident_bytes();
  return fmt::format("used_memory:{0}\r\nused_memory_human:{1:.2f}M\r\nused_memory_rss:{0}\r\n"
                     "maxmemory:0\r\nmaxmemory_policy:noeviction\r\n",
                     bytes, static_cast<double>(bytes) / 1048576.0);
}

std::string persistence_section(const CommandContext& context) {
  return fmt::format("loading:0\r\nasync_loading:0\r\nrdb_changes_since_last_save:0\r\n"
                     "rdb_bgsave_in_progress:0\r\nrdb_last_bgsave_status:ok\r\naof_enabled:0\r\n"
                     "aof_rewrite_in_progress:0\r\naof_last_write_status:{}\r\n",
                     context.registry.issuing() ? "ok" : "err");
}

std::string stats_section(const CommandContext& context) {
  const Totals sum = totals_of(context);
  return fmt::format("total_connections_received:{}\r\ntotal_commands_processed:{}\r\n"
                     "total_net_input_bytes:{}\r\ntotal_net_output_bytes:{}\r\n"
                     "rejected_connections:0\r\nexpired_keys:0\r\nevicted_keys:0\r\n",
                     sum.accepted, sum.requests, sum.input_bytes, sum.output_bytes);
}

std::string replication_section(const CommandContext& context) {
  return fmt::format("role:master\r\nconnected_slaves:0\r\nmaster_failover_state:no-failover\r\n"
                     "master_replid:{}\r\nmaster_repl_offset:0\r\n",
                     context.facts.run_id);
}

std::string cpu_section(const CommandContext&) {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return fmt::format("used_cpu_sys:{}.{:06}\r\nused_cpu_user:{}.{:06}\r\n", usage.ru_stime.tv_sec,
                     usage.ru_stime.tv_usec, usage.ru_utime.tv_sec, usage.ru_utime.tv_usec);
}

std::string cluster_section(const CommandContext&) { return "cluster_enabled:0\r\n"; }

std::string keyspace_section(const CommandContext& context) {
  const size_t dispensers = context.registry.size();
  return dispensers == 0 ? ""
                         : fmt::format("db0:keys={},expires=0,avg_ttl=0\r\n", dispensers);
}

std::string empty_section(const CommandContext&) { return ""; }

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
    {"modules", "Modules", true, empty_section},
    {"commandstats", "Commandstats", false, empty_section},
    {"errorstats", "Errorstats", true, empty_section},
    {"latencystats", "Latencystats", false, empty_section},
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

// A setting as redis-server names it.
struct Setting {
  std::string_view name;
  std::string value;
};

std::vector<Setting> settings_of(const CommandContext& context) {
  const ServerFacts& facts = context.facts;
  return {
      {"appendfsync", "always"},
      {"appendonly", "no"},
      {"bind", fmt::format("{}", fmt::join(facts.addresses, " "))},
      {"databases", "1"},
      {"dir", facts.data_dir},
      {"io-threads", std::to_string(facts.threads)},
      {"maxclients", std::to_string(facts.max_clients)},
      {"maxmemory", "0"},
      {"maxmemory-policy", "noeviction"},
      {"port", std::to_string(facts.tcp_port)},
      {"protected-mode", context.settings.protected_mode() ? "yes" : "no"},
      {"save", ""},
      {"tcp-keepalive", "300"},
      {"timeout", "0"},
  };
}

Next config_get(Call& call) {
  std::vector<Setting> shown;
  for (Setting& setting : settings_of(call.client.context())) {
    const auto asked = call.words.subspan(2);
    if (std::ranges::any_of(asked, [&](auto glob) { return glob_matches(glob, setting.name); }))
      shown.push_back(std::move(setting));
  }
  call.reply.map(shown.size());
  for (const Setting& setting : shown) {
    call.reply.bulk(setting.name);
    call.reply.bulk(setting.value);
  }
  return Next::kContinue;
}

constexpr struct {
  uint32_t flag;
  std::string_view name;
} kFlagNames[] = {
    {kWrite, "write"},     {kReadOnly, "readonly"}, {kDenyOom, "denyoom"},   {kAdmin, "admin"},
    {kNoScript, "noscript"}, {kLoading, "loading"}, {kStale, "stale"},       {kFast, "fast"},
    {kNoAuth, "no_auth"},
};

void write_command(Call& call, const Command& row) {
  call.reply.array(10);
  call.reply.bulk(row.name);
  call.reply.integer(row.arity);
  call.reply.set(static_cast<size_t>(
      std::ranges::count_if(kFlagNames, [&](auto& one) { return (row.flags & one.flag) != 0; })));
  for (const auto& [flag, name] : kFlagNames)
    if ((row.flags & flag) != 0) call.reply.simple(name);
  call.reply.integer(row.first_key);
  call.reply.integer(row.last_key);
  call.reply.integer(row.key_step);
  for (int empty = 0; empty < 4; ++empty) call.reply.array(0);  // categories, tips, keys, children
}

Next command_info(Call& call) {
  const auto names = call.words.subspan(2);
  call.reply.array(names.size());
  for (const std::string_view name : names) {
    if (const Command* row = find_command(name))
      write_command(call, *row);
    else
      call.reply.null_array();
  }
  return Next::kContinue;
}

Next command_docs(Call& call) {
  std::vector<const Command*> rows;
  for (const Command& row : all_commands())
    if (call.words.size() == 2) rows.push_back(&row);
  for (const std::string_view name : call.words.subspan(2))
    if (const Command* row = find_command(name)) rows.push_back(row);
  call.reply.map(rows.size());
  for (const Command* row : rows) {
    call.reply.bulk(row->name);
    call.reply.map(3);
    call.reply.bulk("summary");
    call.reply.bulk(row->summary);
    call.reply.bulk("since");
    call.reply.bulk(row->since);
    call.reply.bulk("group");
    call.reply.bulk(row->group);
  }
  return Next::kContinue;
}

Next command_all(Call& call) {
  call.reply.array(all_commands().size());
  for (const Command& row : all_commands()) write_command(call, row);
  return Next::kContinue;
}

}  // namespace

Next command(Call& call) {
  if (call.words.size() == 1) return command_all(call);
  const std::string_view name = call.words[1];
  if (equals_ignoring_case(name, "count")) {
    call.reply.integer(static_cast<int64_t>(all_commands().size()));
    return Next::kContinue;
  }
  if (equals_ignoring_case(name, "info"))
    return call.words.size() == 2 ? command_all(call) : command_info(call);
  if (equals_ignoring_case(name, "docs")) return command_docs(call);
  call.reply.error(
      fmt::format("ERR unknown subcommand '{}'. Try COMMAND HELP.", printable(name)));
  return Next::kContinue;
}

Next config(Call& call) {
  if (equals_ignoring_case(call.words[1], "get")) {
    if (call.words.size() > 2) return config_get(call);
    call.reply.error("ERR wrong number of arguments for 'config|get' command");
    return Next::kContinue;
  }
  call.reply.error(fmt::format("ERR unknown subcommand '{}'. Try CONFIG HELP.",
                               printable(call.words[1])));
  return Next::kContinue;
}

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

Next dbsize(Call& call) {
  call.reply.integer(static_cast<int64_t>(call.client.registry().size()));
  return Next::kContinue;
}

}  // namespace handlers
}  // namespace number_dispenser
