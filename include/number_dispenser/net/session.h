// What the loop needs of whoever understands requests. The loop knows bytes, order and waiting; a
// session knows commands. Sessions run on their connection's loop.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "number_dispenser/resp/buffer.h"

namespace number_dispenser {

// Where a request's reply goes.
class ReplySink {
 public:
  virtual Buffer& bytes() = 0;
  // The reply being written, and so every later one of this connection, leaves only when `bound` is
  // greater than `ordinal`. Both a number behind its durable bound and a definition behind the
  // settled changes are held this way. `bound` lives until the loop's next tick has ended.
  virtual void hold_until_past(const std::atomic<uint64_t>& bound, uint64_t ordinal) = 0;

 protected:
  ~ReplySink() = default;
};

// What happens to the connection next.
enum class Next {
  kContinue,
  kClose,  // once the replies so far have left
  kRetry,  // give the same request again when the registry has moved on, there is news, or at
           // retry time: nothing was done or written, or only the first part of a transaction
};

// A figure of now. Written by one thread, read by any.
class Gauge {
 public:
  void set(uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  uint64_t read() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// What a connection shows of itself. Its loop writes at the end of a tick, any thread reads.
struct ConnectionGauges {
  Gauge active_ns;  // when bytes last arrived or left
  Gauge input_bytes, input_room;
  Gauge output_bytes, output_room;  // output_room: of the memory that output takes
  Gauge held;                       // replies
  Gauge waits;                      // 1: for a flush, or to try a request again
  Gauge sends;                      // 1: a send is in flight
};

class Session {
 public:
  virtual ~Session() = default;
  virtual Next handle(std::span<const std::string_view> request, ReplySink& reply) = 0;
  // Unauthenticated clients have tighter protocol limits.
  virtual bool authenticated() const = 0;
  // What it keeps of requests, and of what it is to hear, roughly.
  virtual size_t kept_bytes() const { return 0; }
  // It goes last where clients take too much memory.
  virtual bool keeps_memory() const { return false; }

  // After kRetry, asked once: when to give the request again even if nothing has moved on.
  uint64_t take_retry_ns() { return std::exchange(retry_ns_, UINT64_MAX); }
  // It wants to hear what other sessions say.
  bool listens() const { return listens_; }
  // For one that listens, whenever SessionFactory::news() has grown or output has left: appends
  // what was said since, if there is `room`. False: it is too far behind, and is closed.
  virtual bool hear(Buffer&, bool /*room*/) { return true; }

  ConnectionGauges gauges;

 protected:
  uint64_t retry_ns_ = UINT64_MAX;
  bool listens_ = false;
};

class SessionFactory {
 public:
  virtual ~SessionFactory() = default;
  // For a connection just accepted on the loop `loop`. Null refuses it: then `refusal` is sent and
  // the connection closes.
  virtual std::unique_ptr<Session> open(unsigned loop, int fd, Buffer& refusal) = 0;
  // Grows when a session has done what stalled or listening ones of any loop may wait for. Any
  // thread.
  virtual uint64_t news() const { return 0; }
};

}  // namespace number_dispenser
