// A dispenser as the loops see it: what a GET needs, on one cache line. The registry owns every
// cell and never moves one; any number of loops draw from it at once.
//
// Order of accesses that the promise rests on (all sequentially consistent):
//   a loop   moves `next`, then reads `durable_bound`, then `raise_at`;
//   a raise  is written and flushed, then `durable_bound` goes up;
//   a segment is begun  by moving `next`, then `limit`; a loop reads `limit` first;
//   a retraction  lowers `raise_at`, then `durable_bound`, then reads `next` again, and is
//            written only then: every ordinal released on the old bound is below what
//            it read.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "number_dispenser/dispenser/kind.h"

namespace number_dispenser {

struct alignas(64) Cell {
  // The next ordinal; lives where it outlives the process. Never null in a cell that a loop can
  // see.
  std::atomic<uint64_t>* next = nullptr;
  // Ordinals below it may reach a client. 0 until the definition is durable; kNoLimit where nothing
  // is kept (memory, random) and once the dispenser is durably deleted.
  std::atomic<uint64_t> durable_bound{0};
  // Whoever issues this ordinal or a later one asks for a raise.
  std::atomic<uint64_t> raise_at{0};
  // Ordinals at or past it cannot be drawn: the capacity, or the end of the segment in use.
  std::atomic<uint64_t> limit{0};
  uint64_t starting = 0;
  uint64_t step = 0;
  uint32_t slot = 0;
  Kind kind = Kind::kIncrementing;
  uint8_t length = 0;
  // In the registry's list of dispensers to look at.
  std::atomic<bool> raise_wanted{false};

  // Takes `count` (at least 1) consecutive ordinals and returns the first; nothing where fewer are
  // left.
  std::optional<uint64_t> draw(uint64_t count) {
    const uint64_t end = limit.load(std::memory_order_acquire);
    uint64_t first = next->load(std::memory_order_relaxed);
    do {
      if (first >= end || count > end - first) return std::nullopt;
    } while (!next->compare_exchange_weak(first, first + count));
    return first;
  }

  // A draw of so many would have succeeded.
  bool has(uint64_t count) const {
    const uint64_t end = limit.load();
    const uint64_t first = next->load();
    return first <= end && count <= end - first;
  }

  // The number of an ordinal that was drawn; not for the random kind.
  uint64_t number(uint64_t ordinal) const { return starting + ordinal * step; }
};

static_assert(sizeof(Cell) == 64);

}  // namespace number_dispenser
