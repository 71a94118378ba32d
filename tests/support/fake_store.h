// A Store that keeps what is written in a list, for tests of the registry alone.
#pragma once

#include <fmt/format.h>

#include <deque>
#include <functional>
#include <string>
#include <utility>

#include "number_dispenser/dispenser/store.h"

namespace number_dispenser::testing_support {

class FakeStore final : public Store {
 public:
  explicit FakeStore(uint32_t slots = 16) {
    for (uint32_t slot = slots; slot-- > 0;) free_.push_back(slot);
    counters_.resize(slots);
    records.resize(slots);
    names_.resize(slots);
  }

  std::optional<uint32_t> take_slot() override {
    if (free_.empty()) return std::nullopt;
    const uint32_t slot = free_.back();
    free_.pop_back();
    return slot;
  }
  void give_slot(uint32_t slot) override {
    written_.push_back(fmt::format("free {}", slot));
    free_.push_back(slot);
  }
  bool before_flush() override { return std::exchange(has_written, false); }
  std::string_view write_pending(uint32_t slot, std::string_view name, const Definition&,
                                 const BoundRecord& first) override {
    written_.push_back(fmt::format("pending {}", slot));
    counters_[slot].store(first.position);
    records[slot] = first;
    return names_[slot] = name;
  }
  void write_live(uint32_t slot) override { written_.push_back(fmt::format("live {}", slot)); }
  void write_tombstone(uint32_t slot) override {
    written_.push_back(fmt::format("tombstone {}", slot));
  }
  void write_bound(uint32_t slot, const BoundRecord& record) override {
    if (before_write_bound) before_write_bound(slot, record);
    records[slot] = record;
  }
  std::atomic<uint64_t>& live_counter(uint32_t slot) override { return counters_[slot]; }
  std::vector<Tenant> tenants() override { return found; }

  // What was written since the last call.
  std::vector<std::string> take_written() { return std::exchange(written_, {}); }

  std::vector<Tenant> found;  // by recovery
  bool has_written = false;   // of its own, for the next flush
  std::vector<BoundRecord> records;
  // Another loop's chance to do something at that very moment.
  std::function<void(uint32_t, const BoundRecord&)> before_write_bound;

 private:
  std::vector<std::string> written_;
  std::vector<uint32_t> free_;
  std::deque<std::atomic<uint64_t>> counters_;
  std::deque<std::string> names_;
};

}  // namespace number_dispenser::testing_support
