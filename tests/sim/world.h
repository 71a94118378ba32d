// What everything in a simulation shares: chance, time, which faults may happen, the trace, and the
// first promise that was seen broken. One thread.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <cstdio>
#include <string>

#include "number_dispenser/base/clock.h"
#include "rng.h"

namespace number_dispenser::sim {

inline constexpr uint64_t kNsPerMs = 1'000'000;

class SimClock final : public Clock {
 public:
  uint64_t monotonic_ns() const override { return now_ns_; }
  int64_t unix_us() const override { return unix_s_ * 1'000'000; }
  void advance_ns(uint64_t ns) { now_ns_ += ns; }
  // The monotonic clock of a machine that was just switched on starts near zero.
  void boot(uint64_t now_ns) { now_ns_ = now_ns; }
  // Somebody sets the clock, forwards or back.
  void set_unix_seconds(int64_t seconds) { unix_s_ = seconds; }

 private:
  uint64_t now_ns_ = 1'000'000'000;
  int64_t unix_s_ = 1'700'000'000;
};

// How often what goes wrong, per mille of the occasions for it.
struct Faults {
  // The network, without loss: the server has to cope and its clients see nothing.
  unsigned late_completion = 0;  // of any operation that could complete now
  unsigned short_receive = 0;
  unsigned end_multishot = 0;  // a multishot operation ends though it delivered
  unsigned no_buffers = 0;     // ENOBUFS
  unsigned short_send = 0;
  unsigned interrupted = 0;   // EINTR
  unsigned accept_error = 0;  // no descriptors or memory, ECONNABORTED, EINTR
  unsigned stalled_loop = 0;  // a loop's thread does not run for a while
  // The network, with the loss of a connection.
  unsigned connection_error = 0;
  // The disk.
  unsigned slow_flush = 0;
  unsigned failed_flush = 0;   // EIO, ENOSPC
  unsigned no_room = 0;        // for growth
  unsigned failed_growth = 0;  // EIO
  unsigned write_back = 0;     // of random sectors, at any moment
};

// What ends a process before its time.
enum class Death { kNone, kProcess, kMachine };

struct World {
  explicit World(uint64_t seed) : rng(seed) {}

  Rng rng;
  SimClock clock;
  Faults faults;
  bool tracing = false;
  std::string who{};  // before each line of the trace
  uint64_t step = 0;
  std::string violation;
  Death death = Death::kNone;  // has struck: what the process does from now on is not real

  template <class... Args>
  void trace(fmt::format_string<Args...> format, Args&&... args) {
    if (!tracing) [[likely]]
      return;
    const uint64_t now_us = clock.monotonic_ns() / 1000;
    fmt::print("{:>6} {:>5}.{:06} {}{}\n", step, now_us / 1'000'000, now_us % 1'000'000, who,
               fmt::format(format, std::forward<Args>(args)...));
    std::fflush(stdout);
  }
  // Only the first counts: the rest follow from it.
  template <class... Args>
  void violate(fmt::format_string<Args...> format, Args&&... args) {
    if (!violation.empty()) return;
    violation = fmt::format(format, std::forward<Args>(args)...);
    trace("VIOLATION {}", violation);
  }
};

}  // namespace number_dispenser::sim
