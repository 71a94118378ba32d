// The names that INFO uses for its sections, which no dispenser may have.
#pragma once

#include <string_view>

namespace number_dispenser {

// Ignoring case.
bool is_section_name(std::string_view name);

}  // namespace number_dispenser
