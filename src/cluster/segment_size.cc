#include "segment_size.h"

#include <algorithm>

namespace number_dispenser {

namespace {

// What the wish needs of a segment that begins at `next`: less, where it goes on what is leased.
uint64_t needed(const Registry::Wish& wish, uint64_t next) {
  return wish.at_least - (next == wish.leased_end ? std::min(wish.left, wish.at_least) : 0);
}

}  // namespace

bool can_be_met(const Registry::Wish& wish, uint64_t next) {
  return next <= wish.capacity && needed(wish, next) <= wish.capacity - next;
}

uint64_t segment_ordinals(const Registry::Wish& wish, uint64_t next, unsigned minutes) {
  using Wide = unsigned __int128;
  constexpr uint64_t kNsPerMinute = 60'000'000'000;
  // A rate read off a shorter time would take a burst for a stream.
  constexpr uint64_t kShortestNs = 100'000'000;
  if (next >= wish.capacity) return 0;
  const uint64_t rest = wish.capacity - next;
  Wide size = kFirstSegment;
  if (wish.last != 0) {
    size = Wide{wish.usage.ordinals} * kNsPerMinute * minutes /
           std::max(wish.usage.elapsed_ns, kShortestNs);
    size = std::clamp(size, Wide{wish.last} / kMostShrinking, Wide{wish.last} * kMostGrowth);
    size = std::max(size, Wide{kSmallestSegment});
  }
  size = std::min(size, Wide{std::max<uint64_t>(rest / kShareOfRest, 1)});
  // Else all others would find the range exhausted, for a draw that fails all the same.
  if (can_be_met(wish, next)) size = std::max(size, Wide{wish.at_least});
  return static_cast<uint64_t>(std::min(size, Wide{rest}));
}

}  // namespace number_dispenser
