#include "simulator.h"

#include <algorithm>
#include <utility>

namespace number_dispenser::sim {
namespace {

constexpr uint64_t kExtents = 64;  // more than any simulation grows to

}  // namespace

Totals& Totals::operator+=(const Totals& other) {
  requests += other.requests;
  starts += other.starts;
  kills += other.kills;
  power_cuts += other.power_cuts;
  clean_stops += other.clean_stops;
  failed_flushes += other.failed_flushes;
  restored += other.restored;
  ticks += other.ticks;
  return *this;
}

std::string Totals::text(double elapsed_s) const {
  return fmt::format(
      "{} requests ({:.1f} million a minute), {} ticks, {} starts; {} kills, {} power cuts, {} "
      "clean "
      "stops, {} failed flushes, {} restored files",
      requests, static_cast<double>(requests) / elapsed_s * 60e-6, ticks, starts, kills, power_cuts,
      clean_stops, failed_flushes, restored);
}

Simulator::Simulator(uint64_t seed, bool tracing)
    : world_(seed),
      disk_(world_, layout::file_bytes(kExtents)),
      live_(world_, layout::live_bytes(kExtents)),
      net_(world_),
      oracle_(world_, static_cast<unsigned>(world_.rng.between(1, 6))) {
  world_.tracing = tracing;
  choose_profile();
}

bool Simulator::run() {
  const uint64_t lives = world_.rng.between(2, 7);
  for (uint64_t life = 0; life < lives && !over(); ++life) {
    auto finish = static_cast<Finish>(world_.rng.below(3));
    auto rounds = static_cast<unsigned>(world_.rng.between(1, world_.rng.coin() ? 80 : 500));
    if (std::exchange(flush_failed_, false) && world_.rng.coin()) {
      // What the failed flush has left is in the page cache, and perhaps nowhere else.
      finish = Finish::kPowerCut;
      rounds = static_cast<unsigned>(world_.rng.between(1, 20));
    }
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
  if (rng.chance(100))
    server_->die_at_page(static_cast<unsigned>(rng.between(1, 6)),
                         rng.coin() ? Death::kProcess : Death::kMachine);
  const uint64_t idles_at = rng.chance(150) ? rng.below(rounds) : rounds;
  for (unsigned at = 0; at < rounds; ++at) {
    if (at == idles_at) idle();
    if (!server_ || !round(true)) return;
    if (rng.chance(1)) take_copy();
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
  if (may_die && rng.chance(60))
    server_->die_at_page(static_cast<unsigned>(rng.between(1, 12)),
                         rng.coin() ? Death::kProcess : Death::kMachine);
  const auto started = server_->start();
  world_.trace("start: {}",
               started ? fmt::format("epoch {}", server_->epoch()) : started.error().message);
  if (started && expects_warning_ && !live_.told_of_newer())
    world_.violate("the start did not ask whether the state file is older than the run before");
  // A start that died before it could ask leaves that to the next one, if the counters are left.
  if (started || live_.told_of_newer() || world_.death == Death::kMachine) expects_warning_ = false;
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
  // A flush that takes long from before is not the idle dispensers' doing.
  while (server_ && !over() && disk_.due_ns() && round(false)) {
  }
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

}  // namespace number_dispenser::sim
