#include "number_dispenser/dispenser/kind.h"

#include <algorithm>
#include <array>

#include "number_dispenser/base/check.h"

namespace number_dispenser {

uint64_t power_of_ten(unsigned exponent) {
  static constexpr auto kPowers = [] {
    std::array<uint64_t, kMaxLength + 1> powers{1};
    for (size_t at = 1; at < powers.size(); ++at) powers[at] = powers[at - 1] * 10;
    return powers;
  }();
  ND_CHECK(exponent <= kMaxLength, "exponent {}", exponent);
  return kPowers[exponent];
}

uint64_t largest_number(const Definition& definition) {
  return definition.kind == Kind::kIncrementing ? kMaxNumber : power_of_ten(definition.length) - 1;
}

uint64_t capacity_of(const Definition& definition) {
  if (definition.kind == Kind::kRandom) return kNoLimit;
  return (largest_number(definition) - definition.starting) / definition.step + 1;
}

bool is_valid_name(std::string_view name) {
  const auto is_bad = [](unsigned char c) { return c <= ' ' || c == 0x7f; };
  return !name.empty() && name.size() <= kLongestName && std::ranges::none_of(name, is_bad);
}

bool is_valid(const Definition& definition) {
  const bool has_length = definition.length >= 1 && definition.length <= kMaxLength;
  switch (definition.kind) {
    case Kind::kRandom:
      return has_length && definition.starting == 0 && definition.step == 0;
    case Kind::kFixedLength:
      if (!has_length) return false;
      break;
    case Kind::kIncrementing:
      if (definition.length != 0) return false;
      break;
    default:
      return false;
  }
  return definition.step >= 1 && definition.step <= kMaxNumber &&
         definition.starting <= largest_number(definition);
}

RandomRange random_range(unsigned length) {
  const uint64_t first = length == 1 ? 1 : power_of_ten(length - 1);
  return {first, power_of_ten(length) - first};
}

}  // namespace number_dispenser
