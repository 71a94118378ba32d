// One connection of the load: a batch is sent, its replies are counted, then the next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "load_requests.h"
#include "load_tls.h"

namespace number_dispenser::bench {

/// CLOCK_MONOTONIC, in nanoseconds.
uint64_t now_ns();

/// Replies that one receive() brought, all of one batch.
struct Received {
  uint32_t replies = 0;
  uint32_t errors = 0;      ///< those of them that are error replies
  uint64_t latency_ns = 0;  ///< from just before the batch was sent until these were read
  bool drained = false;     ///< the socket holds no more for now
};

/// One connection of the closed loop: it sends a batch, takes its replies, and only then sends the
/// next. The owner waits for events (edge-triggered) and calls in; nothing here blocks but
/// connect(). Owns its descriptor. An error text means that the connection is of no more use.
class Connection {
 public:
  /// `requests` must outlive the connection.
  static std::expected<Connection, std::string> connect(const std::string& host,
                                                        const std::string& port, bool tls,
                                                        const Requests& requests,
                                                        uint32_t first_key);
  Connection(Connection&& other) noexcept;
  Connection& operator=(Connection&&) = delete;
  ~Connection();

  int fd() const { return fd_; }
  bool batch_done() const { return replies_due_ == 0; }
  /// When the last reply was read; 0 before the first.
  uint64_t last_reply_ns() const { return last_reply_ns_; }
  const std::string& first_error_reply() const { return first_error_reply_; }

  /// Starts the next batch; batch_done() must hold.
  std::expected<void, std::string> send_batch();
  /// Goes on with a batch that the socket had no room for; without one it does nothing.
  std::expected<void, std::string> send_rest();
  /// Reads once. `buffer` is scratch space, larger than a reply, that connections may share: the
  /// start of a split reply is kept here until its end arrives.
  std::expected<Received, std::string> receive(std::span<char> buffer);

 private:
  Connection(int fd, const Requests& requests, uint32_t first_key)
      : fd_(fd), requests_(&requests), next_key_(first_key) {}

  std::expected<void, std::string> take_replies(std::string_view input, Received& received);

  ssize_t send_some();
  ssize_t receive_some(std::span<char> room);

  int fd_;
  std::optional<TlsSocket> tls_;
  const Requests* requests_;
  uint32_t next_key_;
  uint32_t replies_due_ = 0;
  uint64_t sent_at_ns_ = 0;
  uint64_t last_reply_ns_ = 0;
  std::string_view unsent_;
  std::string split_reply_;
  std::string first_error_reply_;
};

}  // namespace number_dispenser::bench
