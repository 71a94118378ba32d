// What the registry needs of durable memory: the interface that the state file implements.
//
// Every write goes to memory at once and is durable when a flush that started after it has ended;
// who flushes, and when, is the caller's business (Registry::begin_flush). One thread at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "number_dispenser/dispenser/bound.h"
#include "number_dispenser/dispenser/kind.h"

namespace number_dispenser {

class Store {
 public:
  virtual ~Store() = default;

  // A slot nobody uses, or nothing: the store must grow first.
  virtual std::optional<uint32_t> take_slot() = 0;
  // Back to the free ones. Only when its tombstone is durable and no loop knows its cell.
  virtual void give_slot(uint32_t slot) = 0;

  // The start of a flush's batch: takes in what has grown. True if it wrote something.
  virtual bool before_flush() = 0;

  // A new tenant, with a generation of its own, a live counter at first.position and this bound
  // record; a restart forgets it until it is live. The name returned stays where it is until the
  // slot is given back.
  virtual std::string_view write_pending(uint32_t slot, std::string_view name,
                                         const Definition& definition,
                                         const BoundRecord& first) = 0;
  virtual void write_live(uint32_t slot) = 0;       // only once pending is durable
  virtual void write_tombstone(uint32_t slot) = 0;  // the name is free at the next start
  virtual void write_bound(uint32_t slot, const BoundRecord& record) = 0;

  virtual std::atomic<uint64_t>& live_counter(uint32_t slot) = 0;

  // What recovery found. `record` is exact: position is where the dispenser goes on, and `wasted`
  // includes what the crash cost.
  struct Tenant {
    uint32_t slot;
    std::string_view name;
    Definition definition;
    BoundRecord record;
  };
  virtual std::vector<Tenant> tenants() = 0;
};

}  // namespace number_dispenser
