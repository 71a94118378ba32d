// The clock seam: everything that depends on time asks one of these, so that tests and the
// simulator move time by hand.
#pragma once

#include <cstdint>

namespace number_dispenser {

class Clock {
 public:
  virtual ~Clock() = default;
  // Nanoseconds on a clock that never goes back; zero is arbitrary. Any thread.
  virtual uint64_t monotonic_ns() const = 0;
  // Microseconds since 1970; may jump. Only for people to read. Any thread.
  virtual int64_t unix_us() const = 0;
};

// The kernel's CLOCK_MONOTONIC and CLOCK_REALTIME.
class SystemClock final : public Clock {
 public:
  uint64_t monotonic_ns() const override;
  int64_t unix_us() const override;
};

// Stands still until it is moved. One thread.
class ManualClock final : public Clock {
 public:
  uint64_t monotonic_ns() const override { return now_ns_; }
  int64_t unix_us() const override { return static_cast<int64_t>(now_ns_ / 1'000); }
  void advance_ms(uint64_t ms) { now_ns_ += ms * 1'000'000; }

 private:
  uint64_t now_ns_ = 1'000'000'000;
};

}  // namespace number_dispenser
