// The loop: one thread, one ring, its connections. The tick is run_tick().
//
// Loops share the registry and nothing else. The first is the keeper's; the others ask it for
// flushes. A loop is only called on its own thread, but for give_connection().
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "number_dispenser/base/clock.h"
#include "number_dispenser/base/fd.h"
#include "number_dispenser/dispenser/registry.h"
#include "number_dispenser/net/client_limits.h"
#include "number_dispenser/net/keeper.h"
#include "number_dispenser/net/session.h"
#include "number_dispenser/tls/stream.h"
#include "number_dispenser/uring/ring.h"

namespace number_dispenser {

class Connection;

// A connected socket, and its TLS if it has that.
struct Arrival {
  Fd fd;
  std::unique_ptr<TlsStream> tls;
};

// Written by one thread, read by any. A reset by another thread may lose to an add.
class Counter {
 public:
  void add(uint64_t amount) {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  void subtract(uint64_t amount) { add(0 - amount); }
  void reset() { value_.store(0, std::memory_order_relaxed); }
  uint64_t read() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

struct LoopStats {
  Counter connections;  // now
  Counter accepted;     // ever
  Counter rejected;     // of the first loop: over maxclients; of each: strangers
  Counter requests;
  Counter input_bytes;
  Counter output_bytes;
  Counter buffer_bytes;  // now: of its clients' buffers, transactions and held replies
  Counter evicted;       // disconnected because those took too much
  Gauge waiting;         // connections that wait: for a flush, or to try a request again
};

class Loop {
 public:
  Loop(unsigned number, Ring& ring, Registry& registry, Registry::View& view, Keeper& keeper,
       SessionFactory& sessions, const Clock& clock);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // All loops in order of number, and the limits they share; before any runs.
  void join(const std::vector<Loop*>& loops, ClientLimits& limits) {
    loops_ = loops;
    limits_ = &limits;
  }

  // One tick, which waits at most `longest_wait_ns` for something to happen.
  void run_tick(uint64_t longest_wait_ns);

  void add_connection(Arrival arrival);
  // The same from the thread of `from`.
  void give_connection(Arrival arrival, Loop& from);

  // Answers what has been read and closes every connection; drained() says when that is done.
  void drain();
  bool drained() const { return connections_.empty() && draining_; }
  // Closes whatever is left.
  void abort_all();
  // Every held reply becomes this error.
  void fail_held(std::string_view error);

  unsigned number() const { return number_; }
  bool is_keeper() const { return number_ == 0; }
  uint64_t now_ns() const { return now_ns_; }  // of this tick
  uint64_t tick_number() const { return tick_number_; }
  Ring& ring() { return ring_; }
  Registry& registry() { return registry_; }
  Registry::View& view() { return view_; }
  ClientLimits& limits() { return *limits_; }
  LoopStats& stats() { return stats_; }
  const LoopStats& stats() const { return stats_; }

  // For connections.
  void touch(Connection& connection);
  // It listens: it is touched whenever there is news.
  void listen(Connection& connection);
  // Waiting connections are looked at again at this time.
  void retry_at(uint64_t time_ns) { retry_ns_ = std::min(retry_ns_, time_ns); }
  uint64_t retry_ns() const { return retry_ns_; }
  std::vector<std::string_view>& request_scratch() { return request_scratch_; }
  Buffer& plain_scratch() { return plain_scratch_; }
  // It has whole requests left, and is given a turn in a later tick.
  void pause(Connection& connection);
  // Of requests and replies: the work that a connection may do now, at least one request.
  uint64_t turn_bytes() const { return std::min(kTurnBytes, work_left_bytes_); }
  void spend(uint64_t bytes) { work_left_bytes_ -= std::min(bytes, work_left_bytes_); }
  // A connection takes `bytes` more (less, as a negative number does) than it did.
  void account(uint64_t bytes) {
    stats_.buffer_bytes.add(bytes);
    if (buffers_are_over()) output_share_bytes_ = 0;
  }
  // Output that may wait in a connection before it takes no more input.
  size_t output_share_bytes() const { return output_share_bytes_; }

 private:
  // What GETs come to in some 0.1 ms, and INFOs too, since their replies are long.
  static constexpr uint64_t kTurnBytes = 16 * 1024;
  // For what arrives in a tick, and as much for those who were paused before.
  static constexpr uint64_t kWorkBytes = 8 * kTurnBytes;

  void take_inbox();
  void resume_paused();
  void recheck_waiting(bool all);
  void advance_touched();
  void bury();
  void tell_others(bool settled);
  void wake(Loop& other);
  void tend();
  bool buffers_are_over() const { return stats_.buffer_bytes.read() > buffer_limit_bytes_; }
  void share_memory();
  void evict_largest();

  const unsigned number_;
  Ring& ring_;
  Registry& registry_;
  Registry::View& view_;
  Keeper& keeper_;
  SessionFactory& sessions_;
  const Clock& clock_;
  std::vector<Loop*> loops_;
  ClientLimits* limits_ = nullptr;

  LoopStats stats_;
  uint64_t now_ns_;
  uint64_t tick_number_ = 0;
  uint64_t tend_ns_ = 0;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> touched_;
  std::vector<Connection*> waiting_;  // for the registry to move on
  std::vector<Connection*> listeners_;
  std::vector<Connection*> finished_;
  std::deque<Connection*> paused_;  // the longest waiting first
  uint64_t work_left_bytes_ = kWorkBytes;
  std::vector<std::string_view> request_scratch_;
  Buffer plain_scratch_;  // what TLS has decrypted
  uint64_t progress_seen_ = 0;
  uint64_t progress_told_ = 0;
  uint64_t logged_told_ = 0;
  uint64_t news_heard_ = 0;
  uint64_t news_told_ = 0;
  uint64_t retry_ns_ = UINT64_MAX;
  bool draining_ = false;
  uint64_t buffer_limit_bytes_ = UINT64_MAX;
  size_t output_share_bytes_ = 1;  // until the first tick
  uint64_t eviction_quiet_until_ns_ = 0;

  // What other loops look at.
  std::atomic<bool> has_waiting_{false};
  std::atomic<bool> work_announced_{
      false};  // the keeper has been woken for this loop's or another's work
  std::mutex inbox_mutex_;
  std::vector<Arrival> inbox_;
};

}  // namespace number_dispenser
