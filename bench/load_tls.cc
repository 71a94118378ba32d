#include "load_tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cerrno>

namespace number_dispenser::bench {
namespace {

using Context = std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)>;

SSL_CTX* client_context() {
  static const Context made = [] {
    Context fresh(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
    if (fresh == nullptr) return fresh;
    // One read a record, not two.
    SSL_CTX_set_read_ahead(fresh.get(), 1);
    SSL_CTX_set_mode(fresh.get(),
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return fresh;
  }();
  return made.get();
}

/// The end of an SSL call as that of a system call.
ssize_t as_system_call(const SSL* ssl, int result, size_t bytes) {
  if (result == 1) return static_cast<ssize_t>(bytes);
  switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      errno = EAGAIN;
      return -1;
    case SSL_ERROR_ZERO_RETURN:
      return 0;
    default:
      errno = EPROTO;
      return -1;
  }
}

}  // namespace

std::expected<TlsSocket, std::string> TlsSocket::shake_hands(int fd) {
  Handle ssl(client_context() == nullptr ? nullptr : SSL_new(client_context()), SSL_free);
  if (ssl == nullptr || SSL_set_fd(ssl.get(), fd) != 1)
    return std::unexpected("OpenSSL could not be set up");
  if (SSL_connect(ssl.get()) != 1) {
    const char* const reason = ERR_reason_error_string(ERR_peek_error());
    return std::unexpected(std::string("TLS handshake: ") + (reason == nullptr ? "ended" : reason));
  }
  return TlsSocket(std::move(ssl));
}

ssize_t TlsSocket::receive(std::span<char> into) {
  ERR_clear_error();
  size_t got = 0;
  const int result = SSL_read_ex(ssl_.get(), into.data(), into.size(), &got);
  return as_system_call(ssl_.get(), result, got);
}

ssize_t TlsSocket::send(std::string_view bytes) {
  ERR_clear_error();
  size_t sent = 0;
  const int result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &sent);
  return as_system_call(ssl_.get(), result, sent);
}

}  // namespace number_dispenser::bench
