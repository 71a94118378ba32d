#include "cluster_machine.h"

#include <algorithm>
#include <utility>

#include "../../src/cluster/records.h"
#include "fresh_state.h"

namespace number_dispenser::sim {
namespace {

constexpr uint64_t kExtents = 64;  // more than any simulation grows to

}  // namespace

ClusterMachine::ClusterMachine(World& main, ClusterOracle& oracle, testing_support::SimEtcd& etcd,
                               unsigned of, std::string node_id)
    : number(of),
      world(main.rng.next()),
      disk(world, layout::file_bytes(kExtents)),
      live(world, layout::live_bytes(kExtents)),
      net(world),
      membership{.etcd = etcd, .machine = of},
      main_(main),
      oracle_(oracle) {
  membership.settings.enabled = true;
  membership.settings.node_id = std::move(node_id);
  membership.settings.segment_minutes = 1;
  world.tracing = main.tracing;
  world.who = fmt::format("[{}:{}] ", of, membership.settings.node_id);
  world.clock.boot(main.rng.below(100'000 * kNsPerMs) + 1);
  world.faults.slow_flush = main.rng.chance(300) ? 100 : 0;
  world.faults.write_back = main.rng.chance(300) ? 100 : 0;
  world.faults.failed_flush =
      main.rng.chance(250) ? static_cast<unsigned>(main.rng.between(1, 40)) : 0;
  world.faults.late_completion = main.rng.chance(300) ? 200 : 0;
  disk.place = of + 1;
  disk.put(fresh_state(world.rng, 1));
  for (unsigned id = 0; id < 2; ++id)
    clients.push_back(std::make_unique<ClusterClient>(world, net, oracle, log, of * 10 + id));
}

void ClusterMachine::start(bool alone, bool may_die) {
  ++starts;
  live.refuse_next(may_die && world.rng.chance(50));
  log = {.is_alone = alone};
  server = std::make_unique<SimServer>(world, disk, live, net, world.rng.chance(300) ? 2 : 1);
  if (may_die) prepare_death_in_start();
  const auto started = server->start(nullptr, alone ? nullptr : &membership);
  world.trace("starts: {}", started ? "well" : started.error().message);
  if (started) {
    needs_counters_ = false;
    if (may_die) prepare_death();
    return;
  }
  if (world.death == Death::kNone && started.error().message != "flush failed")
    return world.violate("the server does not start: {}", started.error().message);
  ++failed_starts;
  end(world.death != Death::kNone ? world.death : Death::kProcess);
}

void ClusterMachine::prepare_death_in_start() {
  Rng& rng = world.rng;
  if (rng.chance(80))
    server->storage().die_in_flush(static_cast<unsigned>(rng.between(1, 4)), any_death());
  if (rng.chance(100)) server->die_at_page(static_cast<unsigned>(rng.between(1, 9)), any_death());
}

void ClusterMachine::prepare_death() {
  Rng& rng = world.rng;
  if (rng.chance(100)) server->die_in_store(static_cast<unsigned>(rng.between(1, 30)), any_death());
  if (rng.chance(50)) server->die_at_page(static_cast<unsigned>(rng.between(1, 4)), any_death());
}

bool ClusterMachine::step() {
  if (!server || main_.clock.monotonic_ns() < paused_until_ns) return false;
  const auto first = static_cast<unsigned>(world.rng.below(server->loops()));
  for (unsigned at = 0; at < server->loops(); ++at) {
    const unsigned loop = (first + at) % server->loops();
    if (!server->is_runnable(loop)) continue;
    server->step(loop);
    if (world.death != Death::kNone)
      end(world.death);
    else if (server->stopping() && server->stopped())
      finish();
    return true;
  }
  return false;
}

uint64_t ClusterMachine::wait_ns() const {
  const uint64_t main_ns = main_.clock.monotonic_ns();
  if (!server) return UINT64_MAX;
  if (main_ns < paused_until_ns) return paused_until_ns - main_ns;
  const uint64_t now_ns = world.clock.monotonic_ns();
  const uint64_t due_ns = std::min(server->deadline_ns(), disk.due_ns().value_or(UINT64_MAX));
  return std::max(due_ns, now_ns) - now_ns;
}

// It has stopped by itself, or as it was told.
void ClusterMachine::finish() {
  const bool failed = server->cluster() != nullptr && server->cluster()->has_failed();
  const bool flushed = !server->failed();
  const auto closed = flushed ? server->close() : fail(ExitStatus::kIoError, "flush failed");
  world.trace("stops: {}", closed ? "clean" : closed.error().message);
  failed_flushes += !closed && world.death == Death::kNone ? 1 : 0;
  if (!closed) return end(world.death != Death::kNone ? world.death : Death::kProcess);
  if (failed && server->cluster()->failure()->status == ExitStatus::kConfiguration)
    world.violate("refuses: {}", server->cluster()->failure()->message);
  if (failed && !was_copied) world.violate("fails: {}", server->cluster()->failure()->message);
  server.reset();
  net.end_process();
  live.end_process();
  disk.end_process();
  for (const auto& client : clients) client->server_died();
}

void ClusterMachine::end(Death death) {
  if (!server && death == Death::kProcess) return;
  // Without them it is the known limit.
  if (needs_counters_) death = Death::kProcess;
  world.trace("--- {} ends ---", death == Death::kProcess ? "the process" : "the machine");
  world.death = death;
  server.reset();
  world.death = Death::kNone;
  net.end_process();
  if (death == Death::kProcess) {
    live.end_process();
    disk.end_process();
  } else {
    live.end_machine();
    disk.end_machine();
    world.clock.boot(world.rng.below(100'000 * kNsPerMs) + 1);
  }
  for (const auto& client : clients) client->server_died();
  paused_until_ns = 0;
}

bool ClusterMachine::put_back(const std::vector<std::byte>& copy, bool same_place) {
  const auto found = scan(copy);
  if (!found) {
    world.trace("the copy cannot be read: {}", found.error());
    return false;
  }
  const std::string key = "/number-dispenser/node/" + membership.settings.node_id;
  const auto node = NodeRecord::read(membership.etcd.store.value_of(key));
  const layout::Header& header = found->header;
  const bool joined = header.mark != 0;
  const bool confirmed =
      header.ending == layout::Ending::kClean && node && node->mark == header.confirmed_mark;
  // Where the last run had no other mark than the copy, that may come to etcd yet.
  const auto latest = scan(disk.copy_cache());
  const bool moved = latest && latest->header.mark != header.mark && node &&
                     node->mark != header.mark && node->mark != header.previous_mark && !confirmed;
  if ((!joined && node) || !is_only_cluster(copy)) return false;  // from before it was a node
  if (joined && !moved && !is_known_as_older(header, same_place)) return false;
  world.trace("--- an older state file is restored, {} ---",
              same_place ? "in the same place" : "in another place");
  disk.put(copy);
  was_restored = true;
  const bool is_elsewhere = !same_place && header.ending != layout::Ending::kClean;
  needs_counters_ = joined && !moved && !is_elsewhere;
  if (!same_place) disk.place += 1000;
  return true;
}

// By something else than its mark. What the live counters do not tell of a copy in the same place
// is the known limit: a copy of the last moments before a power cut.
bool ClusterMachine::is_known_as_older(const layout::Header& copy, bool same_place) const {
  if (live.holds_newer(copy.epoch)) return true;
  const bool clean = copy.ending == layout::Ending::kClean;
  return !clean && (!same_place || live.holds_run(copy.epoch, copy.run));
}

bool ClusterMachine::is_only_cluster(const std::vector<std::byte>& file) {
  const auto found = scan(file);
  return found && found->header.mark != 0 &&
         std::ranges::all_of(found->tenants, [](const ScannedTenant& tenant) {
           return tenant.record.lease.generation != 0;
         });
}

void ClusterMachine::move_file() {
  if (!running() && is_only_cluster()) disk.place += 1000;
}

void ClusterMachine::clone(const ClusterMachine& from) {
  world.trace("gets the file of machine {}", from.number);
  disk.put(from.disk.copy_cache());
  disk.place += 1000;
}

}  // namespace number_dispenser::sim
