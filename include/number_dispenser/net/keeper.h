// Makes bounds and definitions durable: one flush at a time for all of them, growth when slots run
// out, and the retraction of idle bounds. Belongs to one loop, which calls tick() in each of its
// ticks.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "number_dispenser/base/clock.h"
#include "number_dispenser/dispenser/registry.h"
#include "number_dispenser/state/state_file.h"
#include "number_dispenser/state/storage.h"

namespace number_dispenser {

class Keeper {
 public:
  Keeper(Registry& registry, StateFile& state, Storage& storage, const Clock& clock);

  // Told how long each flush took; before any tick.
  void watch_flushes(std::function<void(uint64_t took_ns)> watcher) {
    watcher_ = std::move(watcher);
  }

  // Starts whatever is due. After a failed flush: nothing, for ever.
  void tick();

  // When tick() is to be called next even if nothing happens; UINT64_MAX: never.
  uint64_t deadline_ns() const;
  // tick() would start a flush.
  bool wants_tick() const { return !flushing_ && registry_.has_work() && !failed(); }
  // Nothing is on its way to the disk and nothing wants to be.
  bool idle() const { return !flushing_ && !growing_ && !registry_.has_work() && !grown_; }
  // Grows with everything that may let a held or stalled request go on. Any thread.
  uint64_t progress() const { return progress_.load(); }
  // Durability can no longer be promised. Any thread.
  bool failed() const { return failed_.load(); }
  // Why; the keeper's loop, or once it has ended.
  const std::string& failure() const { return failure_; }

 private:
  void start_growth();
  void on_flush(const Completion& completion);
  void on_growth(const Completion& completion);
  void fail(int error);

  Registry& registry_;
  StateFile& state_;
  Storage& storage_;
  const Clock& clock_;
  MemberOperation<Keeper, &Keeper::on_flush> flush_{*this};
  MemberOperation<Keeper, &Keeper::on_growth> growth_{*this};
  std::function<void(uint64_t)> watcher_;
  uint64_t flush_began_ns_ = 0;
  bool flushing_ = false;
  bool growing_ = false;
  bool grown_ = false;            // the new slots wait for the next flush's batch
  uint64_t growth_retry_ns_ = 0;  // not before; 0: at once
  uint64_t sweep_ns_ = 0;         // 0: no window is open
  std::atomic<uint64_t> progress_{0};
  std::atomic<bool> failed_{false};
  std::string failure_;
};

}  // namespace number_dispenser
