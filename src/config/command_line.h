// The command line as settings; the values themselves are checked later, with those of all sources.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/option.h"

namespace number_dispenser {

struct Flag {
  std::string_view name;
  char letter;                // zero: none
  std::string_view commands;  // that use it, of those below
  std::string_view help;
};

struct Subcommand {
  std::string_view name;
  std::string_view help;
  Invocation::Action action;
};

// Tables that the help shows as well. The first command is the default.
std::span<const Flag> flags();
std::span<const Subcommand> commands();

struct CommandLine {
  Invocation::Action action = Invocation::Action::kServe;
  bool help = false;
  bool version = false;
  bool json = false;
  std::vector<std::string> names;  // kCommands: what is asked about
  Settings settings;
};

// `arguments`: without the program's name.
Result<CommandLine> parse_command_line(std::span<const char* const> arguments);

}  // namespace number_dispenser
