// The bytes of a state file as a simulation begins with it.
#pragma once

#include <cstdint>
#include <vector>

#include "rng.h"

namespace number_dispenser::sim {

// Of `extents` extents (at most 16, few, so that growth is met at once), whose first slots belong
// to `tenants` dispensers called f0, f1 and so on that nobody asks for: those that are defined
// later lie across the edges of extents.
std::vector<std::byte> fresh_state(Rng& rng, uint64_t extents, uint32_t tenants = 0);

}  // namespace number_dispenser::sim
