// The one source of chance in a simulation: everything that happens follows from its seed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "number_dispenser/base/random.h"

namespace number_dispenser::sim {

// xoshiro256** (Blackman and Vigna, 2018), seeded by SplitMix64. One thread.
class Rng {
 public:
  explicit Rng(uint64_t seed) {
    for (uint64_t& word : state_) {
      uint64_t z = seed += 0x9e3779b97f4a7c15;
      z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
      z = (z ^ z >> 27) * 0x94d049bb133111eb;
      word = z ^ z >> 31;
    }
  }

  uint64_t next() {
    const uint64_t result = rotate(state_[1] * 5, 7) * 9;
    const uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = rotate(state_[3], 45);
    return result;
  }
  // In [0, limit), limit >= 1.
  uint64_t below(uint64_t limit) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(next()) * limit) >> 64);
  }
  uint64_t between(uint64_t lowest, uint64_t highest) {
    return lowest + below(highest - lowest + 1);
  }
  // True so many times in a thousand.
  bool chance(unsigned permille) { return permille != 0 && below(1000) < permille; }
  bool coin() { return (next() >> 63) != 0; }
  template <class Choice, size_t kCount>
  Choice one_of(const Choice (&choices)[kCount]) {
    return choices[below(kCount)];
  }

 private:
  static uint64_t rotate(uint64_t value, int by) { return value << by | value >> (64 - by); }

  std::array<uint64_t, 4> state_{};
};

// What the server draws its random numbers and ids from.
class SeededRandom final : public RandomSource {
 public:
  explicit SeededRandom(uint64_t seed) : rng_(seed) {}
  void fill(std::span<std::byte> out) override {
    while (!out.empty()) {
      const uint64_t word = rng_.next();
      const size_t bytes = out.size() < sizeof word ? out.size() : sizeof word;
      std::memcpy(out.data(), &word, bytes);
      out = out.subspan(bytes);
    }
  }

 private:
  Rng rng_;
};

}  // namespace number_dispenser::sim
