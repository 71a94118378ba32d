// A certificate, its key and the rules of handshakes, read from files once: what every TLS
// connection of a listener is made from. To read the files again is to create another one;
// connections keep the one they were made from.
//
// A value that one thread uses. The streams it makes may each be used on another thread.
#pragma once

#include <memory>

#include "number_dispenser/base/error.h"
#include "number_dispenser/base/tls_settings.h"
#include "number_dispenser/tls/stream.h"

namespace number_dispenser {

class TlsContext {
 public:
  // An error is one line with the option that mends it: kNoPermission for a file that may not be
  // read, else kConfiguration. It never has the key's password in it.
  static Result<TlsContext> create(const TlsSettings& settings);

  std::unique_ptr<TlsStream> open() const { return std::make_unique<TlsStream>(*context_); }

 private:
  using Handle = std::unique_ptr<ssl_ctx_st, void (*)(ssl_ctx_st*)>;
  explicit TlsContext(Handle context) : context_(std::move(context)) {}

  Handle context_;
};

}  // namespace number_dispenser
