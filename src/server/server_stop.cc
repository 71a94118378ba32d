// How the server stops: what was read is answered, then connections are closed, and the node leaves
// its cluster.
#include "server.h"

namespace number_dispenser {
namespace {

constexpr uint64_t kNsPerMs = 1'000'000;
constexpr uint64_t kDrainTickNs = 20 * kNsPerMs;
constexpr uint64_t kDrainNs = 5000 * kNsPerMs;  // for clients that are slow to take their replies
constexpr uint64_t kAbortNs = 2000 * kNsPerMs;
constexpr uint64_t kTellNs = 250 * kNsPerMs;
constexpr uint64_t kLeaveNs = 500 * kNsPerMs;  // for etcd, when the node leaves

}  // namespace

// So that another process need not wait for this one's time to run out.
void Server::leave_cluster() {
  const uint64_t end_ns = clock_.monotonic_ns() + kLeaveNs;
  node_->leave();
  while (!node_->left() && clock_.monotonic_ns() < end_ns) tick_first(kDrainTickNs);
  // What etcd answered meanwhile may have started a flush, whose failure must be seen.
  become_idle();
}

// Until nothing is on its way to the disk any more.
void Server::become_idle() {
  while (!keeper_->failed() && !keeper_->idle()) tick_first(kDrainTickNs);
}

// While stopping.
void Server::tick(Loop& loop) {
  if (loop.is_keeper()) return tick_first(kDrainTickNs);
  loop.run_tick(kDrainTickNs);
}

// Answers what was read, then closes; clients that do not take their replies are cut off.
void Server::finish(LoopParts& parts) {
  Loop& loop = *parts.loop;
  if (phase_.load() == Phase::kFail) tell_of_failure(loop);
  loop.drain();
  const uint64_t abort_ns = clock_.monotonic_ns() + kDrainNs;
  while (!loop.drained() && clock_.monotonic_ns() < abort_ns) {
    tick(loop);
    // A flush that fails only now: what is still held can never leave.
    if (keeper_->failed()) loop.fail_held(kIoErrorReply);
  }
  loop.abort_all();
  while (!loop.drained() && clock_.monotonic_ns() < abort_ns + kAbortNs) tick(loop);
}

// For a moment every request for a number or a definition is answered with the error: those on
// their way are, and whoever sends the next one learns why before the connection closes.
void Server::tell_of_failure(Loop& loop) {
  loop.fail_held(kIoErrorReply);
  const uint64_t end_ns = clock_.monotonic_ns() + kTellNs;
  while (loop.stats().connections.read() > 0 && clock_.monotonic_ns() < end_ns) tick(loop);
}

}  // namespace number_dispenser
