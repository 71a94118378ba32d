// What INFO says of the commands that ran.
#pragma once

#include <cstdint>
#include <string>

#include "number_dispenser/command/context.h"

namespace number_dispenser {

// Sections' lines.
std::string commandstats_section(const CommandContext& context);
std::string errorstats_section(const CommandContext& context);
std::string latencystats_section(const CommandContext& context);

uint64_t count_errors(const CommandContext& context);

// How often a name was a dispenser's, and how often not.
struct Lookups {
  uint64_t hits = 0;
  uint64_t misses = 0;
};
Lookups count_lookups(const CommandContext& context);

}  // namespace number_dispenser
