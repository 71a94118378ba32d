#include "number_dispenser/command/latency.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace number_dispenser {
namespace {

constexpr unsigned kFirstStepBits = 10;  // Redis begins with 1024 ns, which it calls 1 us
constexpr unsigned kLastStepBits = 30;

// Redis names a step after the longest time that its histogram of two digits does not tell from it.
uint64_t step_name_us(unsigned bits) {
  if (bits == kLastStepBits) return (uint64_t{1} << bits) / 1000;
  return ((uint64_t{1} << bits) + (uint64_t{1} << (bits - 7)) - 1) / 1000;
}

}  // namespace

void LatencyDistribution::add(const LatencyHistogram& histogram) {
  for (size_t bucket = 0; bucket < counts_.size(); ++bucket)
    counts_[bucket] += histogram.read(bucket);
}

uint64_t LatencyDistribution::count() const {
  return std::accumulate(counts_.begin(), counts_.end(), uint64_t{0});
}

double LatencyDistribution::percentile_us(double percent) const {
  const uint64_t all = count();
  if (all == 0) return 0;
  const long long rounded = std::llround(percent / 100 * static_cast<double>(all));
  const auto wanted = static_cast<uint64_t>(std::max(rounded, 1LL));
  uint64_t seen = 0;
  size_t bucket = 0;
  while ((seen += counts_[bucket]) < wanted && bucket + 1 < counts_.size()) ++bucket;
  return static_cast<double>(LatencyBuckets::longest_ns(bucket)) / 1000;
}

std::vector<LatencyDistribution::Step> LatencyDistribution::cumulative() const {
  std::vector<Step> steps;
  uint64_t seen = 0;
  uint64_t told = 0;
  size_t bucket = 0;
  for (unsigned bits = kFirstStepBits; bits <= kLastStepBits; ++bits) {
    for (; bucket < counts_.size() && LatencyBuckets::longest_ns(bucket) < uint64_t{1} << bits;
         ++bucket)
      seen += counts_[bucket];
    if (seen == told) continue;
    told = seen;
    steps.push_back({step_name_us(bits), seen});
  }
  return steps;
}

void LatencyMonitor::note(std::string_view event, uint64_t took_ns, int64_t unix_s) {
  const uint64_t ms = took_ns / 1'000'000;
  const std::lock_guard lock(mutex_);
  auto found = events_.find(event);
  if (found == events_.end()) found = events_.emplace(event, Event{}).first;
  auto& [samples, longest_ms] = found->second;
  longest_ms = std::max(longest_ms, ms);
  if (!samples.empty() && samples.back().unix_s == unix_s) {
    samples.back().ms = std::max(samples.back().ms, ms);
    return;
  }
  if (samples.size() == kMostSamples) samples.pop_front();
  samples.push_back({unix_s, ms});
}

std::map<std::string, LatencyMonitor::Event> LatencyMonitor::events() const {
  const std::lock_guard lock(mutex_);
  return {events_.begin(), events_.end()};
}

LatencyMonitor::Event LatencyMonitor::event(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = events_.find(name);
  return found == events_.end() ? Event{} : found->second;
}

int64_t LatencyMonitor::forget(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto found = events_.find(name);
  if (found == events_.end()) return 0;
  events_.erase(found);
  return 1;
}

int64_t LatencyMonitor::forget_all() {
  const std::lock_guard lock(mutex_);
  const auto count = static_cast<int64_t>(events_.size());
  events_.clear();
  return count;
}

void LatencyTracking::set_percentiles(std::vector<double> percentiles) {
  const std::lock_guard lock(mutex_);
  percentiles_ = std::move(percentiles);
}

std::vector<double> LatencyTracking::percentiles() const {
  const std::lock_guard lock(mutex_);
  return percentiles_;
}

}  // namespace number_dispenser
