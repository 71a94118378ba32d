#include "memory_storage.h"

#include <cstring>
#include <utility>

namespace number_dispenser::testing_support {

MemoryStorage::MemoryStorage(std::span<const std::byte> initial, uint64_t capacity_bytes,
                             Memory memory)
    : cache_(capacity_bytes), memory_(memory), bytes_(initial.size()) {
  ND_CHECK(initial.size() <= capacity_bytes, "{} bytes", initial.size());
  if (initial.empty()) return;  // memcpy takes no nullptr, not even for nothing
  std::memcpy(cache_.data(), initial.data(), initial.size());
  make_durable(initial);
}

void MemoryStorage::make_durable(std::span<const std::byte> image) {
  if (memory_ == Memory::kForgetful || image.empty()) return;
  if (durable_.size() < image.size()) durable_.resize(image.size());
  std::memcpy(durable_.data(), image.data(), image.size());
}

Result<void> MemoryStorage::flush_now() {
  if (flush_now_error_ != 0) return fail_errno(ExitStatus::kIoError, "flush", flush_now_error_);
  make_durable(bytes());
  ++flushes_;
  return {};
}

void MemoryStorage::start_flush(Operation& operation) {
  ND_CHECK(flush_ == nullptr, "a flush is in flight");
  flush_ = &operation;
  if (memory_ == Memory::kExact) flush_image_.assign(bytes().begin(), bytes().end());
}

void MemoryStorage::end_flush(int result) {
  ND_CHECK(flush_ != nullptr, "no flush is in flight");
  if (result == 0) make_durable(flush_image_);
  flush_image_.clear();
  ++flushes_;
  std::exchange(flush_, nullptr)->on_completion({.result = result});
}

void MemoryStorage::start_growth(Operation& operation, uint64_t bytes) {
  ND_CHECK(growth_ == nullptr && bytes > bytes_, "growth from {} to {}", bytes_, bytes);
  growth_ = &operation;
  growth_bytes_ = bytes;
}

void MemoryStorage::end_growth(int result) {
  ND_CHECK(growth_ != nullptr, "no growth is in flight");
  if (result == 0) {
    ND_CHECK(growth_bytes_ <= cache_.bytes(), "{} bytes do not fit", growth_bytes_);
    bytes_ = growth_bytes_;
    if (memory_ == Memory::kExact) durable_.resize(bytes_);
  }
  std::exchange(growth_, nullptr)->on_completion({.result = result});
}

void MemoryStorage::write_back(RandomSource& random) {
  for (uint64_t at = 0; at < bytes_; at += kSectorBytes)
    if (std::memcmp(durable_.data() + at, cache_.data() + at, kSectorBytes) != 0 &&
        random.below(2) == 0)
      std::memcpy(durable_.data() + at, cache_.data() + at, kSectorBytes);
}

void MemoryStorage::forget_operations() {
  flush_ = growth_ = nullptr;
  flush_image_.clear();
}

void MemoryStorage::cut_power(RandomSource& random) {
  ND_CHECK(memory_ == Memory::kExact, "a forgetful storage has no power to cut");
  for (uint64_t at = 0; at < bytes_; at += kSectorBytes) {
    if (std::memcmp(durable_.data() + at, cache_.data() + at, kSectorBytes) == 0) continue;
    const uint64_t version = random.below(flush_image_.size() > at ? 3 : 2);
    const std::byte* const versions[] = {durable_.data(), cache_.data(), flush_image_.data()};
    std::memmove(cache_.data() + at, versions[version] + at, kSectorBytes);
  }
  forget_operations();
  make_durable(bytes());
}

}  // namespace number_dispenser::testing_support
