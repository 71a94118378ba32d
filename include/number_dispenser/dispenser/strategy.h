// Strategies: a strategy is a waste budget. All five are the same code with another row of this
// table.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace number_dispenser {

enum class StrategyId : uint8_t { kMemory, kPreBase, kPreCheckpoint, kPreClose, kElegantClose };

struct Strategy {
  StrategyId id;
  std::string_view name;         // as `auto_disk` spells it
  bool durable;                  // false: the counter is never written
  uint64_t generated_per_waste;  // one number may be wasted for so many generated; 0: none at all
  bool retracts_when_idle;       // the bound goes back to the exact position
};

// r = 1 / (1 + generated_per_waste): 50 %, 5 %, 0.1 %, 0.
inline constexpr std::array<Strategy, 5> kStrategies{{
    {StrategyId::kMemory, "memory", false, 0, false},
    {StrategyId::kPreBase, "pre-base", true, 1, false},
    {StrategyId::kPreCheckpoint, "pre-checkpoint", true, 19, true},
    {StrategyId::kPreClose, "pre_close", true, 999, true},
    {StrategyId::kElegantClose, "elegant_close", true, 0, false},
}};
inline constexpr StrategyId kDefaultStrategy = StrategyId::kElegantClose;
inline constexpr std::string_view kStrategyNames =
    "memory, pre-base, pre-checkpoint, pre_close, elegant_close";

constexpr const Strategy& strategy_of(StrategyId id) {
  return kStrategies[static_cast<size_t>(id)];
}

// Case-insensitive; `pre_base` and `pre-base` are the same.
std::optional<StrategyId> parse_strategy(std::string_view name);

}  // namespace number_dispenser
