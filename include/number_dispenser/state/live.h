// Where the live counters live: memory that outlives the process and dies with the machine.
//
// Files are told apart by the state file's id and epoch. Losing them is normal: recovery then goes
// by the bounds. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "number_dispenser/base/error.h"
#include "number_dispenser/base/fd.h"
#include "number_dispenser/state/layout.h"

namespace number_dispenser {

class LiveMemory {
 public:
  virtual ~LiveMemory() = default;

  // What the run with this epoch left behind: whole, or empty where there is nothing to be trusted.
  virtual std::span<const std::byte> open_previous(const layout::FileId& id, uint64_t epoch) = 0;
  // A newer epoch's counters are there: the state file is older than the last run's.
  virtual bool newer_exists(const layout::FileId& id, uint64_t epoch) = 0;

  // Zeroed memory for this run that never moves, locked for as long as its process lives. Where it
  // cannot be had on the tmpfs, plain memory and a warning: a SIGKILL then costs what a power cut
  // does. kTemporary, with nothing left behind, where another process has counters of this id
  // locked: it runs with a copy of the state file, so this one must not be written to. Of two that
  // start at the same time at most one is not refused.
  virtual Result<std::byte*> create(const layout::FileId& id, uint64_t epoch, uint64_t bytes) = 0;
  // Makes [0, bytes) usable.
  virtual void extend(uint64_t bytes) = 0;
  // This run's epoch is durable: its counters are the ones to trust, those of earlier epochs are
  // not needed any more.
  virtual void drop_previous() = 0;
  // Counters of newer epochs have told of an older state file, and it is known as such now.
  virtual void drop_newer() = 0;
  // After a clean stop the state file is exact and this run's counters are not needed either.
  virtual void drop_current() = 0;
};

// Files `number-dispenser-<id>-<epoch>.live` in a tmpfs folder, mode 0600; with `.new` behind it
// until the epoch is durable. A name is removed only by who has locked the file. Not seen are
// counters whose names are gone, those in another folder, and those of who could make no file; nor,
// with a warning, those that cannot be opened, as another user's cannot.
class LiveDirectory final : public LiveMemory {
 public:
  explicit LiveDirectory(std::string directory);
  ~LiveDirectory() override;
  LiveDirectory(const LiveDirectory&) = delete;
  LiveDirectory& operator=(const LiveDirectory&) = delete;

  std::span<const std::byte> open_previous(const layout::FileId& id, uint64_t epoch) override;
  bool newer_exists(const layout::FileId& id, uint64_t epoch) override;
  Result<std::byte*> create(const layout::FileId& id, uint64_t epoch, uint64_t bytes) override;
  void extend(uint64_t bytes) override;
  void drop_previous() override;
  void drop_newer() override;
  void drop_current() override;

 private:
  // A file of this state file.
  struct Found {
    std::string name;
    uint64_t epoch;
    bool named;  // without .new
  };

  std::string path_of(const layout::FileId& id, uint64_t epoch) const;
  std::vector<Found> list(const layout::FileId& id) const;
  Result<void> create_file(const std::string& path, uint64_t bytes);
  bool another_runs() const;
  std::unexpected<Error> in_use() const;

  std::string directory_;
  std::span<const std::byte> previous_;
  layout::FileId id_{};  // of this run
  uint64_t epoch_ = 0;
  std::string path_;           // with its .new
  Fd fd_;                      // of this run's file, and its lock; none where it cannot be made
  bool has_room_ = false;      // for the next counters in that file; else they are in plain memory
  std::byte* base_ = nullptr;  // of the reservation
  uint64_t bytes_ = 0;         // usable
};

}  // namespace number_dispenser
