#include "number_dispenser/dispenser/strategy.h"

#include <algorithm>

#include "number_dispenser/base/text.h"

namespace number_dispenser {

std::optional<StrategyId> parse_strategy(std::string_view name) {
  const auto folded = [](char c) { return c == '-' ? '_' : to_lower(c); };
  for (const Strategy& strategy : kStrategies)
    if (std::ranges::equal(name, strategy.name, {}, folded, folded)) return strategy.id;
  return std::nullopt;
}

}  // namespace number_dispenser
