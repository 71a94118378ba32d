// What the actors do, and the oracle that watches what clients get to see.
#pragma once

#include <string_view>
#include <vector>

#include "world.h"

namespace number_dispenser::model {

struct Dispenser {
  uint8_t kind;  // of kDefinitions
  StrategyId strategy;
  uint64_t issued;  // before the exploration starts
};

struct Scenario {
  std::string_view name;
  unsigned loops;
  std::vector<Dispenser> existing;   // by name
  std::vector<Dispenser> created;    // what HSET makes, by name
  std::vector<StrategyId> switches;  // that HSET asks for
  Budget budget;
  bool in_ci;
};

inline constexpr Definition kDefinitions[] = {
    {Kind::kIncrementing, 0, 0, 1},
    {Kind::kFixedLength, 1, 1, 4},  // has three numbers
    {Kind::kRandom, 6, 0, 0},
};
inline constexpr std::string_view kNameTexts[kNames] = {"a", "b"};

// The body of an actor's operation.
void run_operation(const Op& op);
// The process is gone, its files as they are.
void end_process();
// Sets up the world: a started server whose dispensers have issued what the scenario says.
void set_up(const Scenario& scenario);

// --- oracle.cc
// ------------------------------------------------------------------------------------------
uint8_t tenant_in_slot(uint32_t slot);
uint8_t new_tenant(uint32_t slot, uint8_t name, uint8_t kind, uint8_t strategy);
void note_drawn(uint8_t tenant, uint64_t ordinal);
void note_released(uint8_t tenant, uint64_t ordinal);
void note_asked(uint8_t tenant, uint64_t change, uint8_t strategy);
void note_settled(const Held& held);
// A start has ended: is everything there that clients know of, and nothing to be issued again?
void check_started();
// In any state: can every client still be answered?
void check_state();

}  // namespace number_dispenser::model
