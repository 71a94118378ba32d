#include "cluster_simulator.h"

#include <algorithm>
#include <map>
#include <utility>

#include "../../src/cluster/records.h"

namespace number_dispenser::sim {
namespace {

constexpr uint64_t kNsPerS = 1000 * kNsPerMs;
constexpr unsigned kMostDraws = 900;  // of a thousand requests
constexpr unsigned kFewDraws = 500;

}  // namespace

ClusterTotals& ClusterTotals::operator+=(const ClusterTotals& other) {
  requests += other.requests;
  ticks += other.ticks;
  starts += other.starts;
  kills += other.kills;
  power_cuts += other.power_cuts;
  stops += other.stops;
  pauses += other.pauses;
  failed_starts += other.failed_starts;
  failed_flushes += other.failed_flushes;
  restored += other.restored;
  clones += other.clones;
  partitions += other.partitions;
  outages += other.outages;
  refusals += other.refusals;
  compactions += other.compactions;
  return *this;
}

std::string ClusterTotals::text(double elapsed_s) const {
  return fmt::format(
      "{} requests ({:.1f} million a minute), {} ticks, {} starts; {} kills, {} power cuts, {} "
      "clean "
      "stops, {} failed starts, {} failed flushes, {} pauses, {} restored files, {} clones; {} "
      "partitions, {} outages, {} refusals, {} compactions",
      requests, static_cast<double>(requests) / elapsed_s * 60e-6, ticks, starts, kills, power_cuts,
      stops, failed_starts, failed_flushes, pauses, restored, clones, partitions, outages, refusals,
      compactions);
}

ClusterSimulator::ClusterSimulator(uint64_t seed, bool tracing)
    : world_(seed),
      random_(world_.rng.next()),
      etcd_(world_.clock, random_),
      oracle_(world_, etcd_) {
  world_.tracing = tracing;
  Rng& rng = world_.rng;
  const uint64_t count = rng.between(2, 4);
  for (unsigned number = 0; number < count; ++number)
    machines_.push_back(std::make_unique<ClusterMachine>(
        world_, oracle_, etcd_, number, std::string(1, static_cast<char>('a' + number))));
  for (uint64_t name = rng.between(1, 3); name > 0; --name)
    names_.push_back(fmt::format("d{}", name));
  depth_ = static_cast<unsigned>(rng.between(1, 6));
  draws_ = rng.chance(100) ? kFewDraws : kMostDraws;
  choose_faults();
}

// Each seed has troubles of its own, so that rare ones are not drowned by frequent ones.
void ClusterSimulator::choose_faults() {
  Rng& rng = world_.rng;
  const auto sometimes = [&](unsigned most) {
    return rng.chance(400) ? static_cast<unsigned>(rng.between(1, most)) : 0;
  };
  etcd_.faults = {.lost_request = sometimes(50),
                  .lost_answer = sometimes(100),
                  .late_request = sometimes(50),
                  .stale_read = sometimes(30),
                  .made_refusal = sometimes(500),
                  .cut_watch = sometimes(100),
                  .stalled_watch = sometimes(100),
                  .slow = sometimes(200)};
  // Changes that come late, after others.
  if (draws_ == kFewDraws) etcd_.faults.late_request = static_cast<unsigned>(rng.between(1, 300));
  etcd_.faults.most_delay_ns = rng.chance(300) ? 50 * kNsPerMs : 3 * kNsPerMs;
}

bool ClusterSimulator::run() {
  begin_alone();
  for (const auto& machine : machines_)
    if (!machine->running()) machine->start();
  for (uint64_t more = world_.rng.between(4, 16); more > 0 && !over(); --more) episode();
  if (!over()) last_life();
  totals_.requests = oracle_.judged;
  for (const auto& machine : machines_) {
    totals_.starts += machine->starts;
    totals_.failed_starts += machine->failed_starts;
    totals_.failed_flushes += machine->failed_flushes;
  }
  return !over();
}

// One machine has served alone before, and brings a dispenser with it.
void ClusterSimulator::begin_alone() {
  if (!world_.rng.chance(300)) return;
  ClusterMachine& machine = *machines_.front();
  const auto all = std::exchange(names_, {"alone"});
  while (!machine.running()) machine.start(true);
  for (int at = 0; at < 200 && !over(); ++at) {
    round(true);
    if (at == 0) machine.clients.front()->define("alone");
  }
  if (over()) return;
  if (machine.running() && world_.rng.coin()) machine.tell_to_stop();
  wait_until([&] { return !machine.running() || !machine.server->stopping(); }, 10'000,
             "a server that serves alone does not stop");
  machine.end(world_.rng.coin() ? Death::kProcess : Death::kMachine);
  names_ = all;
  names_.push_back("alone");
}

void ClusterSimulator::episode() {
  Rng& rng = world_.rng;
  trouble(any());
  if (rng.chance(400)) etcd_trouble(any());
  for (uint64_t more = rng.between(20, 300); more > 0 && !over(); --more) round(true);
  if (rng.chance(500)) idle(rng.chance(300) ? rng.between(1, 20'000) : rng.between(1, 2000));
  for (const auto& machine : machines_)
    if (!over() && !machine->running() && rng.chance(600)) machine->start();
}

void ClusterSimulator::trouble(ClusterMachine& machine) {
  Rng& rng = world_.rng;
  const uint64_t chosen = rng.below(100);
  if (chosen < 15) {
    ++totals_.kills;
    machine.end(Death::kProcess);
  } else if (chosen < 28) {
    ++totals_.power_cuts;
    machine.end(Death::kMachine);
  } else if (chosen < 40) {
    ++totals_.stops;
    if (machine.running() && !machine.server->stopping()) machine.tell_to_stop();
  } else if (chosen < 52) {
    ++totals_.pauses;
    machine.paused_until_ns = world_.clock.monotonic_ns() + rng.between(1, 100) * kNsPerS;
    machine.world.trace("is paused");
  } else if (chosen < 60) {
    if (!machine.old_copy.empty()) return;
    machine.world.trace("the state file is copied");
    machine.old_copy = machine.disk.copy_cache();
  } else if (chosen < 75) {
    if (!machine.old_copy.empty() && restore(machine, machine.old_copy)) machine.old_copy.clear();
  } else if (chosen < 80) {
    clone(machine);
  } else if (chosen < 85) {
    machine.move_file();
  } else if (chosen < 90) {
    machine.world.clock.set_unix_seconds(static_cast<int64_t>(rng.below(4'000'000'000)));
  } else if (chosen < 97) {
    relapse(machine);
  }
}

// A copy that was made a moment ago comes back.
void ClusterSimulator::relapse(ClusterMachine& machine) {
  Rng& rng = world_.rng;
  if (!machine.running()) return;
  machine.world.trace("the state file is copied, for a moment");
  const std::vector<std::byte> copy = machine.disk.copy_cache();
  for (uint64_t more = rng.between(1, 150); more > 0 && !over(); --more) round(true);
  if (rng.coin()) idle(rng.between(1, 3000));
  if (!over()) restore(machine, copy);
}

// False: nobody may do that.
bool ClusterSimulator::restore(ClusterMachine& machine, const std::vector<std::byte>& copy) {
  machine.end(world_.rng.coin() ? Death::kProcess : Death::kMachine);
  if (!machine.put_back(copy, world_.rng.coin())) return false;
  ++totals_.restored;
  // Often its power goes while it joins, with part of what it has dropped on the disk.
  if (over() || world_.rng.coin()) return true;
  machine.start();
  for (uint64_t more = 100; more > 0 && !over(); --more) {
    round(false);
    if (!machine.disk.flushing() || !world_.rng.chance(300)) continue;
    machine.end(Death::kMachine);
    break;
  }
  return true;
}

// Another machine starts with this one's file, and the same id.
void ClusterSimulator::clone(ClusterMachine& machine) {
  if (machines_.size() > 5 || !machine.is_only_cluster()) return;
  ++totals_.clones;
  machines_.push_back(std::make_unique<ClusterMachine>(world_, oracle_, etcd_,
                                                       static_cast<unsigned>(machines_.size()),
                                                       machine.membership.settings.node_id));
  machines_.back()->clone(machine);
  for (const auto& other : machines_)
    if (other->membership.settings.node_id == machine.membership.settings.node_id)
      other->was_copied = true;
  if (world_.rng.coin()) machines_.back()->start();
}

void ClusterSimulator::etcd_trouble(ClusterMachine& machine) {
  Rng& rng = world_.rng;
  const uint64_t ns =
      (rng.chance(200) ? rng.between(1, 60) : rng.between(0, 5)) * kNsPerS + rng.below(kNsPerS);
  const uint64_t chosen = rng.below(100);
  if (chosen < 30) {
    world_.trace("machine {} is cut off for {} ms", machine.number, ns / kNsPerMs);
    ++totals_.partitions;
    etcd_.cut_off(machine.number, ns);
  } else if (chosen < 45) {
    world_.trace("etcd is down for {} ms", ns / kNsPerMs);
    ++totals_.outages;
    etcd_.go_down(ns);
  } else if (chosen < 55) {
    world_.trace("etcd has no space for {} ms", ns / kNsPerMs);
    ++totals_.refusals;
    etcd_.refuse(ns, rng.coin());
  } else if (chosen < 75) {
    world_.trace("etcd is compacted");
    ++totals_.compactions;
    etcd_.store.compact(etcd_.store.revision());
  } else if (chosen < 85) {
    etcd_.cut_watches();
  } else if (chosen < 95) {
    world_.trace("the watches stall");
    etcd_.stall_watches();
  } else {
    choose_faults();
  }
}

// Something happens. False: a promise was broken.
bool ClusterSimulator::round(bool asks) {
  ++world_.step;
  for (const auto& machine : machines_) machine->world.step = world_.step;
  ClusterMachine& asked = any();
  if (asked.running()) {
    ClusterClient& client = *asked.clients[world_.rng.below(asked.clients.size())];
    if (asks)
      client.act(names_, depth_, draws_);
    else
      client.move();
  }
  bool busy = false;
  const size_t first = world_.rng.below(machines_.size());
  for (size_t at = 0; at < machines_.size() && !over(); ++at)
    if (machines_[(first + at) % machines_.size()]->step()) {
      ++totals_.ticks;
      busy = true;
      if (world_.rng.coin()) break;
    }
  etcd_.run();
  for (const auto& machine : machines_) machine->disk.run();
  advance(world_.rng.below(50'000));
  if (!busy) pass_time();
  if (world_.step % 16 == 0 && !over()) check_holdings();
  return !over();
}

// Nothing can happen before the first timer.
void ClusterSimulator::pass_time() {
  const uint64_t now_ns = world_.clock.monotonic_ns();
  uint64_t wait_ns = std::max(etcd_.due_ns(), now_ns) - now_ns;
  for (const auto& machine : machines_) wait_ns = std::min(wait_ns, machine->wait_ns());
  advance(std::min(wait_ns, kNsPerS));
}

void ClusterSimulator::advance(uint64_t ns) {
  world_.clock.advance_ns(ns);
  for (const auto& machine : machines_) machine->world.clock.advance_ns(ns);
}

void ClusterSimulator::idle(uint64_t ms) {
  const uint64_t end_ns = world_.clock.monotonic_ns() + ms * kNsPerMs;
  while (world_.clock.monotonic_ns() < end_ns && round(false)) {
  }
}

bool ClusterSimulator::wait_until(const std::function<bool()>& so, uint64_t most_ms,
                                  const char* what) {
  const uint64_t end_ns = world_.clock.monotonic_ns() + most_ms * kNsPerMs;
  while (!so()) {
    if (world_.clock.monotonic_ns() >= end_ns) world_.violate("{}", what);
    if (over() || !round(false)) return false;
  }
  return true;
}

void ClusterSimulator::check_holdings() {
  std::vector<ClusterOracle::Holding> holdings;
  for (const auto& machine : machines_) {
    if (!machine->serves() || !machine->server->registry().issuing()) continue;
    for (const std::string& name : names_)
      if (const auto info = machine->server->registry().info(name))
        holdings.push_back({machine->number, name, *info});
  }
  oracle_.judge_holdings(holdings);
}

bool ClusterSimulator::over() {
  for (const auto& machine : machines_)
    if (!machine->world.violation.empty() && world_.violation.empty())
      world_.violation = machine->world.who + machine->world.violation;
  return !world_.violation.empty();
}

}  // namespace number_dispenser::sim
