// The text of --help, at most 80 columns wide, written from the tables of options and commands.
#pragma once

#include <string>

namespace number_dispenser {

std::string help_text();

}  // namespace number_dispenser
