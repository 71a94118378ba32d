// The state file as the registry's store: recovery, slots, definitions and bound records in mapped
// memory.
//
// Owned by the server; between open() and close() every call but wants_growth(), is_full() and
// growth_bytes() comes under the registry's mutex. Starting is the only recovery there is: it takes
// what scan() finds, rewrites every page (what a killed process had failed to flush looks clean to
// the kernel), moves the epoch and flushes.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "number_dispenser/base/clock.h"
#include "number_dispenser/base/random.h"
#include "number_dispenser/dispenser/store.h"
#include "number_dispenser/state/layout.h"
#include "number_dispenser/state/live.h"
#include "number_dispenser/state/scan.h"
#include "number_dispenser/state/storage.h"

namespace number_dispenser {

// What ties a node's file to the cluster that it has leased from. A mark is a random number that
// moves at every start and every few moments of use, here first and then in etcd: a file that was
// copied before the last move has a mark that etcd no longer knows. All 0: never joined one.
struct ClusterStamp {
  uint64_t cluster_id = 0;
  uint64_t mark = 0;
  uint64_t previous_mark = 0;  // etcd has this one while a move is under way; 0: it never had any
  uint64_t place = 0;          // Storage::place() of the run that wrote it
  uint32_t run = 0;            // random, of the run that leases with it; 0: it has no id yet
  // The latest before these two that etcd has said to have. After a clean stop it proves as much
  // as they do; before, it might be that of an older copy.
  uint64_t confirmed_mark = 0;

  friend bool operator==(const ClusterStamp&, const ClusterStamp&) = default;
};

// How the run before this one ended, as far as the file and the live counters tell.
enum class LastEnd {
  kClean,    // stopped cleanly: the file is exact
  kCounted,  // killed, and the live counters of every durable dispenser are here
  kUnknown,  // power cut, counters lost, or an older copy of the file
};

class StateFile final : public Store {
 public:
  // The bytes of a state file without dispensers.
  static std::vector<std::byte> fresh_file(RandomSource& random);

  // Recovers, and makes what it found and a new epoch durable. `what` names the file in messages.
  // Storage and live memory outlive the state file.
  static Result<std::unique_ptr<StateFile>> open(Storage& storage, LiveMemory& live,
                                                 const Clock& clock, std::string_view what);

  // After Registry::close(): flushes, then marks the file clean and flushes that. A node's file
  // that this run has not stamped stays as unclean as it was: this run has not found out whose it
  // is.
  Result<void> close();

  // Slots are running out: the keeper grows the storage to growth_bytes(), then the next
  // before_flush() takes the new slots in.
  bool wants_growth() const;
  uint64_t growth_bytes() const;
  // No slot is free, and the file is as large as it can be.
  bool is_full() const;

  uint64_t epoch() const { return header_.epoch; }
  LastEnd last_end() const { return last_end_; }

  // The keeper's loop. What is set, and differs, is written by the next before_flush() or by
  // close(), and durable when the flush that follows has ended.
  const ClusterStamp& stamp() const { return stamp_; }
  void set_stamp(const ClusterStamp& stamp);

  const layout::FileId& id() const { return header_.id; }

  std::optional<uint32_t> take_slot() override;
  void give_slot(uint32_t slot) override;
  bool before_flush() override;
  std::string_view write_pending(uint32_t slot, std::string_view name, const Definition& definition,
                                 const BoundRecord& first) override;
  void write_live(uint32_t slot) override;
  void write_tombstone(uint32_t slot) override;
  void write_bound(uint32_t slot, const BoundRecord& record) override;
  std::atomic<uint64_t>& live_counter(uint32_t slot) override;
  std::vector<Tenant> tenants() override { return std::move(tenants_); }

 private:
  StateFile(Storage& storage, LiveMemory& live, const Clock& clock)
      : storage_(storage), live_(live), clock_(clock) {}
  // True if the live counters of every durable dispenser are there and belong to this very file.
  bool adopt(Scan& found, std::span<const std::byte> previous);
  Result<void> spoil_marks();
  void take_in_growth(uint64_t extents);
  void touch_every_page();
  void write_header();
  void set_state(uint32_t slot, layout::SlotState state);
  layout::LiveSlot& live_slot(uint32_t slot);

  struct Tenancy {
    uint64_t generation = 0;
    uint64_t sequence = 0;  // of the last bound record
  };

  Storage& storage_;
  LiveMemory& live_;
  const Clock& clock_;
  layout::Header header_{};
  bool is_stamped_ = false;   // by this run
  bool stamp_waits_ = false;  // for the next flush
  ClusterStamp stamp_;        // not in header_ yet where it differs from what is there
  LastEnd last_end_ = LastEnd::kUnknown;
  std::byte* live_base_ = nullptr;
  std::vector<Tenancy> tenancies_;  // by slot
  std::vector<uint32_t> free_;      // the last is taken next
  std::atomic<uint32_t> free_count_{0};
  std::vector<Tenant> tenants_;  // until the registry has asked
  uint64_t generations_ = 0;     // begun in this epoch
};

}  // namespace number_dispenser
