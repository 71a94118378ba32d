// A state file in memory without a registry over it: tests write its records by hand, and let it
// stop, be killed or lose its power.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "memory_live.h"
#include "memory_storage.h"
#include "number_dispenser/base/clock.h"
#include "number_dispenser/state/state_file.h"
#include "seeded_random.h"
#include "state_bytes.h"

namespace number_dispenser::testing_support {

class BareState {
 public:
  BareState() { start(); }

  void start() { state = std::move(StateFile::open(*storage, live, clock, "memory").value()); }
  void stop() {
    ND_CHECK(state->close().has_value(), "a flush failed");
    end();
  }
  void kill() { end(); }
  void cut_power() {
    storage->cut_power(random);
    live.lose();
    end();
  }
  void flush() {
    state->before_flush();
    ND_CHECK(storage->flush_now().has_value(), "a flush failed");
  }

  // Live and durable.
  uint32_t define(std::string_view name, const Definition& definition, const BoundRecord& first) {
    const uint32_t slot = state->take_slot().value();
    state->write_pending(slot, name, definition, first);
    flush();
    state->write_live(slot);
    flush();
    return slot;
  }
  // What recovery has made of the only dispenser.
  BoundRecord recovered() {
    const auto tenants = state->tenants();
    ND_CHECK(tenants.size() == 1, "{} dispensers", tenants.size());
    return tenants[0].record;
  }

  std::vector<std::byte> copy() const { return {storage->bytes().begin(), storage->bytes().end()}; }
  // Another file in this one's place, while nothing runs.
  void restore(std::span<const std::byte> bytes) {
    storage = std::make_unique<MemoryStorage>(bytes);
  }

  SeededRandom random{1};
  ManualClock clock;
  MemoryLive live;
  std::unique_ptr<MemoryStorage> storage = std::make_unique<MemoryStorage>(small_file(random));
  std::unique_ptr<StateFile> state;

 private:
  void end() {
    state.reset();
    storage->forget_operations();
  }
};

}  // namespace number_dispenser::testing_support
