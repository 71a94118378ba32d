#include "number_dispenser/dispenser/bound.h"

#include <algorithm>

#include "number_dispenser/base/check.h"

namespace number_dispenser {
namespace {

// A rate read off a shorter time than this would take a burst for a stream.
constexpr uint64_t kShortestRateNs = 100'000'000;

uint64_t use_in_window(const Usage& usage) {
  using Wide = unsigned __int128;
  const Wide use = Wide{usage.ordinals} * kWindowNs / std::max(usage.elapsed_ns, kShortestRateNs);
  return static_cast<uint64_t>(std::min<Wide>(use, ~uint64_t{0}));
}

}  // namespace

uint64_t budget_left(const Strategy& strategy, uint64_t passed, uint64_t wasted) {
  ND_CHECK(wasted <= passed, "wasted {} of {}", wasted, passed);
  if (strategy.generated_per_waste == 0) return 0;
  const uint64_t budget = (passed - wasted) / strategy.generated_per_waste;
  return budget <= wasted ? 0 : budget - wasted;
}

uint64_t window_ordinals(const Strategy& strategy, uint64_t passed, uint64_t wasted,
                         const Usage& usage) {
  return std::min(budget_left(strategy, passed, wasted), use_in_window(usage));
}

uint64_t raise_threshold(uint64_t next, uint64_t bound) {
  ND_CHECK(next <= bound, "next {} bound {}", next, bound);
  const uint64_t left = bound - next;
  return bound - left / 4;
}

}  // namespace number_dispenser
