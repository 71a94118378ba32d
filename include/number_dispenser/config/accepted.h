// What the command line accepts, for those who describe or complete it: the tables that parsing and
// --help walk. The texts live as long as the process.
#pragma once

#include <string_view>
#include <vector>

namespace number_dispenser {

struct AcceptedCommand {
  std::string_view name;
  std::string_view help;
};

struct AcceptedOption {
  std::string_view name;        // without dashes
  char letter;                  // zero: none
  std::string_view value_name;  // empty: takes none; with bars, in lower case: all that is accepted
  std::string_view help;
  std::string_view commands;  // that use it, with spaces between
};

// The first one is the default.
std::vector<AcceptedCommand> accepted_commands();
// Options, then flags.
std::vector<AcceptedOption> accepted_options();

}  // namespace number_dispenser
