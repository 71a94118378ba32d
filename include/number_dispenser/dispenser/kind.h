// Kinds of number. A kind is a pure function from an ordinal (0, 1, 2 ...) to a number; only the
// random kind draws. Exhaustion is one comparison of the ordinal with the capacity, so nothing
// overflows.
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>

namespace number_dispenser {

enum class Kind : uint8_t { kRandom = 1, kFixedLength = 2, kIncrementing = 3 };

inline constexpr uint64_t kMaxNumber = std::numeric_limits<int64_t>::max();
inline constexpr unsigned kMaxLength = 18;  // 10^18 - 1 is the longest run of nines below 2^63
inline constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();

// What HSET said of the numbers. Fields that a kind does not have are 0.
struct Definition {
  Kind kind = Kind::kIncrementing;
  uint8_t length = 0;     // digits, 1..18; kinds 1 and 2
  uint64_t starting = 0;  // kinds 2 and 3
  uint64_t step = 0;      // at least 1; kinds 2 and 3

  friend bool operator==(const Definition&, const Definition&) = default;
};

// 10^exponent, exponent 0..18.
uint64_t power_of_ten(unsigned exponent);

// The largest number the kind may issue.
uint64_t largest_number(const Definition& definition);

// How many ordinals have a number: ordinals at or past it are exhausted. kNoLimit for the random
// kind.
uint64_t capacity_of(const Definition& definition);

inline constexpr size_t kLongestName = 128;
// 1 to kLongestName bytes, no space and no control character.
bool is_valid_name(std::string_view name);

// For every definition that HSET accepts.
bool is_valid(const Definition& definition);

// The random kind's range: [first, first + count).
struct RandomRange {
  uint64_t first;
  uint64_t count;
};
RandomRange random_range(unsigned length);

}  // namespace number_dispenser
