// The loops' counters as INFO shows them: since the start or the last CONFIG RESETSTAT, and as
// rates.
#pragma once

#include <cstdint>
#include <mutex>

namespace number_dispenser {

// Of all loops together.
struct LoopTotals {
  uint64_t connections = 0, waiting = 0, buffer_bytes = 0;  // now
  uint64_t accepted = 0, rejected = 0, evicted = 0;
  uint64_t requests = 0;
  uint64_t input_bytes = 0;
  uint64_t output_bytes = 0;
};

// Any thread.
class Traffic {
 public:
  struct Rates {
    double requests = 0, input_bytes = 0, output_bytes = 0;  // a second
  };

  // Begins to count anew.
  void reset(const LoopTotals& now);
  LoopTotals since_reset(const LoopTotals& now) const;

  // The rates are those between the last two calls.
  void sample(uint64_t now_ns, const LoopTotals& now);
  Rates rates() const;

 private:
  mutable std::mutex mutex_;
  LoopTotals at_reset_;
  LoopTotals last_;
  uint64_t last_ns_ = 0;
  Rates rates_;
};

}  // namespace number_dispenser
