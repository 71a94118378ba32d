// How long things take: a histogram for every command, and the spikes that LATENCY shows.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "number_dispenser/net/loop.h"

namespace number_dispenser {

// Nanoseconds up to about a second in buckets that are eight to an octave, so that a value is known
// within an eighth; whatever took longer is in the last one.
struct LatencyBuckets {
  static constexpr unsigned kOctaveBits = 3;
  static constexpr uint64_t kLongestNs = (uint64_t{1} << 30) - 1;

  static constexpr size_t of(uint64_t ns) {
    if (ns > kLongestNs) ns = kLongestNs;
    if (ns < (1u << kOctaveBits)) return static_cast<size_t>(ns);
    const auto shift = static_cast<unsigned>(std::bit_width(ns)) - 1 - kOctaveBits;
    return (static_cast<size_t>(shift) << kOctaveBits) + static_cast<size_t>(ns >> shift);
  }
  // The longest time in a bucket.
  static constexpr uint64_t longest_ns(size_t bucket) {
    if (bucket < (1u << (kOctaveBits + 1))) return bucket;
    const size_t shift = (bucket >> kOctaveBits) - 1;
    const uint64_t step = (bucket & ((1u << kOctaveBits) - 1)) + (1u << kOctaveBits);
    return ((step + 1) << shift) - 1;
  }
  static constexpr size_t kCount = (30 - kOctaveBits + 1) << kOctaveBits;
};
static_assert(LatencyBuckets::of(LatencyBuckets::kLongestNs) + 1 == LatencyBuckets::kCount);

// Written by one loop, read and reset by any thread.
class LatencyHistogram {
 public:
  void add(uint64_t ns) { counts_[LatencyBuckets::of(ns)].add(1); }
  uint64_t read(size_t bucket) const { return counts_[bucket].read(); }
  void reset() {
    for (Counter& count : counts_) count.reset();
  }

 private:
  std::array<Counter, LatencyBuckets::kCount> counts_;
};

// A sum of histograms, for one thread to look at.
class LatencyDistribution {
 public:
  void add(const LatencyHistogram& histogram);
  uint64_t count() const;
  // `percent`: 0 to 100. 0 while nothing was counted.
  double percentile_us(double percent) const;

  // How many took at most so long, where that number grows: as LATENCY HISTOGRAM has it.
  struct Step {
    uint64_t us;
    uint64_t count;
  };
  std::vector<Step> cumulative() const;

 private:
  std::array<uint64_t, LatencyBuckets::kCount> counts_{};
};

// Events that took as long as the threshold says or longer. Bounded: kMostSamples an event, and the
// events are those of the code. Any thread.
class LatencyMonitor {
 public:
  static constexpr size_t kMostSamples = 160;  // as in Redis

  struct Sample {
    int64_t unix_s;
    uint64_t ms;  // the longest of its second
  };
  struct Event {
    std::deque<Sample> samples;  // the oldest first
    uint64_t longest_ms = 0;     // ever
  };

  // 0: nothing is noted.
  void set_threshold_ms(uint64_t ms) { threshold_ms_.store(ms, std::memory_order_relaxed); }
  uint64_t threshold_ms() const { return threshold_ms_.load(std::memory_order_relaxed); }

  bool wants(uint64_t took_ns) const {
    const uint64_t least_ms = threshold_ms();
    return least_ms != 0 && took_ns / 1'000'000 >= least_ms;
  }
  // Of something that it wants.
  void note(std::string_view event, uint64_t took_ns, int64_t unix_s);
  std::map<std::string, Event> events() const;
  Event event(std::string_view name) const;  // without samples where there is none
  // How many events were forgotten: 0 or 1, all.
  int64_t forget(std::string_view name);
  int64_t forget_all();

 private:
  std::atomic<uint64_t> threshold_ms_{0};
  mutable std::mutex mutex_;
  std::map<std::string, Event, std::less<>> events_;
};

// What LATENCY HISTOGRAM and INFO latencystats are told to do. Any thread.
class LatencyTracking {
 public:
  void set_on(bool on) { on_.store(on, std::memory_order_relaxed); }
  bool on() const { return on_.load(std::memory_order_relaxed); }
  void set_percentiles(std::vector<double> percentiles);
  std::vector<double> percentiles() const;

 private:
  std::atomic<bool> on_{true};
  mutable std::mutex mutex_;
  std::vector<double> percentiles_{50, 99, 99.9};
};

}  // namespace number_dispenser
