// INFO: a dispenser, or the server in Redis's sections.
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "handlers.h"
#include "info_stats.h"
#include "memory_use.h"
#include "number_dispenser/command/client_session.h"
#include "section_names.h"
#include "text.h"

namespace number_dispenser {
namespace {

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
  const LoopTotals sum = context.loop_totals();
  return fmt::format(
      "connected_clients:{}\r\nmaxclients:{}\r\nblocked_clients:{}\r\n"
      "tracking_clients:0\r\n",
      sum.connections, context.limits.max_clients.load(), sum.waiting);
}

std::string human(uint64_t bytes) {
  constexpr std::string_view kUnits = "BKMGT";
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return fmt::format("{:.2f}{}", value, kUnits[unit]);
}

std::string memory_section(const CommandContext& context) {
  const MemoryUse use = memory_use();
  const uint64_t system = system_memory_bytes();
  return fmt::format(
      "used_memory:{0}\r\nused_memory_human:{1}\r\nused_memory_rss:{0}\r\n"
      "used_memory_rss_human:{1}\r\nused_memory_peak:{2}\r\nused_memory_peak_human:{3}\r\n"
      "allocator_allocated:{4}\r\nallocator_resident:{5}\r\ntotal_system_memory:{6}\r\n"
      "total_system_memory_human:{7}\r\nmaxmemory:0\r\nmaxmemory_human:0B\r\n"
      "maxmemory_policy:noeviction\r\nmem_allocator:libc\r\nmem_clients_normal:{8}\r\n",
      use.resident_bytes, human(use.resident_bytes), use.peak_bytes, human(use.peak_bytes),
      use.heap_bytes, use.arena_bytes, system, human(system), context.loop_totals().buffer_bytes);
}

std::string persistence_section(const CommandContext& context) {
  return fmt::format(
      "loading:0\r\nasync_loading:0\r\nrdb_changes_since_last_save:0\r\n"
      "rdb_bgsave_in_progress:0\r\nrdb_last_save_time:{}\r\nrdb_last_bgsave_status:ok\r\n"
      "aof_enabled:0\r\naof_rewrite_in_progress:0\r\naof_last_write_status:{}\r\n",
      context.registry.last_flush_unix_s(), context.registry.issuing() ? "ok" : "err");
}

std::string stats_section(const CommandContext& context) {
  constexpr double kKib = 1024;
  const LoopTotals sum = context.traffic.since_reset(context.loop_totals());
  const Traffic::Rates rates = context.traffic.rates();
  const Lookups lookups = count_lookups(context);
  return fmt::format(
      "total_connections_received:{}\r\ntotal_commands_processed:{}\r\n"
      "instantaneous_ops_per_sec:{:.0f}\r\ntotal_net_input_bytes:{}\r\n"
      "total_net_output_bytes:{}\r\ninstantaneous_input_kbps:{:.2f}\r\n"
      "instantaneous_output_kbps:{:.2f}\r\nrejected_connections:{}\r\nexpired_keys:0\r\n"
      "evicted_keys:0\r\nevicted_clients:{}\r\nkeyspace_hits:{}\r\nkeyspace_misses:{}\r\n"
      "total_error_replies:{}\r\n",
      sum.accepted, sum.requests, rates.requests, sum.input_bytes, sum.output_bytes,
      rates.input_bytes / kKib, rates.output_bytes / kKib, sum.rejected, sum.evicted, lookups.hits,
      lookups.misses, count_errors(context));
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

// 0 also in a cluster: clients would take it for one of Redis's.
std::string cluster_section(const CommandContext& context) {
  std::string text = "cluster_enabled:0\r\n";
  if (context.cluster == nullptr) return text;
  const ClusterStatus status = context.cluster->status();
  const Registry::Outlook outlook = context.registry.outlook();
  text += fmt::format(
      "node_id:{}\r\nnode_epoch:{}\r\netcd_cluster_id:{:016x}\r\netcd_state:{}\r\n"
      "etcd_silent_for_s:{}\r\netcd_requests:{}\r\netcd_failures:{}\r\n"
      "etcd_last_failure:{}\r\nsegments_leased:{}\r\nordinals_leased:{}\r\n"
      "ordinals_dropped:{}\r\nordinals_lost:{}\r\nlease_conflicts:{}\r\nleased_dispensers:{}\r\n"
      "leased_ordinals_left:{}\r\nfirst_to_run_out:{}\r\nleases_last_s:{}\r\n",
      status.node_id, status.epoch, status.cluster_id, status.state, status.away_s,
      status.etcd_requests, status.etcd_failures, printable(status.last_failure),
      status.segments_leased, status.ordinals_leased, status.ordinals_dropped, status.ordinals_lost,
      status.conflicts, outlook.dispensers, outlook.ordinals, outlook.first,
      outlook.first.empty() ? "" : std::to_string(outlook.lasts_ns / 1'000'000'000));
  for (size_t at = 0; at < status.followed.size(); ++at) {
    const uint64_t most_ms = ClusterStatus::kFollowMs[at];
    text += fmt::format("definitions_followed_within_{}:{}\r\n",
                        most_ms == UINT64_MAX ? "longer" : fmt::format("{}ms", most_ms),
                        status.followed[at]);
  }
  return text;
}

std::string keyspace_section(const CommandContext& context) {
  const size_t dispensers = context.registry.size();
  return dispensers == 0 ? "" : fmt::format("db0:keys={},expires=0,avg_ttl=0\r\n", dispensers);
}

std::string modules_section(const CommandContext&) {
  return "";
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
    {"latencystats", "Latencystats", false, latencystats_section},
    {"cluster", "Cluster", true, cluster_section},
    {"keyspace", "Keyspace", true, keyspace_section},
};

// Names that stand for several sections.
constexpr std::string_view kGroups[] = {"all", "default", "everything"};

bool is_wanted(const Section& section, std::span<const std::string_view> names) {
  if (names.empty()) return section.by_default;
  return std::ranges::any_of(names, [&](std::string_view name) {
    if (equals_ignoring_case(name, "all") || equals_ignoring_case(name, "everything")) return true;
    if (equals_ignoring_case(name, "default")) return section.by_default;
    return equals_ignoring_case(name, section.name);
  });
}

}  // namespace

bool is_section_name(std::string_view name) {
  const auto is_name = [&](std::string_view known) { return equals_ignoring_case(name, known); };
  return std::ranges::any_of(kSections, is_name, &Section::name) ||
         std::ranges::any_of(kGroups, is_name);
}

namespace handlers {
namespace {

// What a node of a cluster has leased of it, as numbers.
std::string lease_lines(const Registry::Info& info) {
  if (!Registry::is_leased(info.definition, info.strategy)) return "segment:not needed\r\n";
  const auto number = [&](uint64_t ordinal) {
    return info.definition.starting + ordinal * info.definition.step;
  };
  // What was issued before the server was a node is ahead of a lease that is still to come.
  const std::string segment =
      info.lease.end <= info.segment_begin
          ? "none"
          : fmt::format("{}-{}", number(info.segment_begin), number(info.lease.end - 1));
  return fmt::format("segment:{}\r\nsegment_left:{}\r\nlease_age_s:{}\r\n", segment, info.left(),
                     info.lease_age_ns / 1'000'000'000);
}

Next info_of_dispenser(Call& call) {
  const std::string_view name = call.words[1];
  const auto found = call.client.registry().info(name);
  if (!found) return error(call, "ERR dispenser not found");
  const Definition& definition = found->definition;
  const uint64_t current = definition.starting + found->next * definition.step;
  const uint64_t passed = found->passed();
  const double rate =
      passed == 0 ? 0.0 : 100.0 * static_cast<double>(found->wasted) / static_cast<double>(passed);
  const bool clustered = call.client.context().cluster != nullptr;
  const std::string_view order = definition.kind == Kind::kRandom ? "none"
                                 : clustered                      ? "per node"
                                                                  : "strict";
  call.reply.verbatim(fmt::format(
      "name:{}\r\ntype:{}\r\nlength:{}\r\nstarting:{}\r\nstep:{}\r\ncurrent:{}\r\nauto_disk:{}\r\n"
      "generated:{}\r\nwasted:{}\r\nwaste_rate:{:.2f}%\r\norder:{}\r\n{}",
      name, static_cast<int>(definition.kind), definition.length, definition.starting,
      definition.step, current, strategy_of(found->strategy).name, found->generated(),
      found->wasted, rate, order, clustered ? lease_lines(*found) : ""));
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
