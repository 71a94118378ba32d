// A Store that passes everything on, and in one of the stores lets the process die: in the middle
// of it, with the first words written and the rest not. Or just before the first store into a page
// of the file, whoever makes it: the start writes without a Store.
//
// The code under test cannot stop there, so it runs its tick to the end; what page cache and live
// counters held is kept, and comes back when the simulation has buried the process.
#pragma once

#include <span>
#include <vector>

#include "number_dispenser/dispenser/store.h"
#include "sim_disk.h"
#include "sim_live.h"

namespace number_dispenser::sim {

class DyingStore final : public Store {
 public:
  DyingStore(World& world, SimDisk& disk, SimLive& live)
      : world_(world), disk_(disk), live_(live) {}

  void attach(Store& store) { store_ = &store; }
  // Dies in so many writes; 0: in none.
  void arm(unsigned countdown, Death death) {
    countdown_ = countdown;
    death_ = death;
  }
  // Dies when so many pages have been stored into from now on; 0: does not.
  void arm_page(unsigned countdown, Death death);
  // After the process has ended: memory as it was when it died, if it died in here.
  void restore();

  std::optional<uint32_t> take_slot() override { return store_->take_slot(); }
  void give_slot(uint32_t slot) override { store_->give_slot(slot); }
  bool before_flush() override { return store_->before_flush(); }
  std::string_view write_pending(uint32_t slot, std::string_view name, const Definition& definition,
                                 const BoundRecord& first) override;
  void write_live(uint32_t slot) override;
  void write_tombstone(uint32_t slot) override;
  void write_bound(uint32_t slot, const BoundRecord& record) override;
  std::atomic<uint64_t>& live_counter(uint32_t slot) override { return store_->live_counter(slot); }
  std::vector<Tenant> tenants() override { return store_->tenants(); }

 private:
  void keep_memory();
  bool about_to_die();
  void die(const char* what);

  World& world_;
  SimDisk& disk_;
  SimLive& live_;
  Store* store_ = nullptr;
  unsigned countdown_ = 0;
  Death death_ = Death::kNone;
  std::vector<std::byte> cache_, live_bytes_;
  bool damaged_ = false;  // it died within a record
};

}  // namespace number_dispenser::sim
