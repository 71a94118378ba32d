// A disk and its page cache in memory, as a Storage. It outlives the processes that use it: a
// killed process leaves what it stored, a power cut leaves what was flushed and any part of the
// rest.
//
// Flushes and growth end when the test says so. One thread, but for stores into data().
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "number_dispenser/base/random.h"
#include "number_dispenser/state/storage.h"
#include "reservation.h"

namespace number_dispenser::testing_support {

class MemoryStorage final : public Storage {
 public:
  static constexpr uint64_t kSectorBytes = 512;

  // kForgetful keeps no record of what is durable, so that a flush of a large file costs nothing;
  // such a storage knows no power cut.
  enum class Memory { kExact, kForgetful };
  explicit MemoryStorage(std::span<const std::byte> initial, uint64_t capacity_bytes = 64 << 20,
                         Memory memory = Memory::kExact);

  std::byte* data() override { return cache_.data(); }
  uint64_t size() const override { return bytes_; }
  uint64_t place() const override { return place_; }
  void set_place(uint64_t place) { place_ = place; }
  Result<void> flush_now() override;
  void start_flush(Operation& operation) override;
  void start_growth(Operation& operation, uint64_t bytes) override;

  bool flushing() const { return flush_ != nullptr; }
  // With 0, what was stored before the flush began is durable now.
  void end_flush(int result = 0);
  bool growing() const { return growth_ != nullptr; }
  void end_growth(int result = 0);
  // flush_now() fails with this error from now on; 0: it works.
  void fail_flush_now(int error) { flush_now_error_ = error; }

  // The kernel writes back some dirty sectors of its own accord.
  void write_back(RandomSource& random);
  // The process is gone; what it had started tells nobody.
  void forget_operations();
  // Every sector that was not durable is as it was flushed last, as it is in memory, or as it was
  // when the flush under way began.
  void cut_power(RandomSource& random);

  std::span<const std::byte> bytes() const { return {cache_.data(), bytes_}; }
  std::span<const std::byte> durable() const { return durable_; }
  uint64_t flushes() const { return flushes_; }

 private:
  void make_durable(std::span<const std::byte> image);

  Reservation cache_;
  const Memory memory_;
  uint64_t bytes_ = 0;
  uint64_t place_ = 1;
  std::vector<std::byte> durable_;
  std::vector<std::byte> flush_image_;  // memory when the flush under way began
  Operation* flush_ = nullptr;
  Operation* growth_ = nullptr;
  uint64_t growth_bytes_ = 0;
  int flush_now_error_ = 0;
  uint64_t flushes_ = 0;
};

}  // namespace number_dispenser::testing_support
