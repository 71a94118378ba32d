// How processes and machines end, and what is done to the file between.
#include <algorithm>
#include <utility>

#include "simulator.h"

namespace number_dispenser::sim {

void Simulator::stop() {
  for (const auto& client : clients_) client->may_be_hung_up_on();
  server_->stop();
  for (unsigned at = 0; !server_->stopped(); ++at) {
    if (at > 100'000) return world_.violate("the server does not stop");
    if (!round(world_.rng.chance(100))) return;
  }
  const auto closed = server_->close();
  world_.trace("stop: {}", closed ? "clean" : closed.error().message);
  if (!closed) return bury(world_.death != Death::kNone ? world_.death : Death::kProcess);
  ++totals_.clean_stops;
  server_.reset();
  net_.end_process();
  live_.end_process();
  disk_.end_process();
  for (const auto& client : clients_) client->server_died();
  oracle_.ended(End::kClean);
}

// A flush has failed: the server answers what it can, and ends by itself.
void Simulator::end_failed() {
  ++totals_.failed_flushes;
  flush_failed_ = true;
  oracle_.allow_io_error(true);
  for (const auto& client : clients_) client->may_be_hung_up_on();
  for (unsigned at = 0; !server_->stopped() && !over() && world_.death == Death::kNone; ++at) {
    if (at > 100'000) return world_.violate("the server does not end after a failed flush");
    ++world_.step;
    clients_[world_.rng.below(clients_.size())]->act(world_.rng.chance(100));
    step_a_loop();
    disk_.run();
    world_.clock.advance_ns(world_.rng.below(20'000));
  }
  const Death death = world_.rng.chance(700) ? Death::kProcess : Death::kMachine;
  if (!over()) bury(world_.death != Death::kNone ? world_.death : death);
  oracle_.allow_io_error(false);
}

void Simulator::bury(Death death) {
  world_.trace("--- {} ends ---", death == Death::kProcess ? "the process" : "the machine");
  ++(death == Death::kProcess ? totals_.kills : totals_.power_cuts);
  const bool counters_lost = death == Death::kMachine || (server_ && counters_lost_);
  world_.death = death;  // what the process still does while it goes is not real
  server_.reset();
  world_.death = Death::kNone;
  net_.end_process();
  if (death == Death::kProcess) {
    live_.end_process();
    disk_.end_process();
  } else {
    live_.end_machine();
    disk_.end_machine();
    world_.clock.boot(world_.rng.below(100'000 * kNsPerMs));
  }
  for (const auto& client : clients_) client->server_died();
  oracle_.ended(counters_lost ? End::kPowerCut : End::kKilled);
}

// Somebody copies the state file, running or not.
void Simulator::take_copy() {
  world_.trace("the state file is copied");
  old_copy_ = disk_.copy_cache();
}

// And puts the copy back later.
void Simulator::maybe_restore() {
  Rng& rng = world_.rng;
  if (old_copy_.empty()) {
    if (rng.chance(100)) take_copy();
    return;
  }
  if (!rng.chance(300)) return;
  const auto found = scan(old_copy_);
  if (!found) return world_.violate("a copy of the file cannot be read: {}", found.error());
  world_.trace("--- an older state file is restored, epoch {} ---", found->header.epoch);
  ++totals_.restored;
  const uint64_t epoch = found->header.epoch;
  // Counters left by the run that was copied: what they say is known to be the last only if no run
  // came after it. Without counters the bound rules.
  const bool counted = found->header.ending != layout::Ending::kClean && live_.holds(epoch);
  const bool last = epoch == last_epoch_;
  Oracle::Bounds bounds;
  if (!counted || last)
    for (const ScannedTenant& tenant : found->tenants) bounds.emplace(tenant.name, tenant.record);
  disk_.put(old_copy_);
  old_copy_.clear();
  last_epoch_ = epoch;
  expects_warning_ = live_.holds_newer(epoch);
  oracle_.restored(std::move(bounds), counted);
}

}  // namespace number_dispenser::sim
