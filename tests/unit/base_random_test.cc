#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "number_dispenser/base/random.h"

namespace number_dispenser {
namespace {

// Yields the given words, the last ones first: a pool is drawn from its end.
class CraftedRandom final : public RandomSource {
 public:
  explicit CraftedRandom(std::vector<uint64_t> draws) : draws_(std::move(draws)) {}
  void fill(std::span<std::byte> out) override {
    ++fills;
    std::vector<uint64_t> words(out.size() / sizeof(uint64_t), 0);
    for (size_t at = 0; at < draws_.size() && at < words.size(); ++at)
      words[words.size() - 1 - at] = draws_[at];
    std::memcpy(out.data(), words.data(), out.size());
  }
  int fills = 0;

 private:
  std::vector<uint64_t> draws_;
};

constexpr uint64_t kTop = ~uint64_t{0};

TEST(RandomBelow, MapsTheLowestAndTheHighestWordToTheEnds) {
  CraftedRandom random({1, kTop});
  EXPECT_EQ(random.below(10), 0U);
  EXPECT_EQ(random.below(10), 9U);
}

// 2^64 = 6 modulo 10: the six words whose product's low half is below 6 are drawn again.
TEST(RandomBelow, ThrowsAwayTheDrawsOfTheIncompleteMultiple) {
  CraftedRandom random({0, 0, kTop / 2 + 1, 7});
  EXPECT_EQ(random.below(10), 0U) << "7 is the fourth word: 7 * 10 / 2^64";
  CraftedRandom biased_then_high({0, kTop});
  EXPECT_EQ(biased_then_high.below(10), 9U);
}

TEST(RandomBelow, KeepsADrawWhoseLowHalfIsJustPastTheBiasedOnes) {
  // For 3 the biased low halves are those below 1: a low half of 2 is kept although it is below 3.
  constexpr uint64_t kLowHalfIs2 = 0x5555555555555556;  // times 3 is 2^64 + 2
  CraftedRandom random({kLowHalfIs2, kTop});
  EXPECT_EQ(random.below(3), 1U);
  CraftedRandom biased({0, kTop});  // the low half is 0
  EXPECT_EQ(biased.below(3), 2U);
}

TEST(RandomBelow, APowerOfTwoThrowsNothingAway) {
  CraftedRandom random({0, kTop});
  EXPECT_EQ(random.below(1ULL << 63), 0U);
  EXPECT_EQ(random.below(1ULL << 63), (1ULL << 63) - 1);
}

TEST(RandomBelow, OneIsAlwaysZero) {
  CraftedRandom random({kTop, 5, 0});
  for (int draw = 0; draw < 3; ++draw) EXPECT_EQ(random.below(1), 0U);
}

TEST(RandomBelow, FillsOnceForSixtyFourDraws) {
  CraftedRandom random(std::vector<uint64_t>(64, kTop));
  for (int draw = 0; draw < 64; ++draw) EXPECT_EQ(random.below(10), 9U);
  EXPECT_EQ(random.fills, 1);
  random.below(10);
  EXPECT_EQ(random.fills, 2);
}

TEST(KernelRandom, FillsLongAndOddSizes) {
  KernelRandom random;
  std::vector<std::byte> bytes(100'003);
  random.fill(bytes);
  EXPECT_NE(std::count(bytes.end() - 64, bytes.end(), std::byte{0}), 64);
  EXPECT_NEAR(static_cast<double>(std::count(bytes.begin(), bytes.end(), std::byte{0})),
              static_cast<double>(bytes.size()) / 256, 200);
}

}  // namespace
}  // namespace number_dispenser
