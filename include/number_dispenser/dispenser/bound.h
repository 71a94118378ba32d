// How far a dispenser's durable bound may run ahead: the arithmetic of SPEC.md section 3, no state.
#pragma once

#include <cstdint>

#include "number_dispenser/dispenser/strategy.h"

namespace number_dispenser {

// What the state file says of a dispenser's progress. All in ordinals.
//
// Invariants: wasted <= position <= bound; no client holds an ordinal at or past `bound`; a power
// cut makes `bound` the next ordinal and wastes exactly bound - position.
struct BoundRecord {
  uint64_t bound = 0;
  uint64_t position = 0;  // the next ordinal at the time of writing
  uint64_t wasted = 0;    // of those before `position`
  StrategyId strategy = kDefaultStrategy;

  friend bool operator==(const BoundRecord&, const BoundRecord&) = default;
};

// What the dispenser has used lately.
struct Usage {
  uint64_t ordinals = 0;
  uint64_t elapsed_ns = 0;
};

// A window never holds more than this time's use.
inline constexpr uint64_t kWindowNs = 2'000'000'000;

// How many ordinals past `next` may be made durable now: a crash then leaves the waste of the whole
// life within the strategy's budget. 0 for a strategy without budget, and while past crashes have
// used it up. next >= wasted. Not for memory strategies, which have no bound.
uint64_t window_ordinals(const Strategy& strategy, uint64_t next, uint64_t wasted,
                         const Usage& usage);

// The ordinal whose issue asks for the next window: when a quarter of this one is left.
uint64_t raise_threshold(uint64_t next, uint64_t bound);

}  // namespace number_dispenser
