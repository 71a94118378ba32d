// The kernel's CSPRNG behind a seam, so that the simulator can replay a run.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace number_dispenser {

class RandomSource {
 public:
  virtual ~RandomSource() = default;
  virtual void fill(std::span<std::byte> out) = 0;

  // Uniform in [0, limit), limit >= 1, without modulo bias: draws that fall into the last,
  // incomplete multiple of `limit` are thrown away (Lemire, "Fast Random Integer Generation in an
  // Interval", 2019: the biased draws are recognised from the low half of a 128-bit product).
  uint64_t below(uint64_t limit);

 private:
  uint64_t next();

  // One system call yields 64 draws.
  std::array<uint64_t, 64> pool_{};
  size_t left_ = 0;
};

// getrandom(2). One object a thread.
class KernelRandom final : public RandomSource {
 public:
  void fill(std::span<std::byte> out) override;
};

}  // namespace number_dispenser
