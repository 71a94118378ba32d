// The client's side of TLS in memory. What it sends is taken from output(); what arrives for it is
// given to receive().
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <string_view>

#include "number_dispenser/base/check.h"
#include "number_dispenser/base/tls_settings.h"

namespace number_dispenser::testing_support {

class TlsClient {
 public:
  // `version`: TLS1_2_VERSION or TLS1_3_VERSION. `own`: the files to be shown if asked for, or
  // null.
  explicit TlsClient(int version, const TlsSettings* own = nullptr)
      : context_(::SSL_CTX_new(::TLS_client_method()), ::SSL_CTX_free), ssl_(nullptr, ::SSL_free) {
    ::SSL_CTX_set_min_proto_version(context_.get(), version);
    ::SSL_CTX_set_max_proto_version(context_.get(), version);
    if (own != nullptr) {
      ::SSL_CTX_use_certificate_file(context_.get(), own->cert_file.c_str(), SSL_FILETYPE_PEM);
      ::SSL_CTX_use_PrivateKey_file(context_.get(), own->key_file.c_str(), SSL_FILETYPE_PEM);
    }
    ssl_.reset(::SSL_new(context_.get()));
    in_ = ::BIO_new(::BIO_s_mem());
    out_ = ::BIO_new(::BIO_s_mem());
    ::SSL_set_bio(ssl_.get(), in_, out_);  // which takes them over
    ::SSL_set_connect_state(ssl_.get());
    ::SSL_do_handshake(ssl_.get());
  }

  std::string output() {
    std::string bytes(::BIO_ctrl_pending(out_), '\0');
    if (!bytes.empty()) ::BIO_read(out_, bytes.data(), static_cast<int>(bytes.size()));
    return bytes;
  }

  // Goes on with the handshake; what is said in the clear is appended to read.
  void receive(std::string_view bytes) {
    if (!bytes.empty()) ::BIO_write(in_, bytes.data(), static_cast<int>(bytes.size()));
    char chunk[16384];
    int got = 0;
    while ((got = ::SSL_read(ssl_.get(), chunk, sizeof chunk)) > 0)
      read.append(chunk, static_cast<size_t>(got));
    ended = ::SSL_get_error(ssl_.get(), got) == SSL_ERROR_ZERO_RETURN;
  }

  void send(std::string_view plain) {
    const int sent = ::SSL_write(ssl_.get(), plain.data(), static_cast<int>(plain.size()));
    ND_CHECK(sent == static_cast<int>(plain.size()), "SSL_write {}", sent);
  }
  void end() { ::SSL_shutdown(ssl_.get()); }
  bool established() const { return ::SSL_is_init_finished(ssl_.get()) == 1; }
  SSL* ssl() { return ssl_.get(); }

  std::string read;
  bool ended = false;  // the server has said so

 private:
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_;
  std::unique_ptr<SSL, void (*)(SSL*)> ssl_;
  BIO* in_ = nullptr;
  BIO* out_ = nullptr;
};

}  // namespace number_dispenser::testing_support
