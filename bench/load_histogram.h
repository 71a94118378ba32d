// A log-linear histogram of latencies.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace number_dispenser::bench {

/// Latencies in nanoseconds, counted in buckets whose width grows with the value (log-linear, as in
/// HdrHistogram): 128 buckets for every power of two, so a quantile is at most 0.8 % too high.
/// Values above 2^40 ns (18 minutes) count as 2^40. One thread at a time.
class Histogram {
 public:
  void record(uint64_t value_ns, uint64_t times);
  void clear();

  uint64_t count() const { return count_; }
  /// Exact.
  uint64_t max_ns() const { return max_ns_; }
  /// The smallest value that at least `share` (0 to 1) of the values do not exceed, rounded up to
  /// the end of its bucket; 0 when nothing was recorded.
  uint64_t quantile_ns(double share) const;

 private:
  static constexpr unsigned kSubBucketBits = 7;
  static constexpr unsigned kMaxValueBits = 40;
  static constexpr size_t kBuckets = size_t{kMaxValueBits - kSubBucketBits + 2} << kSubBucketBits;

  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  uint64_t max_ns_ = 0;
};

}  // namespace number_dispenser::bench
