// How large a segment to lease: what this node uses in the time that a segment is to last.
#pragma once

#include <cstdint>

#include "number_dispenser/dispenser/registry.h"

namespace number_dispenser {

inline constexpr uint64_t kFirstSegment = 1000;
inline constexpr uint64_t kSmallestSegment = 100;
// Next to the last segment, so that neither a burst nor a pause decides alone.
inline constexpr uint64_t kMostGrowth = 16;
inline constexpr uint64_t kMostShrinking = 2;
// Of what is left of the range, so that every node gets some of its end.
inline constexpr uint64_t kShareOfRest = 8;

// So many consecutive ordinals as the wish needs may still be leased, with what is left of the
// lease where that goes on at `next`. Once false, always false.
bool can_be_met(const Registry::Wish& wish, uint64_t next);
// Ordinals, at most those in [next, wish.capacity); 0 where there is none. At least what the wish
// needs, where it can be met.
uint64_t segment_ordinals(const Registry::Wish& wish, uint64_t next, unsigned minutes);

}  // namespace number_dispenser
