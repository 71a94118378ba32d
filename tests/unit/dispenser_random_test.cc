#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "number_dispenser/base/random.h"
#include "number_dispenser/dispenser/kind.h"

namespace number_dispenser {
namespace {

// Chi-squared of a million draws over `cells` equal parts of the range. Fails a uniform source once
// in a million runs.
void expect_uniform(unsigned length, uint64_t cells) {
  constexpr uint64_t kDraws = 1'000'000;
  const RandomRange range = random_range(length);
  ASSERT_EQ(range.count % cells, 0U);
  std::vector<uint64_t> seen(cells);
  KernelRandom random;
  for (uint64_t draw = 0; draw < kDraws; ++draw)
    ++seen[random.below(range.count) / (range.count / cells)];
  const double expected = static_cast<double>(kDraws) / static_cast<double>(cells);
  const double chi_squared =
      std::accumulate(seen.begin(), seen.end(), 0.0, [&](double sum, uint64_t count) {
        const double off = static_cast<double>(count) - expected;
        return sum + off * off / expected;
      });
  const double freedom = static_cast<double>(cells - 1);
  // Wilson and Hilferty's approximation of the quantile; 4.753 standard deviations are p = 1e-6.
  const double root = 1 - 2 / (9 * freedom) + 4.753 * std::sqrt(2 / (9 * freedom));
  EXPECT_LT(chi_squared, freedom * root * root * root) << "length " << length;
}

TEST(RandomKind, LengthOneIsUniform) {
  expect_uniform(1, 9);
}
TEST(RandomKind, LengthTwoIsUniform) {
  expect_uniform(2, 90);
}
TEST(RandomKind, LengthSevenIsUniform) {
  expect_uniform(7, 9000);
}

}  // namespace
}  // namespace number_dispenser
