#include "number_dispenser/dispenser/strategy.h"

#include <algorithm>

namespace number_dispenser {

std::optional<StrategyId> parse_strategy(std::string_view name) {
  const auto folded = [](char c) -> char {
    if (c == '-') return '_';
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  for (const Strategy& strategy : kStrategies)
    if (std::ranges::equal(name, strategy.name, {}, folded, folded)) return strategy.id;
  return std::nullopt;
}

}  // namespace number_dispenser
