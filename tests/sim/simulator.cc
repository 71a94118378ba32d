#include "simulator.h"

#include <algorithm>
#include <utility>

#include "fresh_state.h"

namespace number_dispenser::sim {
namespace {

constexpr uint64_t kExtents = 64;  // more than any simulation grows to

}  // namespace

Simulator::Simulator(uint64_t seed, bool tracing)
    : world_(seed),
      disk_(world_, layout::file_bytes(kExtents)),
      live_(world_, layout::live_bytes(kExtents)),
      net_(world_),
      oracle_(world_, static_cast<unsigned>(world_.rng.between(1, 6))) {
  world_.tracing = tracing;
  choose_profile();
}

// Each seed has troubles of its own, so that rare ones are not drowned by frequent ones.
void Simulator::choose_profile() {
  Rng& rng = world_.rng;
  const auto sometimes = [&](unsigned most) {
    return rng.chance(400) ? static_cast<unsigned>(rng.between(1, most)) : 0;
  };
  faults_.late_completion = sometimes(600);
  faults_.short_receive = sometimes(500);
  faults_.end_multishot = sometimes(300);
  faults_.no_buffers = sometimes(200);
  faults_.short_send = sometimes(600);
  faults_.interrupted = sometimes(100);
  faults_.accept_error = sometimes(400);
  faults_.connection_error = sometimes(4);
  faults_.slow_flush = sometimes(200);
  faults_.failed_flush = rng.chance(200) ? static_cast<unsigned>(rng.between(1, 15)) : 0;
  faults_.no_room = sometimes(1000);
  faults_.failed_growth = sometimes(500);
  faults_.write_back = sometimes(100);
  faults_.stalled_loop = sometimes(20);
  loops_ = static_cast<unsigned>(rng.between(1, 3));
  depth_ = static_cast<unsigned>(rng.chance(300) ? rng.between(20, 120) : rng.between(1, 12));

  // Mostly small files: growth is under way from the start, or there is no room for any.
  constexpr uint64_t kFirst[] = {0, 1, 1, 1, 8, 16};
  const uint64_t extents = kFirst[rng.below(std::size(kFirst))];
  if (extents == 1 && rng.chance(700)) faults_.no_room = 1000;
  // Often all but the last slots are taken.
  const bool crowded = extents == 1 && rng.coin();
  const auto taken = crowded ? layout::kSlotsPerExtent - rng.between(0, 8) : 0;
  if (crowded && rng.chance(300)) faults_.failed_flush = static_cast<unsigned>(rng.between(5, 60));
  disk_.put(fresh_state(rng, extents, static_cast<uint32_t>(taken)));

  const auto count = static_cast<unsigned>(rng.between(1, 7));
  for (unsigned id = 0; id < count; ++id) {
    std::vector<unsigned> owned;
    for (unsigned name = id; name < oracle_.names().size(); name += count) owned.push_back(name);
    clients_.push_back(std::make_unique<Client>(world_, net_, oracle_, id, std::move(owned)));
  }
  oracle_.allow_no_room(faults_.no_room != 0);
}

void Simulator::choose_habits() {
  Rng& rng = world_.rng;
  for (const auto& client : clients_) {
    Client::Habits habits;
    habits.depth = static_cast<unsigned>(rng.between(1, depth_));
    if (rng.chance(200)) habits.room = rng.between(1, 2000);
    if (rng.chance(100)) habits.reads = rng.coin() ? 0 : 50;
    if (rng.chance(200)) habits.resets = static_cast<unsigned>(rng.between(1, 20));
    if (rng.chance(200)) habits.half_closes = static_cast<unsigned>(rng.between(1, 20));
    if (rng.chance(200)) habits.quits = static_cast<unsigned>(rng.between(1, 20));
    habits.waits_for_changes = faults_.no_room != 0 || rng.coin();
    client->set_habits(habits);
  }
}

bool Simulator::run() {
  const uint64_t lives = world_.rng.between(2, 7);
  for (uint64_t life = 0; life < lives && !over(); ++life) {
    const auto finish = static_cast<Finish>(world_.rng.below(3));
    const auto rounds = static_cast<unsigned>(world_.rng.between(1, world_.rng.coin() ? 80 : 500));
    one_life(finish, rounds);
    if (!over() && world_.rng.chance(80)) bury(Death::kMachine);  // power goes while nothing runs
    if (!over()) maybe_restore();
  }
  if (!over()) last_life();
  totals_.requests = oracle_.judged();
  return !over();
}

void Simulator::one_life(Finish finish, unsigned rounds) {
  world_.faults = faults_;
  choose_habits();
  if (!start(true) || !verify()) return;
  Rng& rng = world_.rng;
  if (rng.chance(300))
    server_->die_in_store(static_cast<unsigned>(rng.between(1, 60)),
                          rng.coin() ? Death::kProcess : Death::kMachine);
  const uint64_t idles_at = rng.chance(150) ? rng.below(rounds) : rounds;
  for (unsigned at = 0; at < rounds; ++at) {
    if (at == idles_at) idle();
    if (!server_ || !round(true)) return;
    if (rng.chance(2)) jump(rng.between(1, 70'000));
    if (rng.chance(2))
      world_.clock.set_unix_seconds(static_cast<int64_t>(rng.below(4'000'000'000)));
  }
  if (idles_at == rounds && rng.chance(100)) idle();
  if (!server_) return;
  if (finish == Finish::kStop) return stop();
  bury(finish == Finish::kKill ? Death::kProcess : Death::kMachine);
}

// The machine stands still for a while, as virtual ones do.
void Simulator::jump(uint64_t ms) {
  world_.trace("{} ms pass", ms);
  world_.clock.advance_ns(ms * kNsPerMs);
  // A send that was under way looks as if nobody had taken it.
  if (ms > 20'000)
    for (const auto& client : clients_) client->may_be_hung_up_on();
}

// All troubles end: whatever has been asked is answered, and a clean stop keeps every number.
void Simulator::last_life() {
  world_.faults = {};
  while (!start(false) || !verify())
    if (over()) return;
  for (const auto& client : clients_) client->set_habits({.depth = depth_});
  for (int at = 0; at < 50; ++at)
    if (!round(true)) return;
  if (!settle(true)) return;
  stop();
  if (over() || !start(false) || !verify()) return;
  stop();
}

// False: the process is gone again, or a promise was broken.
bool Simulator::start(bool may_die) {
  Rng& rng = world_.rng;
  ++totals_.starts;
  counters_lost_ = may_die && rng.chance(50);
  live_.refuse_next(counters_lost_);
  server_ = std::make_unique<SimServer>(world_, disk_, live_, net_, loops_);
  if (may_die && rng.chance(80))
    server_->storage().die_in_flush(static_cast<unsigned>(rng.between(1, 3)),
                                    rng.coin() ? Death::kProcess : Death::kMachine);
  const auto started = server_->start();
  world_.trace("start: {}",
               started ? fmt::format("epoch {}", server_->epoch()) : started.error().message);
  if (std::exchange(expects_warning_, false) && !live_.told_of_newer())
    world_.violate("the start did not ask whether the state file is older than the run before");
  if (started) {
    if (server_->epoch() <= last_epoch_)
      world_.violate("epoch {} starts after epoch {}", server_->epoch(), last_epoch_);
    last_epoch_ = server_->epoch();
    return !over();
  }
  if (world_.death == Death::kNone && started.error().message != "flush failed")
    world_.violate("the server does not start: {}", started.error().message);
  // The counters of a start whose flush failed are not believed: as after a power cut.
  counters_lost_ = counters_lost_ || world_.death == Death::kNone;
  if (!over()) bury(world_.death != Death::kNone ? world_.death : Death::kProcess);
  return false;
}

// Every name, as the server now knows it.
bool Simulator::verify() {
  Client probe(world_, net_, oracle_, 99, {});
  probe.verify_all();
  for (unsigned at = 0; probe.waiting(); ++at) {
    if (at > 20'000) world_.violate("the first requests after a start are not answered");
    probe.move(true);
    if (!round(false)) return false;
  }
  oracle_.verified();
  return !over();
}

// Something happens. False: the process is gone, or a promise was broken.
bool Simulator::round(bool asks) {
  ++world_.step;
  if (asks) clients_[world_.rng.below(clients_.size())]->act(true);
  clients_[world_.rng.below(clients_.size())]->act(false);
  step_a_loop();
  if (over()) return false;
  if (world_.death != Death::kNone) {
    bury(world_.death);
    return false;
  }
  disk_.run();
  world_.clock.advance_ns(world_.rng.below(20'000));
  if (!server_->failed()) return !over();
  end_failed();
  return false;
}

void Simulator::step_a_loop() {
  if (world_.rng.chance(world_.faults.stalled_loop)) {
    stalled_loop_ = static_cast<unsigned>(world_.rng.below(loops_));
    stalled_until_ = world_.step + world_.rng.between(20, 300);
  }
  const auto first = static_cast<unsigned>(world_.rng.below(loops_));
  for (unsigned at = 0; at < loops_; ++at) {
    const unsigned loop = (first + at) % loops_;
    if (!server_->is_runnable(loop)) continue;
    if (loop == stalled_loop_ && world_.step < stalled_until_ && world_.faults.stalled_loop != 0)
      continue;
    ++totals_.ticks;
    return server_->step(loop);
  }
  if (world_.rng.chance(300)) pass_time();
}

// Nothing can happen before the first timer, or the disk.
void Simulator::pass_time() {
  const uint64_t next_ns = std::min(server_->deadline_ns(), disk_.due_ns().value_or(~uint64_t{0}));
  const uint64_t now_ns = world_.clock.monotonic_ns();
  if (next_ns > now_ns) world_.clock.advance_ns(next_ns - now_ns);
}

// Everybody waits for their answers, and then for 2 s more.
void Simulator::idle() {
  const Faults faults = std::exchange(world_.faults, {});
  const bool all = settle(false);
  if (server_ && !over() && all) {
    world_.trace("idle for 2 s");
    const uint64_t end_ns = world_.clock.monotonic_ns() + 2000 * kNsPerMs;
    while (world_.clock.monotonic_ns() < end_ns && round(false)) {
    }
    if (server_ && !over()) oracle_.idled();
  }
  world_.faults = faults;
}

// Runs until all requests are answered, without waiting for any timer where `strict`: who waits for
// one has not been woken when it should have been. False: they are not.
bool Simulator::settle(bool strict) {
  const auto waits = [](const auto& client) { return client->waiting(); };
  const uint64_t end_ns = world_.clock.monotonic_ns() + 5000 * kNsPerMs;
  for (unsigned at = 0; std::ranges::any_of(clients_, waits); ++at) {
    for (const auto& client : clients_) client->move(true);
    bool busy = disk_.due_ns().has_value();
    for (unsigned loop = 0; loop < loops_; ++loop) busy = busy || server_->is_busy(loop);
    if (!busy && strict && faults_.no_room == 0 && std::ranges::any_of(clients_, waits))
      world_.violate("requests wait, and nothing is under way for them");
    if (at > 100'000 || world_.clock.monotonic_ns() > end_ns) {
      if (strict) world_.violate("requests are not answered");
      return false;
    }
    if (over() || !round(false)) return false;
  }
  return true;
}

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

// Somebody takes a copy of the state file, and puts it back later.
void Simulator::maybe_restore() {
  Rng& rng = world_.rng;
  if (old_copy_.empty()) {
    if (rng.chance(100)) old_copy_.assign(disk_.durable().begin(), disk_.durable().end());
    return;
  }
  if (!rng.chance(300)) return;
  const auto found = scan(old_copy_);
  if (!found) return world_.violate("what was durable cannot be read: {}", found.error());
  world_.trace("--- an older state file is restored, epoch {} ---", found->header.epoch);
  ++totals_.restored;
  std::map<std::string, uint64_t, std::less<>> bounds;
  if (!live_.holds(found->header.epoch))
    for (const ScannedTenant& tenant : found->tenants)
      bounds.emplace(tenant.name, tenant.record.bound);
  disk_.put(old_copy_);
  old_copy_.clear();
  last_epoch_ = found->header.epoch;
  expects_warning_ = live_.holds_newer(last_epoch_);
  oracle_.restored(std::move(bounds));
}

}  // namespace number_dispenser::sim
