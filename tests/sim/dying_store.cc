#include "dying_store.h"

#include <cstring>

namespace number_dispenser::sim {

void DyingStore::keep_memory() {
  cache_ = disk_.copy_cache();
  live_bytes_ = live_.copy_current();
}

bool DyingStore::about_to_die() {
  if (world_.death != Death::kNone || countdown_ == 0 || --countdown_ != 0) return false;
  keep_memory();
  return true;
}

void DyingStore::arm_page(unsigned countdown, Death death) {
  if (countdown == 0) return disk_.watch_pages();
  disk_.watch_pages([this, countdown, death]() mutable {
    if (world_.death != Death::kNone || countdown == 0 || --countdown != 0) return;
    keep_memory();
    world_.death = death;
    world_.trace("{} dies before it stores into a page",
                 death == Death::kProcess ? "process" : "machine");
  });
}

// Within an extent the addresses rise in the order of the stores: descriptor, bound copy one, copy
// two.
void DyingStore::die(const char* what) {
  if (world_.death != Death::kNone) return;  // before its first store
  constexpr size_t kWord = 8;
  std::vector<size_t> changed;
  for (size_t at = 0; at + kWord <= cache_.size(); at += kWord)
    if (std::memcmp(cache_.data() + at, disk_.cache() + at, kWord) != 0) changed.push_back(at);
  const size_t written = world_.rng.between(0, changed.size());
  for (size_t at = 0; at < written; ++at)
    std::memcpy(cache_.data() + changed[at], disk_.cache() + changed[at], kWord);
  // The live counter is set between the descriptor and the bounds.
  if (written > changed.size() / 2) live_bytes_ = live_.copy_current();
  damaged_ = true;
  world_.death = death_;
  world_.trace("{} dies in a {}: {} of {} words written",
               death_ == Death::kProcess ? "process" : "machine", what, written, changed.size());
}

void DyingStore::restore() {
  if (cache_.empty()) return;
  disk_.restore_cache(cache_, damaged_);
  live_.restore_current(live_bytes_);
  cache_.clear();
}

std::string_view DyingStore::write_pending(uint32_t slot, std::string_view name,
                                           const Definition& definition, const BoundRecord& first) {
  const bool dies = about_to_die();
  const auto kept = store_->write_pending(slot, name, definition, first);
  if (dies) die("definition");
  return kept;
}

void DyingStore::write_live(uint32_t slot) {
  const bool dies = about_to_die();
  store_->write_live(slot);
  if (dies) die("definition's second step");
}

void DyingStore::write_tombstone(uint32_t slot) {
  const bool dies = about_to_die();
  store_->write_tombstone(slot);
  if (dies) die("tombstone");
}

void DyingStore::write_bound(uint32_t slot, const BoundRecord& record) {
  const bool dies = about_to_die();
  store_->write_bound(slot, record);
  if (dies) die("bound record");
}

}  // namespace number_dispenser::sim
