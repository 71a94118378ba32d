// `commands`: the tables of the commands and of the command line, for people and for programs.
#pragma once

#include <span>
#include <string>

#include "number_dispenser/base/error.h"

namespace number_dispenser {

// All commands, a line each, or those that `names` names: a command, or a command and its
// subcommand. An error (64) where there is none of that name.
Result<std::string> describe_commands(std::span<const std::string> names);

// The same, and what the command line accepts, as JSON.
Result<std::string> describe_commands_as_json(std::span<const std::string> names);

}  // namespace number_dispenser
