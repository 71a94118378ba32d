#include "load_connection.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>
#include <utility>

#include "load_reply.h"

namespace number_dispenser::bench {
namespace {

std::string error_text(const std::string& what) {
  return what + ": " + std::generic_category().message(errno);
}

}  // namespace

uint64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

std::expected<Connection, std::string> Connection::connect(const std::string& host,
                                                           const std::string& port, bool tls,
                                                           const Requests& requests,
                                                           uint32_t first_key) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &found); error != 0) {
    return std::unexpected(host + ":" + port + ": " + gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, &freeaddrinfo);

  std::string problem;
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    const int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return std::unexpected(error_text("socket"));
    Connection connection(fd, requests, first_key);
    if (::connect(fd, address->ai_addr, address->ai_addrlen) != 0) {
      problem = error_text("connect to " + host + ":" + port);
      continue;
    }
    if (tls) {
      auto secured = TlsSocket::shake_hands(fd);
      if (!secured) return std::unexpected(secured.error());
      connection.tls_ = std::move(*secured);
    }
    const int on = 1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
      return std::unexpected(error_text("set up the connection"));
    }
    return connection;
  }
  return std::unexpected(problem);
}

Connection::Connection(Connection&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      tls_(std::move(other.tls_)),
      requests_(other.requests_),
      next_key_(other.next_key_),
      replies_due_(other.replies_due_),
      sent_at_ns_(other.sent_at_ns_),
      last_reply_ns_(other.last_reply_ns_),
      unsent_(other.unsent_),
      split_reply_(std::move(other.split_reply_)),
      first_error_reply_(std::move(other.first_error_reply_)) {}

Connection::~Connection() {
  if (fd_ >= 0) close(fd_);
}

std::expected<void, std::string> Connection::send_batch() {
  unsent_ = requests_->batch(next_key_);
  next_key_ = requests_->key_after(next_key_);
  replies_due_ = requests_->pipeline();
  sent_at_ns_ = now_ns();
  return send_rest();
}

ssize_t Connection::send_some() {
  if (tls_) return tls_->send(unsent_);
  return send(fd_, unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
}

ssize_t Connection::receive_some(std::span<char> room) {
  return tls_ ? tls_->receive(room) : recv(fd_, room.data(), room.size(), 0);
}

std::expected<void, std::string> Connection::send_rest() {
  while (!unsent_.empty()) {
    const ssize_t sent = send_some();
    if (sent > 0) {
      unsent_.remove_prefix(static_cast<size_t>(sent));
    } else if (errno == EAGAIN) {
      return {};
    } else if (errno != EINTR) {
      return std::unexpected(error_text("send"));
    }
  }
  return {};
}

std::expected<Received, std::string> Connection::receive(std::span<char> buffer) {
  const size_t kept = split_reply_.size();
  std::memcpy(buffer.data(), split_reply_.data(), kept);
  const std::span<char> room = buffer.subspan(kept);
  const ssize_t read = receive_some(room);
  if (read < 0 && (errno == EAGAIN || errno == EINTR)) return Received{.drained = errno == EAGAIN};
  if (read < 0) return std::unexpected(error_text("receive"));
  if (read == 0) return std::unexpected("the server closed a connection");

  const uint64_t now = now_ns();
  Received received{.latency_ns = now - sent_at_ns_,
                    // TLS gives one record at a time.
                    .drained = !tls_ && static_cast<size_t>(read) < room.size()};
  const auto taken = take_replies({buffer.data(), kept + static_cast<size_t>(read)}, received);
  if (!taken) return std::unexpected(taken.error());
  if (received.replies > 0) last_reply_ns_ = now;
  return received;
}

std::expected<void, std::string> Connection::take_replies(std::string_view input,
                                                          Received& received) {
  while (!input.empty()) {
    const ReplyScan reply = scan_reply(input);
    if (reply.kind == ReplyKind::kIncomplete) break;
    if (reply.kind == ReplyKind::kMalformed || replies_due_ == 0) {
      return std::unexpected("malformed or unasked reply: " + std::string(input.substr(0, 80)));
    }
    if (reply.kind == ReplyKind::kError) {
      // Without the line end.
      if (first_error_reply_.empty()) first_error_reply_ = input.substr(0, reply.bytes - 2);
      ++received.errors;
    }
    ++received.replies;
    --replies_due_;
    input.remove_prefix(reply.bytes);
  }
  split_reply_.assign(input);
  return {};
}

}  // namespace number_dispenser::bench
