// What a connection takes and for how long it may, and the figures of it that others see.
#include "connection.h"
#include "number_dispenser/base/log.h"
#include "number_dispenser/net/loop.h"

namespace number_dispenser {
namespace {

constexpr uint64_t kNsPerS = 1'000'000'000;

}  // namespace

void Connection::tend(uint64_t now_ns) {
  if (patience_ends_ns_ != 0 && now_ns >= patience_ends_ns_) {
    if (!lingering_) log_debug("a client took no reply for a minute: closed");
    return abort();
  }
  if (tls_ && !tls_->established() && now_ns >= handshake_ends_ns_) {
    log_debug("closed a TLS connection: no handshake within 10 s");
    return abort();
  }
  if (has_too_much_output(now_ns)) return abort_for_output();
  if (was_idle_too_long(now_ns)) {
    log_debug("an idle client was disconnected");
    return abort();
  }
  if (!std::exchange(was_idle_, true)) return;
  give_back_idle_memory();
}

void Connection::abort_for_output() {
  log_warn("a client was disconnected: {} bytes of output waited for it", output_bytes());
  abort();
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
  const bool listens = session_ && session_->listens();
  return timeout_s != 0 && !listens && !waits() && output_bytes() == 0 &&
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

}  // namespace number_dispenser
