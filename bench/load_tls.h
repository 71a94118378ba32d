// TLS on a connected socket, for the load: the client's side, and any certificate will do.
#pragma once

#include <sys/types.h>

#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>

struct ssl_st;

namespace number_dispenser::bench {

class TlsSocket {
 public:
  /// `fd` blocks, stays the caller's, and may be set not to block afterwards.
  static std::expected<TlsSocket, std::string> shake_hands(int fd);

  /// As recv(2) and send(2): -1 and errno EAGAIN where the socket would block.
  ssize_t receive(std::span<char> into);
  ssize_t send(std::string_view bytes);

 private:
  using Handle = std::unique_ptr<ssl_st, void (*)(ssl_st*)>;
  explicit TlsSocket(Handle ssl) : ssl_(std::move(ssl)) {}

  Handle ssl_;
};

}  // namespace number_dispenser::bench
