// The live counters' folder: outlives a killed process, dies with the machine. One thread.
#pragma once

#include <memory>
#include <vector>

#include "number_dispenser/state/live.h"
#include "world.h"

namespace number_dispenser::sim {

class SimLive final : public LiveMemory {
 public:
  SimLive(World& world, uint64_t capacity_bytes) : world_(world), capacity_(capacity_bytes) {}

  std::span<const std::byte> open_previous(const layout::FileId& id, uint64_t epoch) override;
  bool newer_exists(const layout::FileId& id, uint64_t epoch) override;
  Result<std::byte*> create(const layout::FileId& id, uint64_t epoch, uint64_t bytes) override;
  void extend(uint64_t bytes) override;
  void drop_previous() override;
  void drop_newer() override;
  void drop_current() override;

  // The tmpfs is full: this run's counters die with its process.
  void refuse_next(bool refuse) { refuse_ = refuse; }
  void end_process();
  void end_machine();

  // The last start asked whether the counters are newer than the state file, and was told that they
  // are.
  bool told_of_newer() const { return told_of_newer_; }
  // The counters that this epoch left are there, or those of a later one.
  bool holds(uint64_t epoch) const;
  bool holds_newer(uint64_t epoch) const;
  // Those of this very run (layout::Header).
  bool holds_run(uint64_t epoch, uint64_t run) const;

  std::vector<std::byte> copy_current() const;
  void restore_current(std::span<const std::byte> bytes);

 private:
  struct File {
    layout::FileId id;
    uint64_t epoch;
    std::unique_ptr<std::byte, void (*)(void*)> bytes;
    uint64_t size;
    bool named;  // its epoch was durable: LiveDirectory calls it .new before that
  };
  const File* current() const;

  World& world_;
  const uint64_t capacity_;
  std::vector<File> files_;
  uint64_t previous_epoch_ = 0;
  std::unique_ptr<std::byte, void (*)(void*)> plain_{nullptr, nullptr};
  uint64_t made_epoch_ = 0;
  uint64_t epoch_ = 0;  // of the run; 0: it keeps no file
  bool refuse_ = false;
  bool told_of_newer_ = false;
};

}  // namespace number_dispenser::sim
