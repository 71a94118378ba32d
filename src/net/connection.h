// One client: its socket, buffers and held replies. Owned by its loop, used on the loop's thread
// only.
//
// Input: what a receive delivers is decoded in place; only an incomplete request is copied. Output:
// replies are appended to out_; what may leave moves to sending_, one send at a time. A reply held
// by the gate holds those behind it. While too much output waits, no input is taken: the client's
// own socket fills up. TLS sits at both ends: what is received is decrypted before it is decoded,
// and what may leave is encrypted as it moves to sending_, so the gate stays in front of it.
//
// It is freed when its operations in flight are zero, never before.
#pragma once

#include <cerrno>
#include <cstdint>
#include <memory>
#include <vector>

#include "number_dispenser/net/session.h"
#include "number_dispenser/resp/buffer.h"
#include "number_dispenser/resp/decoder.h"
#include "number_dispenser/tls/stream.h"
#include "number_dispenser/uring/ring.h"

namespace number_dispenser {

class Loop;

class Connection final : private ReplySink {
 public:
  // `tls`: null for a plain connection.
  Connection(Loop& loop, int fd, std::unique_ptr<TlsStream> tls);
  ~Connection();

  // Null: refused, `out` holds the reason.
  void start(std::unique_ptr<Session> session, Buffer refusal);

  // The end of a tick, for a connection that something has happened to: lets go of what may leave,
  // sends it, takes more input, closes.
  void advance();

  // Takes no more input; closes when what was read is answered.
  void drain();
  // Closes at once; replies not sent are lost.
  void abort();
  // Replies still held can never leave: each becomes `error`. Requests go on being answered.
  void fail_held(std::string_view error);

  // Closes at once, for the memory it takes.
  void evict();
  // Of buffers, held replies and what its session keeps; 0 once evicted.
  size_t footprint_bytes() const { return footprint_bytes_; }
  bool keeps_memory() const { return session_ && session_->keeps_memory(); }
  void give_back_idle_memory();

  // Once a second: gives back idle memory; ends a client that takes no replies, or does not hang
  // up.
  void tend(uint64_t now_ns);

  bool waits() const { return !held_.empty() || stalled_; }
  // Every operation has ended: may be destroyed.
  bool finished() const { return closed_; }

  // The loop's bookkeeping.
  bool touched = false;
  bool waiting = false;
  bool listening = false;
  bool paused = false;
  bool buried = false;
  size_t index = 0;

 private:
  struct Held {
    uint64_t offset;  // in the stream of replies: nothing from here on may leave
    uint64_t reply;   // which reply it was, counted from 0
    const std::atomic<uint64_t>* bound;
    uint64_t ordinal;
    uint64_t tick;
  };

  // An error that says nothing about the connection: try again.
  static bool passes(int result) { return result == -EINTR || result == -EAGAIN; }

  Buffer& bytes() override { return out_; }
  void hold_until_past(const std::atomic<uint64_t>& bound, uint64_t ordinal) override;

  void on_receive(const Completion& completion);
  void on_send(const Completion& completion);
  void take_encrypted(std::string_view bytes);
  void take_input(std::string_view bytes);
  size_t process(std::string_view input);
  void protocol_error();
  bool output_is_full() const;
  size_t output_bytes() const {
    return out_.size() + sending_.size() + (tls_ ? tls_->output().size() : 0);
  }
  void abort_for_output();
  bool has_too_much_output(uint64_t now_ns);
  bool was_idle_too_long(uint64_t now_ns) const;
  void release();
  void take_ready();
  void start_send();
  void resume_input();
  void hear();
  void show();
  void arm_receive();
  void end_if_done();
  void finish_if_idle();
  void account();

  Loop& loop_;
  int fd_;
  std::unique_ptr<TlsStream> tls_;  // null: plain
  std::unique_ptr<Session> session_;
  RequestDecoder decoder_;

  Buffer in_;                // of an incomplete request, or behind a pause
  Buffer out_;               // replies not yet on their way
  Buffer sending_;           // untouched while a send is in flight
  uint64_t out_offset_ = 0;  // of out_'s first byte in the stream of replies
  uint64_t replies_ = 0;
  uint64_t reply_offset_ = 0;  // where the reply being written begins
  std::vector<Held> held_;
  size_t footprint_bytes_ = 0;  // as the loop knows it

  MemberOperation<Connection, &Connection::on_receive> receive_{*this};
  MemberOperation<Connection, &Connection::on_send> send_{*this};
  bool receiving_ = false;   // armed
  bool cancelling_ = false;  // of the receive
  bool greedy_ = false;      // has sent more than a turn, or found no buffer: one receive at a time
  bool send_in_flight_ = false;

  bool stalled_ = false;     // a request wants to be tried again
  bool input_over_ = false;  // end of stream
  bool draining_ = false;    // what arrives from now on is dropped; what was read is answered
  bool closing_ = false;     // when the output is gone: no more requests are run
  bool lingering_ = false;   // all sent, waiting for the client to hang up
  bool aborted_ = false;
  bool evicted_ = false;
  bool closed_ = false;
  bool was_idle_ = false;          // at the last tend()
  uint64_t patience_ends_ns_ = 0;  // of a send or a linger; 0: none
  uint64_t handshake_ends_ns_;
  uint64_t active_ns_;         // when bytes last came or went
  uint64_t over_soft_ns_ = 0;  // since when more output waits than the soft limit; 0: it does not
};

}  // namespace number_dispenser
