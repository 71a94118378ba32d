// Random bytes that a seed repeats. One thread.
#pragma once

#include <algorithm>
#include <cstring>

#include "number_dispenser/base/random.h"

namespace number_dispenser::testing_support {

class SeededRandom final : public RandomSource {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}

  void fill(std::span<std::byte> out) override {
    while (!out.empty()) {
      const uint64_t value = draw();
      const size_t bytes = std::min(out.size(), sizeof value);
      std::memcpy(out.data(), &value, bytes);
      out = out.subspan(bytes);
    }
  }
  // True `percent` times in a hundred.
  bool chance(unsigned percent) { return below(100) < percent; }

 private:
  // SplitMix64 (Steele, Lea, Flood 2014).
  uint64_t draw() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }

  uint64_t state_;
};

}  // namespace number_dispenser::testing_support
