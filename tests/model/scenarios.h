// The list of what is explored.
#pragma once

#include <span>

#include "clients.h"

namespace number_dispenser::model {

std::span<const Scenario> scenarios();

}  // namespace number_dispenser::model
