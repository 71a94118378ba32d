// A connection's way in: from what a receive delivers to the requests that run.
#include <algorithm>
#include <cerrno>

#include "connection.h"
#include "number_dispenser/base/log.h"
#include "number_dispenser/net/loop.h"
#include "number_dispenser/resp/reply.h"

namespace number_dispenser {
namespace {

constexpr size_t kHeldFull = 1024;

}  // namespace

void Connection::hold_until_past(const std::atomic<uint64_t>& bound, uint64_t ordinal) {
  // Nothing would look at this hold again: what it waits for has come.
  if (bound.load() > ordinal) return;
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
  } else if (completion.result == -ENOBUFS) {
    greedy_ = true;
  } else if (!passes(completion.result) && completion.result != -ECANCELED) {
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
    if (!paused) in_.consume(process(in_.view()));
  }
  account();
}

// Runs the requests in `input`; returns how many bytes are done with.
size_t Connection::process(std::string_view input) {
  size_t done = 0;
  stalled_ = false;
  std::vector<std::string_view>& request = loop_.request_scratch();
  const uint64_t begin = out_offset_ + out_.size();
  const uint64_t turn_bytes = loop_.turn_bytes();
  const auto worked = [&] { return done + out_offset_ + out_.size() - begin; };
  greedy_ = false;
  while (done < input.size() && !closing_ && !output_is_full()) {
    if (done > 0 && worked() >= turn_bytes) {
      greedy_ = true;
      loop_.pause(*this);
      break;
    }
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
      loop_.retry_at(session_->take_retry_ns());
      break;
    }
    done += decoder_.consumed();
    if (!decoder_.limits().authenticated)
      decoder_.limits().authenticated = session_->authenticated();
    // Not where the client has switched replies off.
    if (out_offset_ + out_.size() > reply_offset_) ++replies_;
    loop_.stats().requests.add(1);
    if (next == Next::kClose) closing_ = true;
  }
  loop_.spend(worked());
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

void Connection::resume_input() {
  if (in_.empty() || closing_ || paused || output_is_full()) return;
  in_.consume(process(in_.view()));
}

void Connection::arm_receive() {
  if (receiving_ || input_over_ || aborted_) return;
  receiving_ = true;
  if (greedy_)
    loop_.ring().receive_once(receive_, fd_);
  else
    loop_.ring().receive_multishot(receive_, fd_);
}

}  // namespace number_dispenser
