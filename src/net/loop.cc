#include "number_dispenser/net/loop.h"

#include <algorithm>
#include <utility>

#include "connection.h"
#include "number_dispenser/base/check.h"
#include "number_dispenser/base/log.h"

namespace number_dispenser {
namespace {

constexpr uint64_t kTendNs = 1'000'000'000;
constexpr uint64_t kQuietNs = 60'000'000'000;
// A connection's output that waits: a client's memory is this, one reply, and what is held.
constexpr uint64_t kMostOutputShareBytes = 256 * 1024;
constexpr uint64_t kLeastOutputShareBytes = 4 * 1024;

}  // namespace

Loop::Loop(unsigned number, Ring& ring, Registry& registry, Registry::View& view, Keeper& keeper,
           SessionFactory& sessions, const Clock& clock)
    : number_(number),
      ring_(ring),
      registry_(registry),
      view_(view),
      keeper_(keeper),
      sessions_(sessions),
      clock_(clock),
      now_ns_(clock.monotonic_ns()),
      tend_ns_(now_ns_ + kTendNs) {}

Loop::~Loop() = default;

void Loop::run_tick(uint64_t longest_wait_ns) {
  uint64_t wake_ns = std::min({now_ns_ + longest_wait_ns, tend_ns_, retry_ns_});
  if (is_keeper()) wake_ns = std::min(wake_ns, keeper_.deadline_ns());
  // Reap completions: requests are decoded and run, their replies wait in their connections.
  ring_.run_once(wake_ns > now_ns_ ? wake_ns - now_ns_ : 0);

  now_ns_ = clock_.monotonic_ns();
  ++tick_number_;
  work_announced_.store(false);
  take_inbox();
  const bool adopted = registry_.adopt(view_);
  // Publish the bounds that must move, and start a flush if none is in flight.
  if (is_keeper()) keeper_.tick();
  share_memory();
  // Release the replies that are covered now, and start their sends.
  const bool due = now_ns_ >= retry_ns_;
  if (due) retry_ns_ = UINT64_MAX;
  recheck_waiting(adopted || due);
  advance_touched();
  resume_paused();
  // Requests that had to wait were run only now.
  if (is_keeper() && keeper_.wants_tick()) ring_.wake(ring_);
  const bool settled = registry_.announce(view_);
  if (settled && !waiting_.empty()) ring_.wake(ring_);
  tell_others(settled);
  bury();
  stats_.waiting.set(waiting_.size());
  if (now_ns_ >= tend_ns_) tend();
  if (output_share_bytes_ == 0 || !paused_.empty()) ring_.wake(ring_);
}

void Loop::touch(Connection& connection) {
  if (std::exchange(connection.touched, true)) return;
  touched_.push_back(&connection);
}

void Loop::listen(Connection& connection) {
  listeners_.push_back(&connection);
  // What it is to hear may have been said just before this flag.
  has_waiting_.store(true);
  touch(connection);
}

void Loop::recheck_waiting(bool all) {
  // Announced before looking at the bounds, so that whoever moves one after that wakes this loop.
  has_waiting_.store(!waiting_.empty() || !listeners_.empty());
  news_heard_ = sessions_.news();
  const uint64_t progress = keeper_.progress() + registry_.settled().load() + news_heard_;
  if (progress == progress_seen_ && !all) return;
  progress_seen_ = progress;
  for (Connection* connection : listeners_) touch(*connection);
  for (Connection* connection : std::exchange(waiting_, {})) {
    connection->waiting = false;
    touch(*connection);
  }
}

void Loop::advance_touched() {
  // By index: advancing one may touch it, or another, again.
  for (size_t at = 0; at < touched_.size(); ++at) {
    Connection& connection = *touched_[at];
    connection.touched = false;
    connection.advance();
    if (connection.finished()) {
      if (!std::exchange(connection.buried, true)) finished_.push_back(&connection);
      continue;
    }
    if (!connection.waits() || std::exchange(connection.waiting, true)) continue;
    waiting_.push_back(&connection);
    // It began to wait in this tick, and what it waits for may have come just before this flag.
    if (!has_waiting_.exchange(true)) touch(connection);
  }
  touched_.clear();
}

void Loop::pause(Connection& connection) {
  if (!std::exchange(connection.paused, true)) paused_.push_back(&connection);
}

// In turn, so that nobody waits for one who has sent a lot.
void Loop::resume_paused() {
  work_left_bytes_ = kWorkBytes;
  for (size_t left = paused_.size(); left > 0 && work_left_bytes_ > 0; --left) {
    Connection& connection = *paused_.front();
    paused_.pop_front();
    connection.paused = false;
    touch(connection);
    advance_touched();
  }
  work_left_bytes_ = kWorkBytes;  // for what the next tick receives
}

// Work this loop has made for others, and progress it has made for them.
void Loop::tell_others(bool settled) {
  // Only by the loop that made the change: each of the others would wake all again.
  const uint64_t logged = Registry::logged(view_) + (is_keeper() ? registry_.retired() : 0);
  const bool defined = std::exchange(logged_told_, logged) != logged;
  // Once each time: waking whoever waits in every tick would have two loops wake each other in turn
  // for as long as a flush takes.
  const uint64_t progress = keeper_.progress();
  const bool moved = is_keeper() && std::exchange(progress_told_, progress) != progress;
  const uint64_t news = sessions_.news();
  const bool spoken = std::exchange(news_told_, news) != news;
  // Said after this tick's look at those who listen.
  if (news != news_heard_ && has_waiting_.load()) wake(*this);
  for (Loop* other : loops_) {
    if (other == this) continue;
    const bool for_keeper =
        other->is_keeper() && registry_.has_work() && !other->work_announced_.exchange(true);
    const bool progressed = (settled || moved || spoken) && other->has_waiting_.load();
    if (defined || for_keeper || progressed) wake(*other);
  }
}

void Loop::wake(Loop& other) {
  other.ring_.wake(ring_);
}

void Loop::add_connection(Arrival arrival) {
  Buffer refusal;
  auto session = sessions_.open(number_, arrival.fd.get(), refusal);
  auto connection =
      std::make_unique<Connection>(*this, arrival.fd.release(), std::move(arrival.tls));
  connection->index = connections_.size();
  connections_.push_back(std::move(connection));
  stats_.connections.add(1);
  stats_.accepted.add(1);
  if (!session) stats_.rejected.add(1);
  connections_.back()->start(std::move(session), std::move(refusal));
  if (draining_) connections_.back()->drain();
}

void Loop::give_connection(Arrival arrival, Loop& from) {
  {
    const std::lock_guard lock(inbox_mutex_);
    inbox_.push_back(std::move(arrival));
  }
  from.wake(*this);
}

void Loop::take_inbox() {
  std::vector<Arrival> arrived;
  {
    const std::lock_guard lock(inbox_mutex_);
    if (inbox_.empty()) return;
    std::swap(arrived, inbox_);
  }
  for (Arrival& arrival : arrived) add_connection(std::move(arrival));
}

// Frees connections at the end of the tick, when no list points at them.
void Loop::bury() {
  if (finished_.empty()) return;
  for (auto* list : {&waiting_, &listeners_})
    std::erase_if(*list, [](const Connection* connection) { return connection->buried; });
  std::erase_if(paused_, [](const Connection* connection) { return connection->buried; });
  for (Connection* connection : finished_) {
    const size_t index = connection->index;
    connections_.back()->index = index;
    std::swap(connections_[index], connections_.back());
    connections_.pop_back();
    stats_.connections.subtract(1);
    limits_->clients.fetch_sub(1, std::memory_order_relaxed);
  }
  finished_.clear();
}

// From the moment that buffers take more than they may, connections run no request (their share is
// 0) until the next tick comes here: idle memory is given back, and if that is not enough the
// largest go. The shares of all take half of the limit, so that those who only do not read are
// slowed down and not disconnected.
void Loop::share_memory() {
  const uint64_t limit = limits_->memory_bytes.load(std::memory_order_relaxed);
  buffer_limit_bytes_ = limit == 0 ? UINT64_MAX : limit / loops_.size();
  if (buffers_are_over() || output_share_bytes_ == 0) {
    for (const auto& connection : connections_) connection->give_back_idle_memory();
    if (buffers_are_over()) evict_largest();
    // Those who were stopped meanwhile go on.
    for (const auto& connection : connections_) touch(*connection);
  }
  const uint64_t clients = std::max<uint64_t>(1, connections_.size());
  output_share_bytes_ =
      std::clamp(buffer_limit_bytes_ / 2 / clients, kLeastOutputShareBytes, kMostOutputShareBytes);
}

// Until a quarter of the limit is free, so that this is not to be done at once again; those who ask
// to be spared only where the others were not enough for the limit itself.
void Loop::evict_largest() {
  std::vector<Connection*> order;
  for (const auto& connection : connections_) order.push_back(connection.get());
  std::ranges::sort(order, {}, [](const Connection* connection) {
    return std::pair(connection->keeps_memory(), UINT64_MAX - connection->footprint_bytes());
  });
  for (Connection* connection : order) {
    const uint64_t goal_bytes =
        connection->keeps_memory() ? buffer_limit_bytes_ : buffer_limit_bytes_ / 4 * 3;
    if (stats_.buffer_bytes.read() <= goal_bytes) break;
    if (connection->footprint_bytes() == 0) continue;
    connection->evict();
    stats_.evicted.add(1);
  }
  if (now_ns_ < std::exchange(eviction_quiet_until_ns_, now_ns_ + kQuietNs)) return;
  log_warn(
      "clients' buffers took more than {} KiB: who took most was disconnected ({} clients so far). "
      "Raise --maxmemory-clients if they were well-meant.",
      buffer_limit_bytes_ >> 10, stats_.evicted.read());
}

void Loop::tend() {
  tend_ns_ = now_ns_ + kTendNs;
  for (const auto& connection : connections_) connection->tend(now_ns_);
}

void Loop::drain() {
  draining_ = true;
  for (const auto& connection : connections_) connection->drain();
}

void Loop::abort_all() {
  for (const auto& connection : connections_) connection->abort();
}

void Loop::fail_held(std::string_view error) {
  for (const auto& connection : connections_) connection->fail_held(error);
}

}  // namespace number_dispenser
