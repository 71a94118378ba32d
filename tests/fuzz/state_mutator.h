// Makes and changes inputs of state_fuzz.
#pragma once

#include "seeded_random.h"
#include "state_input.h"

namespace number_dispenser::fuzz {

// What some minutes of a server's life have left, whatever their end.
StateInput make_valid_input(uint64_t seed);

// One change; most of those inside a record mend its checksum.
void change_input(StateInput& input, testing_support::SeededRandom& random);

}  // namespace number_dispenser::fuzz
