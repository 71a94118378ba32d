// The state file's disk: what is durable, and the page cache above it, which the server maps.
// Outlives processes; a power cut leaves what is durable. One thread.
//
// What may become durable, and when: a sector stored into may be written back at any moment, with
// what it holds then. A flush writes every sector that was dirty when it began, at some moment
// before it ends. A power cut loses any of the dirty sectors, keeps any others, and tears at most
// one. A flush that fails has written any part, and the rest looks clean from then on, until it is
// stored into again.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "number_dispenser/base/error.h"
#include "number_dispenser/uring/ring.h"
#include "world.h"

namespace number_dispenser::sim {

class SimDisk {
 public:
  static constexpr uint64_t kSectorBytes = 512;
  static constexpr uint64_t kPageBytes = 4096;

  SimDisk(World& world, uint64_t capacity_bytes);
  ~SimDisk();
  SimDisk(const SimDisk&) = delete;
  SimDisk& operator=(const SimDisk&) = delete;

  // Storage::place(): another number where the file was created anew, or is on another machine.
  uint64_t place = 1;

  // A file with these bytes, durable. Also how an older copy is put back.
  void put(std::span<const std::byte> bytes);

  std::byte* cache() { return cache_; }
  uint64_t size() const { return size_; }
  std::span<const std::byte> durable() const { return {durable_.data(), durable_size_}; }

  using Complete = std::function<void(int result)>;
  void start_flush(Complete complete);
  void start_growth(uint64_t bytes, Complete complete);
  // Blocking. False: it failed.
  bool flush_now();

  // Ends what is due, writes back.
  void run();
  // No flush and no growth ends while it is held.
  void hold(bool held) { held_ = held; }
  // The next flush fails with this error.
  void fail_next_flush(int error) { next_error_ = error; }
  bool flushing() const { return flush_.has_value(); }
  // When something ends; nothing where nothing is under way.
  std::optional<uint64_t> due_ns() const;

  // The process dies. What it has left in the page cache stays; `frozen`: as it was when the
  // process died.
  void end_process();
  void end_machine();
  // A process starts, or goes on: from here on it is seen which pages it stores into.
  // `before_store`: runs before the first store into each page, if there is one.
  void watch_pages(std::function<void()> before_store = nullptr);

  std::vector<std::byte> copy_cache() const { return {cache_, cache_ + size_}; }
  // A process died, and left this. `damaged`: in the middle of a store. One record is damaged by
  // that, and mirrors stand one damage: no sector is torn until a start has flushed the file.
  void restore_cache(std::span<const std::byte> bytes, bool damaged);

 private:
  using Sector = std::array<std::byte, kSectorBytes>;
  struct Captured {
    uint64_t offset;
    Sector bytes;
  };
  struct Flush {
    std::vector<Captured> captured;
    uint64_t size = 0;  // the file's; an fdatasync makes it durable too
    Complete complete = nullptr;
    uint64_t due_ns = 0;
    bool believed = true;  // false: an error was reported elsewhere, what it says means nothing
  };
  struct Growth {
    uint64_t bytes;
    Complete complete;
    uint64_t due_ns;
  };

  std::vector<uint64_t> dirty_sectors() const;
  void write_sector(uint64_t offset, const std::byte* from);
  void write_back_some();
  void end_flush();
  void end_growth();
  Flush capture() const;
  void write_captured(Flush& flush, bool everything);
  void tear(uint64_t offset);
  uint64_t latency_ns();

  World& world_;
  std::byte* cache_ = nullptr;
  const uint64_t capacity_;
  uint64_t size_ = 0;
  std::vector<std::byte> durable_;
  uint64_t durable_size_ = 0;
  std::optional<Flush> flush_;
  std::optional<Growth> growth_;
  std::set<uint64_t> lost_pages_;  // by offset: not durable, but clean in the kernel's eyes
  bool held_ = false;
  int next_error_ = 0;
  bool damaged_ = false;
};

}  // namespace number_dispenser::sim
