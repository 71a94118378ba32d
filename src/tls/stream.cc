#include "number_dispenser/tls/stream.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "number_dispenser/base/check.h"

namespace number_dispenser {
namespace {

// RFC 8446, 5.1: type, version, length.
constexpr size_t kHeaderBytes = 5;
constexpr size_t kLargestPlainBytes = 1 << 14;
constexpr size_t kLargestRecordBytes = kHeaderBytes + kLargestPlainBytes + 2048;
constexpr char kHandshake = 22;
// OpenSSL would set up to 128 KiB aside for the first message where its header announces that. Real
// ones, with the keys of several methods in them, have less than 5 KiB.
constexpr size_t kLargestHelloBytes = 1 << 14;

size_t byte_at(std::string_view bytes, size_t at) {
  return static_cast<unsigned char>(bytes[at]);
}

// With its header, which must be there.
size_t record_bytes(std::string_view record) {
  return kHeaderBytes + (byte_at(record, 3) << 8) + byte_at(record, 4);
}

bool is_too_long(std::string_view record) {
  return record.size() >= kHeaderBytes && record_bytes(record) > kLargestRecordBytes;
}

// The length of the whole records at the beginning.
size_t whole_records(std::string_view bytes) {
  size_t end = 0;
  while (bytes.size() - end >= kHeaderBytes) {
    const std::string_view rest = bytes.substr(end);
    if (is_too_long(rest) || rest.size() < record_bytes(rest)) break;
    end += record_bytes(rest);
  }
  return end;
}

// A client's first record begins with a hello of a length that makes sense.
bool begins_with_hello(std::string_view bytes) {
  constexpr char kClientHello = 1;
  const std::string_view message = bytes.substr(kHeaderBytes, record_bytes(bytes) - kHeaderBytes);
  if (message.size() < 4 || message[0] != kClientHello) return false;
  const size_t length =
      (byte_at(message, 1) << 16) + (byte_at(message, 2) << 8) + byte_at(message, 3);
  return length <= kLargestHelloBytes;
}

std::string reason(const ssl_st* ssl) {
  const unsigned long error = ::ERR_get_error();
  const char* const text = ::ERR_reason_error_string(error);
  const long verified = ::SSL_get_verify_result(ssl);
  if (verified != X509_V_OK)
    return fmt::format("the client's certificate: {}", ::X509_verify_cert_error_string(verified));
  return text != nullptr ? text : "an error without a name";
}

}  // namespace

const BIO_METHOD* TlsStream::pipe_method() {
  using Method = std::unique_ptr<BIO_METHOD, void (*)(BIO_METHOD*)>;
  static const Method made = [] {
    Method fresh(::BIO_meth_new(::BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "connection"),
                 ::BIO_meth_free);
    ND_CHECK(fresh != nullptr, "BIO_meth_new");
    ::BIO_meth_set_read(fresh.get(), [](BIO* bio, char* into, int bytes) {
      std::string_view& input = static_cast<Pipe*>(::BIO_get_data(bio))->input;
      BIO_clear_retry_flags(bio);
      if (input.empty()) {
        BIO_set_retry_read(bio);
        return -1;
      }
      const size_t taken = input.copy(into, static_cast<size_t>(bytes));
      input.remove_prefix(taken);
      return static_cast<int>(taken);
    });
    ::BIO_meth_set_write(fresh.get(), [](BIO* bio, const char* from, int bytes) {
      static_cast<Pipe*>(::BIO_get_data(bio))->output.append({from, static_cast<size_t>(bytes)});
      return bytes;
    });
    // Flushing is done by whoever takes the output; nothing else is asked of it.
    ::BIO_meth_set_ctrl(fresh.get(), [](BIO*, int what, long, void*) -> long {
      return what == BIO_CTRL_FLUSH ? 1 : 0;
    });
    return fresh;
  }();
  return made.get();
}

TlsStream::TlsStream(ssl_ctx_st& context)
    : context_(&context, ::SSL_CTX_free), ssl_(nullptr, ::SSL_free) {
  ::SSL_CTX_up_ref(&context);
}

// False: no memory.
bool TlsStream::set_up() {
  ssl_.reset(::SSL_new(context_.get()));
  BIO* const bio = ssl_ == nullptr ? nullptr : ::BIO_new(pipe_method());
  if (bio == nullptr) return false;
  ::BIO_set_data(bio, &pipe_);
  ::BIO_set_init(bio, 1);
  ::SSL_set_bio(ssl_.get(), bio, bio);  // which takes it over
  ::SSL_set_accept_state(ssl_.get());
  return true;
}

TlsStream::Outcome TlsStream::receive(std::string_view bytes, Buffer& plain) {
  if (!partial_.empty()) {
    partial_.append(bytes);
    bytes = partial_.view();
  }
  if (ssl_ == nullptr && !bytes.empty() && bytes.front() != kHandshake)
    return fail("the client does not speak TLS");
  const size_t whole = whole_records(bytes);
  Outcome outcome = Outcome::kOpen;
  if (whole > 0) {
    if (ssl_ == nullptr && !begins_with_hello(bytes))
      return fail("the client's first message is no hello, or too long");
    if (ssl_ == nullptr && !set_up()) return fail("no memory");
    pipe_.input = bytes.substr(0, whole);
    outcome = decrypt(plain);
    pipe_.input = {};
    // Once and for all: later messages, such as for new keys, reopen OpenSSL's own notion of it.
    established_ = established_ || ::SSL_is_init_finished(ssl_.get()) == 1;
  }
  if (outcome == Outcome::kOpen && is_too_long(bytes.substr(whole)))
    return fail("a record is too long");
  if (partial_.empty())
    partial_.append(bytes.substr(whole));
  else
    partial_.consume(whole);
  return outcome;
}

// All that is in the pipe. Reading does the handshake too.
TlsStream::Outcome TlsStream::decrypt(Buffer& plain) {
  for (;;) {
    size_t got = 0;
    ::ERR_clear_error();
    char* const room = plain.reserve(kLargestPlainBytes);
    const int result = ::SSL_read_ex(ssl_.get(), room, kLargestPlainBytes, &got);
    plain.commit(got);
    if (result == 1) continue;
    switch (::SSL_get_error(ssl_.get(), result)) {
      case SSL_ERROR_WANT_READ:
        return Outcome::kOpen;
      case SSL_ERROR_ZERO_RETURN:
        return Outcome::kEnded;
      default:
        return fail(reason(ssl_.get()));
    }
  }
}

bool TlsStream::encrypt(std::string_view plain) {
  if (!established_ || ended_) return false;
  size_t wrote = 0;
  ::ERR_clear_error();
  if (::SSL_write_ex(ssl_.get(), plain.data(), plain.size(), &wrote) == 1) return true;
  fail(reason(ssl_.get()));
  return false;
}

bool TlsStream::end() {
  if (ended_ || !fault_.empty() || !established_) return false;
  ended_ = true;
  ::ERR_clear_error();
  ::SSL_shutdown(ssl_.get());
  return !pipe_.output.empty();
}

TlsStream::Outcome TlsStream::fail(std::string_view why) {
  fault_ = why;
  return Outcome::kFailed;
}

void TlsStream::release_memory() {
  if (partial_.empty()) partial_.release();
  if (pipe_.output.empty()) pipe_.output.release();
}

}  // namespace number_dispenser
