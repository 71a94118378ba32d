// What of a request must not be shown again.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "number_dispenser/command/command.h"

namespace number_dispenser {

// The words with "(redacted)", Redis's word for it, in place of passwords. `words` fit the arity.
std::vector<std::string_view> without_secrets(const Command& command,
                                              std::span<const std::string_view> words);

}  // namespace number_dispenser
