// The TLS of one connection, without I/O: bytes from the client go in and come out in the clear,
// replies go in and come out encrypted. Owned by its connection, used on that one's thread.
//
// Memory follows what the client has sent, never what it has announced: OpenSSL is given whole
// records only, and is not even set up before the first of them is here.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "number_dispenser/resp/buffer.h"

// Of OpenSSL, which only this layer includes.
struct ssl_st;
struct ssl_ctx_st;
struct bio_method_st;

namespace number_dispenser {

class TlsStream {
 public:
  enum class Outcome {
    kOpen,
    kEnded,   // the client has said so (close_notify); replies may still be sent
    kFailed,  // fault() says why; nothing more can be sent but output()
  };

  // Keeps what it needs of `context`.
  explicit TlsStream(ssl_ctx_st& context);

  // Takes what has arrived, however it was split, and appends what it says in the clear. Not to be
  // called again after kEnded or kFailed.
  Outcome receive(std::string_view bytes, Buffer& plain);

  // Appends the bytes, of which there is one at least, encrypted to output(). False: it failed, the
  // handshake is not over, or end() was called.
  bool encrypt(std::string_view plain);

  // Appends close_notify to output(), the first time. False: there is nothing to be sent.
  bool end();

  // The handshake is over.
  bool established() const { return established_; }
  // What is to be sent, in this order: the handshake, replies, alerts. The caller takes it away.
  Buffer& output() { return pipe_.output; }
  const Buffer& output() const { return pipe_.output; }
  const std::string& fault() const { return fault_; }
  // Of its buffers; OpenSSL's own are bounded, and gone while the connection is idle.
  size_t memory_bytes() const { return partial_.capacity() + pipe_.output.capacity(); }

  // For a connection that has become idle.
  void release_memory();

 private:
  // What OpenSSL reads from and writes to.
  struct Pipe {
    std::string_view input;
    Buffer output;
  };
  static const bio_method_st* pipe_method();

  Outcome decrypt(Buffer& plain);
  bool set_up();
  Outcome fail(std::string_view why);

  std::unique_ptr<ssl_ctx_st, void (*)(ssl_ctx_st*)> context_;
  std::unique_ptr<ssl_st, void (*)(ssl_st*)> ssl_;  // null until the first record is here
  Buffer partial_;                                  // of a record that is not whole yet
  Pipe pipe_;
  std::string fault_;
  bool established_ = false;
  bool ended_ = false;  // close_notify has been written
};

}  // namespace number_dispenser
