#include "number_dispenser/command/traffic.h"

namespace number_dispenser {

void Traffic::reset(const LoopTotals& now) {
  const std::lock_guard lock(mutex_);
  at_reset_ = now;
  rates_ = {};
}

LoopTotals Traffic::since_reset(const LoopTotals& now) const {
  const std::lock_guard lock(mutex_);
  return {.connections = now.connections,
          .waiting = now.waiting,
          .buffer_bytes = now.buffer_bytes,
          .accepted = now.accepted - at_reset_.accepted,
          .rejected = now.rejected - at_reset_.rejected,
          .evicted = now.evicted - at_reset_.evicted,
          .requests = now.requests - at_reset_.requests,
          .input_bytes = now.input_bytes - at_reset_.input_bytes,
          .output_bytes = now.output_bytes - at_reset_.output_bytes};
}

void Traffic::sample(uint64_t now_ns, const LoopTotals& now) {
  const std::lock_guard lock(mutex_);
  const double seconds = static_cast<double>(now_ns - last_ns_) / 1e9;
  const auto rate = [&](uint64_t before, uint64_t after) {
    return static_cast<double>(after - before) / seconds;
  };
  rates_ = {.requests = rate(last_.requests, now.requests),
            .input_bytes = rate(last_.input_bytes, now.input_bytes),
            .output_bytes = rate(last_.output_bytes, now.output_bytes)};
  last_ = now;
  last_ns_ = now_ns;
}

Traffic::Rates Traffic::rates() const {
  const std::lock_guard lock(mutex_);
  return rates_;
}

}  // namespace number_dispenser
