#include "load_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace number_dispenser::bench {

void Histogram::record(uint64_t value_ns, uint64_t times) {
  value_ns = std::min(value_ns, uint64_t{1} << kMaxValueBits);
  // The top eight bits of a value are its leading one and its bucket among 128.
  const auto width = static_cast<unsigned>(std::bit_width(value_ns));
  const unsigned shift = width > kSubBucketBits + 1 ? width - (kSubBucketBits + 1) : 0;
  buckets_[(size_t{shift} << kSubBucketBits) + (value_ns >> shift)] += times;
  count_ += times;
  max_ns_ = std::max(max_ns_, value_ns);
}

void Histogram::clear() {
  *this = Histogram{};
}

uint64_t Histogram::quantile_ns(double share) const {
  const auto wanted = static_cast<uint64_t>(std::ceil(share * static_cast<double>(count_)));
  const uint64_t rank = std::clamp<uint64_t>(wanted, 1, std::max<uint64_t>(count_, 1));
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen < rank) continue;
    const size_t row = i >> kSubBucketBits;
    const size_t shift = row > 0 ? row - 1 : 0;  // rows 0 and 1 hold single nanoseconds
    const uint64_t last_value = ((i - (shift << kSubBucketBits) + 1) << shift) - 1;
    return std::min<uint64_t>(last_value, max_ns_);
  }
  return 0;
}

}  // namespace number_dispenser::bench
