#include "sim_disk.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "number_dispenser/base/check.h"
#include "store_watch.h"

namespace number_dispenser::sim {
namespace {

constexpr int kNoRoomErrors[] = {ENOSPC, EDQUOT, EFBIG, ENOMEM};

}  // namespace

SimDisk::SimDisk(World& world, uint64_t capacity_bytes)
    : world_(world), capacity_(capacity_bytes), durable_(capacity_bytes) {
  void* memory = ::mmap(nullptr, capacity_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ND_CHECK(memory != MAP_FAILED, "mmap of {} bytes", capacity_bytes);
  cache_ = static_cast<std::byte*>(memory);
}

SimDisk::~SimDisk() {
  watch_stores(this, {}, nullptr);
  ::munmap(cache_, capacity_);
}

void SimDisk::put(std::span<const std::byte> bytes) {
  watch_stores(this, {}, nullptr);
  ND_CHECK(bytes.size() <= capacity_, "{} bytes", bytes.size());
  std::memset(cache_, 0, std::max<uint64_t>(size_, bytes.size()));
  std::ranges::fill(durable_, std::byte{});
  std::ranges::copy(bytes, cache_);
  std::ranges::copy(bytes, durable_.begin());
  size_ = durable_size_ = bytes.size();
  lost_pages_.clear();
}

std::vector<uint64_t> SimDisk::dirty_sectors() const {
  std::vector<uint64_t> dirty;
  for (uint64_t page = 0; page < size_; page += kPageBytes) {
    if (std::memcmp(cache_ + page, durable_.data() + page, kPageBytes) == 0) continue;
    if (lost_pages_.contains(page)) continue;
    for (uint64_t at = page; at < page + kPageBytes; at += kSectorBytes)
      if (std::memcmp(cache_ + at, durable_.data() + at, kSectorBytes) != 0) dirty.push_back(at);
  }
  return dirty;
}

void SimDisk::write_sector(uint64_t offset, const std::byte* from) {
  std::memcpy(durable_.data() + offset, from, kSectorBytes);
}

uint64_t SimDisk::latency_ns() {
  if (world_.rng.chance(world_.faults.slow_flush)) return world_.rng.between(1, 3000) * kNsPerMs;
  return world_.rng.between(20'000, 400'000);
}

SimDisk::Flush SimDisk::capture() const {
  Flush flush;
  flush.size = size_;
  for (const uint64_t offset : dirty_sectors()) {
    Captured& one = flush.captured.emplace_back();
    one.offset = offset;
    std::memcpy(one.bytes.data(), cache_ + offset, kSectorBytes);
  }
  return flush;
}

void SimDisk::start_flush(Complete complete) {
  ND_CHECK(!flush_, "two flushes at once");
  flush_ = capture();
  flush_->complete = std::move(complete);
  flush_->due_ns = world_.clock.monotonic_ns() + latency_ns();
  world_.trace("disk: flush of {} sectors begins", flush_->captured.size());
}

void SimDisk::start_growth(uint64_t bytes, Complete complete) {
  ND_CHECK(!growth_ && bytes > size_ && bytes <= capacity_, "growth from {} to {}", size_, bytes);
  growth_ = Growth{bytes, std::move(complete), world_.clock.monotonic_ns() + latency_ns()};
  world_.trace("disk: growth from {} to {} bytes begins", size_, bytes);
}

std::optional<uint64_t> SimDisk::due_ns() const {
  if (held_ || (!flush_ && !growth_)) return std::nullopt;
  return std::min(flush_ ? flush_->due_ns : ~uint64_t{0}, growth_ ? growth_->due_ns : ~uint64_t{0});
}

void SimDisk::run() {
  if (world_.rng.chance(world_.faults.write_back)) write_back_some();
  if (held_) return;
  const uint64_t now_ns = world_.clock.monotonic_ns();
  if (growth_ && growth_->due_ns <= now_ns) {
    end_growth();
    // Often both are seen together.
    if (flush_ && world_.rng.coin()) flush_->due_ns = now_ns;
  }
  if (flush_ && flush_->due_ns <= now_ns) end_flush();
}

void SimDisk::write_back_some() {
  for (const uint64_t offset : dirty_sectors()) {
    if (world_.rng.coin()) continue;
    world_.trace("disk: sector at {} is written back", offset);
    write_sector(offset, cache_ + offset);
    if (flush_)
      std::erase_if(flush_->captured, [&](const Captured& one) { return one.offset == offset; });
  }
}

void SimDisk::write_captured(Flush& flush, bool everything) {
  if (everything) durable_size_ = std::max(durable_size_, flush.size);
  for (const Captured& one : flush.captured) {
    if (!everything && world_.rng.coin()) {
      lost_pages_.insert(one.offset / kPageBytes * kPageBytes);
      continue;
    }
    // With what it held at first, or what it holds by now.
    write_sector(one.offset, world_.rng.coin() ? one.bytes.data() : cache_ + one.offset);
  }
}

void SimDisk::end_flush() {
  Flush flush = std::move(*flush_);
  flush_.reset();
  int error = std::exchange(next_error_, 0);
  if (error == 0 && world_.rng.chance(world_.faults.failed_flush))
    error = world_.rng.coin() ? EIO : ENOSPC;
  write_captured(flush, flush.believed && error == 0);
  world_.trace("disk: flush ends with {}{}", -error, flush.believed ? "" : ", which means nothing");
  flush.complete(-error);
}

void SimDisk::end_growth() {
  Growth growth = std::move(*growth_);
  growth_.reset();
  int error = 0;
  if (world_.rng.chance(world_.faults.no_room)) error = world_.rng.one_of(kNoRoomErrors);
  if (error == 0 && world_.rng.chance(world_.faults.failed_growth)) {
    error = EIO;
    // Whatever failed has been reported now: the flush under way may well end with 0.
    if (flush_) flush_->believed = false;
  }
  if (error == 0) size_ = durable_size_ = growth.bytes;
  world_.trace("disk: growth to {} bytes ends with {}", growth.bytes, -error);
  growth.complete(-error);
}

bool SimDisk::flush_now() {
  const bool fails = world_.rng.chance(world_.faults.failed_flush);
  Flush flush = capture();
  write_captured(flush, !fails);
  if (!fails) damaged_ = false;
  world_.trace("disk: blocking flush of {} sectors {}", flush.captured.size(),
               fails ? "fails" : "ends");
  return !fails;
}

// The kernel goes on with what was submitted; it matters to nobody but a later power cut.
void SimDisk::end_process() {
  watch_stores(this, {}, nullptr);
  if (flush_ && world_.rng.coin()) write_captured(*flush_, true);
  flush_.reset();
  if (growth_) {
    const uint64_t pages = (growth_->bytes - size_) / kPageBytes;
    size_ += world_.rng.between(0, pages) * kPageBytes;
    growth_.reset();
  }
  // Pages that look clean may be dropped, and are then read from the disk again.
  std::erase_if(lost_pages_, [&](uint64_t page) {
    if (!world_.rng.coin()) return false;
    std::memcpy(cache_ + page, durable_.data() + page, kPageBytes);
    return true;
  });
}

// Part of what was on its way is there, part is not, one sector is in between.
void SimDisk::end_machine() {
  watch_stores(this, {}, nullptr);
  const std::vector<uint64_t> dirty = dirty_sectors();
  if (flush_)
    for (const Captured& one : flush_->captured)
      if (world_.rng.coin()) write_sector(one.offset, one.bytes.data());
  for (const uint64_t offset : dirty)
    if (world_.rng.coin()) write_sector(offset, cache_ + offset);
  if (!damaged_ && !dirty.empty() && world_.rng.coin()) tear(dirty[world_.rng.below(dirty.size())]);
  if (growth_ && world_.rng.coin()) {
    const uint64_t pages = (growth_->bytes - size_) / kPageBytes;
    durable_size_ = std::max(durable_size_, size_ + world_.rng.between(0, pages) * kPageBytes);
  }
  flush_.reset();
  growth_.reset();
  lost_pages_.clear();
  std::memset(cache_, 0, std::max(size_, durable_size_));
  size_ = durable_size_;
  std::copy_n(durable_.begin(), size_, cache_);
}

// In words of 8 bytes, as every bus and disk moves them.
void SimDisk::tear(uint64_t offset) {
  world_.trace("disk: sector at {} is torn", offset);
  const uint64_t split = world_.rng.between(1, kSectorBytes / 8 - 1) * 8;
  const uint64_t from = world_.rng.coin() ? 0 : split;
  const uint64_t bytes = from == 0 ? split : kSectorBytes - split;
  std::memcpy(durable_.data() + offset + from, cache_ + offset + from, bytes);
}

void SimDisk::watch_pages(std::function<void()> before_store) {
  std::vector<std::byte*> pages;
  for (uint64_t offset = 0; offset < size_; offset += kPageBytes)
    if (before_store || lost_pages_.contains(offset)) pages.push_back(cache_ + offset);
  watch_stores(this, pages, [this, before_store = std::move(before_store)](std::byte* page) {
    if (before_store) before_store();
    if (world_.death == Death::kNone) lost_pages_.erase(static_cast<uint64_t>(page - cache_));
  });
}

void SimDisk::restore_cache(std::span<const std::byte> bytes, bool damaged) {
  watch_stores(this, {}, nullptr);
  std::ranges::copy(bytes, cache_);
  damaged_ = damaged_ || damaged;
}

}  // namespace number_dispenser::sim
