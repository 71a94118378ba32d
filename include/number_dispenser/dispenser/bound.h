// How far a dispenser's durable bound may run ahead: the arithmetic of SPEC.md section 3, no state.
#pragma once

#include <cstdint>

#include "number_dispenser/dispenser/strategy.h"

namespace number_dispenser {

// Ordinals from `begin` up to, and without, `end`.
struct Segment {
  uint64_t begin = 0;
  uint64_t end = 0;

  uint64_t size() const { return end - begin; }
  bool empty() const { return begin == end; }
  friend bool operator==(const Segment&, const Segment&) = default;
};

// In a cluster: which of a dispenser's ordinals this node has leased. They are its own for good,
// whether it issues them or not. All zero for a server that serves alone.
//
// Invariants: bound <= end <= capacity; `next` is all zero, or end <= next.begin < next.end <=
// capacity; wasted + skipped <= position. What needs no lease, the memory strategy and the random
// kind, may have a generation and all else zero: its bound is then free up to the capacity.
struct Lease {
  uint64_t generation = 0;  // of the definition in the cluster: a name created anew has another
  uint64_t end = 0;         // of the segment in use
  Segment next{};           // leased too, begun when the one in use is used up
  uint64_t skipped = 0;     // ordinals below `position` that were never this node's

  friend bool operator==(const Lease&, const Lease&) = default;
};

// What the state file says of a dispenser's progress. All in ordinals.
//
// Invariants: wasted <= position <= bound; no client holds an ordinal at or past `bound`; a power
// cut makes `bound` the next ordinal and wastes exactly bound - position.
struct BoundRecord {
  uint64_t bound = 0;
  uint64_t position = 0;  // the next ordinal at the time of writing
  uint64_t wasted = 0;    // of those before `position`
  StrategyId strategy = kDefaultStrategy;
  Lease lease{};

  friend bool operator==(const BoundRecord&, const BoundRecord&) = default;
};

// What the dispenser has used lately.
struct Usage {
  uint64_t ordinals = 0;
  uint64_t elapsed_ns = 0;
};

// A window never holds more than this time's use.
inline constexpr uint64_t kWindowNs = 2'000'000'000;

// How many ordinals past the next one may be made durable now: a crash then leaves the waste of the
// whole life within the strategy's budget. 0 for a strategy without budget, and while past crashes
// have used it up. `passed`: ordinals that this node has moved past, wasted ones among them. Not
// for memory strategies, which have no bound.
uint64_t window_ordinals(const Strategy& strategy, uint64_t passed, uint64_t wasted,
                         const Usage& usage);
// How many more the budget allows to be wasted.
uint64_t budget_left(const Strategy& strategy, uint64_t passed, uint64_t wasted);

// The ordinal whose issue asks for the next window: when a quarter of this one is left.
uint64_t raise_threshold(uint64_t next, uint64_t bound);

}  // namespace number_dispenser
