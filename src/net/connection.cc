#include "connection.h"

#include <sys/socket.h>

#include <algorithm>

#include "number_dispenser/net/loop.h"
#include "number_dispenser/resp/reply.h"

namespace number_dispenser {
namespace {

constexpr uint64_t kNsPerS = 1'000'000'000;
constexpr uint64_t kSendPatienceNs = 60 * kNsPerS;
constexpr uint64_t kLingerNs = kNsPerS;
constexpr uint64_t kHandshakeNs = 10 * kNsPerS;

}  // namespace

Connection::Connection(Loop& loop, int fd, std::unique_ptr<TlsStream> tls)
    : loop_(loop),
      fd_(fd),
      tls_(std::move(tls)),
      handshake_ends_ns_(loop.now_ns() + kHandshakeNs),
      active_ns_(loop.now_ns()) {}

Connection::~Connection() {
  loop_.account(0 - footprint_bytes_);
}

void Connection::start(std::unique_ptr<Session> session, Buffer refusal) {
  session_ = std::move(session);
  if (!session_) {
    out_ = std::move(refusal);
    closing_ = true;
  } else {
    decoder_.limits().authenticated = session_->authenticated();
  }
  arm_receive();
  loop_.touch(*this);
}

void Connection::on_send(const Completion& completion) {
  send_in_flight_ = false;
  patience_ends_ns_ = 0;
  was_idle_ = false;
  active_ns_ = loop_.now_ns();
  if (completion.result >= 0) {
    loop_.stats().output_bytes.add(static_cast<uint64_t>(completion.result));
    sending_.consume(static_cast<size_t>(completion.result));
  } else if (!passes(completion.result)) {
    abort();
  }
  loop_.touch(*this);
}

void Connection::advance() {
  if (!aborted_) {
    if (session_ && session_->listens()) hear();
    release();
    start_send();
    resume_input();
    start_send();  // what the resumed input has added
    const bool is_busy = output_is_full() || stalled_ || paused;
    if (!receiving_ && !is_busy) arm_receive();
    if (receiving_ && !cancelling_ && is_busy && !lingering_) {
      cancelling_ = true;
      loop_.ring().cancel(receive_);
    }
    end_if_done();
    account();
    const uint64_t hard_bytes = loop_.limits().output_hard_bytes.load(std::memory_order_relaxed);
    if (hard_bytes != 0 && output_bytes() > hard_bytes) abort_for_output();
  }
  if (session_) show();
  finish_if_idle();
}

void Connection::hear() {
  if (!std::exchange(listening, true)) loop_.listen(*this);
  if (!closing_ && !session_->hear(out_, !output_is_full())) abort();
}

// The gate: a held reply is let go where its bound has passed its ordinal. Every hold is looked at,
// not only the first: none may outlive the tick in which its dispenser's deletion became durable.
void Connection::release() {
  if (held_.empty()) return;
  std::erase_if(held_, [](const Held& held) { return held.bound->load() > held.ordinal; });
}

// Moves what may leave to sending_, which is empty.
void Connection::take_ready() {
  const uint64_t end = held_.empty() ? out_offset_ + out_.size() : held_.front().offset;
  const size_t ready = static_cast<size_t>(end - out_offset_);
  if (tls_) {
    // A refusal waits for the handshake.
    if (ready > 0 && tls_->established()) {
      if (!tls_->encrypt(out_.view().substr(0, ready))) return abort();
      out_.consume(ready);
      out_offset_ = end;
    }
    std::swap(tls_->output(), sending_);
    return;
  }
  if (ready == out_.size()) {
    std::swap(out_, sending_);
  } else {
    sending_.append(out_.view().substr(0, ready));
    out_.consume(ready);
  }
  out_offset_ = end;
}

void Connection::start_send() {
  if (send_in_flight_ || aborted_) return;
  if (sending_.empty()) take_ready();
  if (sending_.empty() || aborted_) return;
  send_in_flight_ = true;
  patience_ends_ns_ = loop_.now_ns() + kSendPatienceNs;
  loop_.ring().send(send_, fd_, sending_.view());
}

void Connection::end_if_done() {
  const bool answered = out_.empty() && sending_.empty() && held_.empty() && !send_in_flight_;
  const bool has_requests = stalled_ || paused || (!in_.empty() && output_is_full());
  if (!answered || has_requests) return;
  if (tls_ && (input_over_ || closing_ || draining_) && tls_->end()) return start_send();
  // A close with unread input would reset the connection under the last replies.
  if (input_over_ || (draining_ && !loop_.ring().has_unread(fd_))) return abort();
  if ((!closing_ && !draining_) || lingering_) return;
  closing_ = lingering_ = true;
  patience_ends_ns_ = loop_.now_ns() + kLingerNs;
  loop_.ring().shutdown(fd_, SHUT_WR);
}

void Connection::drain() {
  draining_ = true;
  if (tls_ && !tls_->established()) return abort();
  loop_.touch(*this);
}

void Connection::abort() {
  if (std::exchange(aborted_, true)) return;
  closing_ = true;
  held_.clear();
  // Ends the send and the receive in flight; bytes the kernel has already taken are still
  // delivered.
  loop_.ring().shutdown(fd_, SHUT_RDWR);
  if (receiving_ && !std::exchange(cancelling_, true)) loop_.ring().cancel(receive_);
  loop_.touch(*this);
}

void Connection::finish_if_idle() {
  if (!aborted_ || receiving_ || send_in_flight_ || closed_) return;
  closed_ = true;
  // The session goes first: until then others may name its descriptor.
  session_.reset();
  loop_.ring().close(fd_);
}

void Connection::fail_held(std::string_view error) {
  if (aborted_) return;
  // A request that was to be tried again is answered here too; it may have run in part, so that it
  // is this connection's last.
  const uint64_t stalled = std::exchange(stalled_, false) ? 1 : 0;
  if (stalled > 0) closing_ = true;
  if (held_.empty()) {
    for (uint64_t reply = 0; reply < stalled; ++reply)
      ReplyWriter(out_, Protocol::kResp2).error(error);
  } else {
    const uint64_t unanswered = replies_ - held_.front().reply + stalled;
    out_.truncate(static_cast<size_t>(held_.front().offset - out_offset_));
    held_.clear();
    for (uint64_t reply = 0; reply < unanswered; ++reply)
      ReplyWriter(out_, Protocol::kResp2).error(error);
  }
  loop_.touch(*this);
}

}  // namespace number_dispenser
