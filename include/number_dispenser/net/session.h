// What the loop needs of whoever understands requests. The loop knows bytes, order and waiting; a
// session knows commands. Sessions run on their connection's loop.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

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
  kRetry,  // nothing was done or written: give the same request again when the registry has moved
           // on
};

class Session {
 public:
  virtual ~Session() = default;
  virtual Next handle(std::span<const std::string_view> request, ReplySink& reply) = 0;
  // Unauthenticated clients have tighter protocol limits.
  virtual bool authenticated() const = 0;
  // What it keeps of requests, roughly.
  virtual size_t kept_bytes() const { return 0; }
};

class SessionFactory {
 public:
  virtual ~SessionFactory() = default;
  // For a connection just accepted on the loop `loop`. Null refuses it: then `refusal` is sent and
  // the connection closes.
  virtual std::unique_ptr<Session> open(unsigned loop, int fd, Buffer& refusal) = 0;
};

}  // namespace number_dispenser
