#include "connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "number_dispenser/base/check.h"
#include "number_dispenser/base/log.h"
#include "number_dispenser/net/loop.h"
#include "number_dispenser/resp/reply.h"

namespace number_dispenser {
namespace {

constexpr size_t kHeldFull = 1024;
constexpr uint64_t kNsPerS = 1'000'000'000;
constexpr uint64_t kSendPatienceNs = 60 * kNsPerS;
constexpr uint64_t kLingerNs = kNsPerS;
constexpr uint64_t kHandshakeNs = 10 * kNsPerS;

// An error that says nothing about the connection: try again.
bool passes(int result) {
  return result == -EINTR || result == -EAGAIN;
}

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

void Connection::hold_until_past(const std::atomic<uint64_t>& bound, uint64_t ordinal) {
  // One hold a bound and tick is enough: the earliest stops everything behind it.
  constexpr size_t kLookBack = 16;
  const size_t first = held_.size() - std::min(held_.size(), kLookBack);
  for (size_t at = held_.size(); at-- > first && held_[at].tick == loop_.tick_number();) {
    if (held_[at].bound != &bound) continue;
    held_[at].ordinal = std::max(held_[at].ordinal, ordinal);
    return;
  }
  held_.push_back({reply_offset_, replies_, &bound, ordinal, loop_.tick_number()});
}

void Connection::on_receive(const Completion& completion) {
  if (!completion.more) receiving_ = cancelling_ = false;
  was_idle_ = false;
  active_ns_ = loop_.now_ns();
  if (completion.result > 0) {
    loop_.stats().input_bytes.add(completion.data.size());
    if (tls_)
      take_encrypted(completion.data);
    else if (!closing_ && !draining_ && !aborted_)
      take_input(completion.data);
  } else if (completion.result == 0) {
    input_over_ = true;
    if (lingering_) abort();
  } else if (!passes(completion.result) && completion.result != -ENOBUFS &&
             completion.result != -ECANCELED) {
    abort();
  }
  loop_.touch(*this);
}

void Connection::take_encrypted(std::string_view bytes) {
  if (input_over_ || lingering_ || aborted_ || !tls_->fault().empty()) return;
  Buffer& plain = loop_.plain_scratch();
  const auto outcome = tls_->receive(bytes, plain);
  if (!closing_ && !draining_ && !plain.empty()) take_input(plain.view());
  plain.consume(plain.size());
  if (outcome == TlsStream::Outcome::kEnded) input_over_ = true;
  if (outcome != TlsStream::Outcome::kFailed) return;
  log_debug("closed a TLS connection: {}", tls_->fault());
  // No reply can leave any more, only the alert that says why.
  closing_ = true;
  stalled_ = false;
  held_.clear();
  out_offset_ += out_.size();
  out_.consume(out_.size());
}

void Connection::take_input(std::string_view bytes) {
  if (in_.empty()) {
    bytes.remove_prefix(process(bytes));
    if (!bytes.empty()) in_.append(bytes);
  } else {
    in_.append(bytes);
    in_.consume(process(in_.view()));
  }
  account();
}

// Runs the requests in `input`; returns how many bytes are done with.
size_t Connection::process(std::string_view input) {
  size_t done = 0;
  stalled_ = false;
  std::vector<std::string_view>& request = loop_.request_scratch();
  while (done < input.size() && !closing_ && !output_is_full()) {
    const auto outcome = decoder_.decode(input.substr(done), request);
    if (outcome == RequestDecoder::Outcome::kError) {
      protocol_error();
      break;
    }
    if (outcome == RequestDecoder::Outcome::kAbort) {
      abort();
      break;
    }
    if (outcome == RequestDecoder::Outcome::kNeedMore) {
      done += decoder_.consumed();
      break;
    }
    reply_offset_ = out_offset_ + out_.size();
    const Next next = session_->handle(request, *this);
    if (next == Next::kRetry) {
      stalled_ = true;
      loop_.retry_at(session_->retry_ns());
      break;
    }
    done += decoder_.consumed();
    if (!decoder_.limits().authenticated)
      decoder_.limits().authenticated = session_->authenticated();
    ++replies_;
    loop_.stats().requests.add(1);
    if (next == Next::kClose) closing_ = true;
  }
  return closing_ ? input.size() : done;
}

void Connection::protocol_error() {
  reply_offset_ = out_offset_ + out_.size();
  ReplyWriter(out_, Protocol::kResp2).error(decoder_.error());
  ++replies_;
  closing_ = true;
}

bool Connection::output_is_full() const {
  return output_bytes() >= loop_.output_share_bytes() || held_.size() >= kHeldFull;
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
    if (!receiving_ && !output_is_full() && !stalled_) arm_receive();
    if (receiving_ && !cancelling_ && (output_is_full() || stalled_) && !lingering_) {
      cancelling_ = true;
      loop_.ring().cancel(receive_);
    }
    end_if_done();
    account();
    const uint64_t hard_bytes = loop_.limits().output_hard_bytes.load(std::memory_order_relaxed);
    if (hard_bytes != 0 && output_bytes() > hard_bytes) {
      log_warn("a client was disconnected: {} bytes of output waited for it", output_bytes());
      abort();
    }
  }
  if (session_) show();
  finish_if_idle();
}

void Connection::hear() {
  if (!std::exchange(listening, true)) loop_.listen(*this);
  if (!closing_ && !session_->hear(out_, !output_is_full())) abort();
}

void Connection::show() {
  ConnectionGauges& shown = session_->gauges;
  shown.active_ns.set(active_ns_);
  shown.input_bytes.set(in_.size());
  shown.input_room.set(in_.capacity());
  shown.output_bytes.set(output_bytes());
  shown.output_room.set(out_.capacity() + sending_.capacity());
  shown.held.set(held_.size());
  shown.waits.set(waits() ? 1 : 0);
  shown.sends.set(send_in_flight_ ? 1 : 0);
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

void Connection::resume_input() {
  if (in_.empty() || closing_ || output_is_full()) return;
  in_.consume(process(in_.view()));
}

void Connection::arm_receive() {
  if (receiving_ || input_over_ || aborted_) return;
  receiving_ = true;
  loop_.ring().receive_multishot(receive_, fd_);
}

void Connection::end_if_done() {
  const bool answered = out_.empty() && sending_.empty() && held_.empty() && !send_in_flight_;
  if (!answered || stalled_) return;
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

void Connection::tend(uint64_t now_ns) {
  if (patience_ends_ns_ != 0 && now_ns >= patience_ends_ns_) {
    if (!lingering_) log_debug("a client took no reply for a minute: closed");
    return abort();
  }
  if (tls_ && !tls_->established() && now_ns >= handshake_ends_ns_) {
    log_debug("closed a TLS connection: no handshake within 10 s");
    return abort();
  }
  if (has_too_much_output(now_ns)) {
    log_warn("a client was disconnected: {} bytes of output waited for it", output_bytes());
    return abort();
  }
  if (was_idle_too_long(now_ns)) {
    log_debug("an idle client was disconnected");
    return abort();
  }
  if (!std::exchange(was_idle_, true)) return;
  give_back_idle_memory();
}

bool Connection::has_too_much_output(uint64_t now_ns) {
  const OutputLimit limit = loop_.limits().output();
  if (limit.soft_bytes == 0 || output_bytes() <= limit.soft_bytes) {
    over_soft_ns_ = 0;
    return false;
  }
  if (over_soft_ns_ == 0) over_soft_ns_ = now_ns;
  return now_ns - over_soft_ns_ >= limit.soft_s * kNsPerS;
}

bool Connection::was_idle_too_long(uint64_t now_ns) const {
  const uint64_t timeout_s = loop_.limits().timeout_s.load(std::memory_order_relaxed);
  return timeout_s != 0 && !waits() && output_bytes() == 0 &&
         now_ns - active_ns_ > timeout_s * kNsPerS;
}

void Connection::give_back_idle_memory() {
  if (in_.empty()) in_.release();
  if (out_.empty()) out_.release();
  if (sending_.empty() && !send_in_flight_) sending_.release();
  if (tls_) tls_->release_memory();
  if (held_.empty()) held_.shrink_to_fit();
  account();
}

void Connection::account() {
  if (evicted_) return;
  const size_t kept = session_ ? session_->kept_bytes() : 0;
  const size_t of_tls = tls_ ? tls_->memory_bytes() : 0;
  const size_t now = in_.capacity() + out_.capacity() + sending_.capacity() +
                     held_.capacity() * sizeof(Held) + kept + of_tls;
  if (now != footprint_bytes_) loop_.account(now - std::exchange(footprint_bytes_, now));
}

void Connection::evict() {
  abort();
  stalled_ = false;
  in_.release();
  out_.release();
  held_.shrink_to_fit();
  session_.reset();
  // The rest goes as soon as the send in flight has ended, which it is about to.
  loop_.account(0 - std::exchange(footprint_bytes_, 0));
  evicted_ = true;
}

}  // namespace number_dispenser
