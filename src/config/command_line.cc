#include "config/command_line.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "config/text.h"
#include "number_dispenser/config/accepted.h"

namespace number_dispenser {
namespace {

using Action = Invocation::Action;

constexpr Flag kFlags[] = {
    {"json", 0, "dump commands", "With dump and commands: JSON instead of text."},
    {"check-config", 0, "serve", "Verify the configuration, show the values in force, and exit."},
    {"version", 'V', "serve", "Show the version and exit."},
    {"help", 'h', "serve check dump commands", "Show this help and exit."},
};

constexpr Subcommand kCommands[] = {
    {"serve", "Listen and issue numbers. The default.", Action::kServe},
    {"check", "Verify the state file and say what recovery would do.", Action::kCheck},
    {"dump", "List the dispensers in the state file.", Action::kDump},
    {"commands", "Describe what clients can send, or only the command NAME.", Action::kCommands},
};

const Option* option_named(std::string_view name) {
  const auto found = std::ranges::find(options(), name, &Option::name);
  return name.empty() || found == options().end() ? nullptr : &*found;
}

// The original server's command line has one dash where others have two.
std::string with_two_dashes(std::string_view argument) {
  const bool one_dash = argument.size() > 2 && argument[0] == '-' && argument[1] != '-';
  return fmt::format("{}{}", one_dash ? "-" : "", argument);
}

const Option* option_in(std::string_view argument) {
  return argument.starts_with("--") ? option_named(argument.substr(2)) : nullptr;
}

// The arguments as CLI11 wants them: it reads -addr as a cluster of single letters, and takes the
// argument behind an empty --name= for the value. So dashes are doubled, and name and value split.
Result<std::vector<std::string>> normalised(std::span<const char* const> arguments) {
  std::vector<std::string> out;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string argument = with_two_dashes(arguments[i]);
    const size_t equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    const Option* option = option_in(name);
    const bool is_flag = std::ranges::any_of(
        kFlags, [&](const Flag& flag) { return name == fmt::format("--{}", flag.name); });
    if (is_flag && equals != std::string::npos)
      return fail(ExitStatus::kUsage, fmt::format("{} takes no value", name));
    out.push_back(option != nullptr ? name : argument);
    if (option == nullptr) continue;
    if (equals != std::string::npos) {
      out.push_back(argument.substr(equals + 1));
    } else if (i + 1 < arguments.size() &&
               option_in(with_two_dashes(arguments[i + 1])) == nullptr) {
      out.emplace_back(arguments[++i]);
    } else {
      return fail(ExitStatus::kUsage,
                  fmt::format("{0} needs a value: {0}={1}", name, option->value_name));
    }
  }
  return out;
}

// What was meant by an option that does not exist, as the end of a sentence.
std::string suggestion(std::string_view unknown) {
  constexpr size_t kMaxTypos = 2;
  std::string_view best;
  size_t least = kMaxTypos + 1;
  const auto consider = [&](std::string_view name) {
    if (const size_t typos = edit_distance(unknown, name); !name.empty() && typos < least) {
      least = typos;
      best = name;
    }
  };
  for (const Option& option : options()) consider(option.name);
  for (const Flag& flag : flags()) consider(flag.name);
  return best.empty() ? "--help lists them all" : fmt::format("did you mean --{}?", best);
}

std::unexpected<Error> refuse_extra(std::string_view argument) {
  if (!argument.starts_with('-')) {
    std::vector<std::string_view> names;
    for (const Subcommand& command : kCommands) names.push_back(command.name);
    return fail(ExitStatus::kUsage,
                fmt::format("unexpected argument {}; accepted is one command of {}",
                            quoted(argument), fmt::join(names, ", ")));
  }
  argument = argument.substr(0, argument.find('='));
  std::string_view name = argument;
  name.remove_prefix(std::min(name.find_first_not_of('-'), name.size()));
  return fail(ExitStatus::kUsage,
              fmt::format("unknown option {}; {}", quoted(argument), suggestion(name)));
}

// CLI11's parser, built from the tables.
class Parser {
 public:
  Parser() {
    app_.set_help_flag();
    app_.allow_extras();
    app_.fallthrough();
    app_.require_subcommand(0, 1);
    for (const Option& option : options()) {
      if (option.name.empty()) continue;
      app_.add_option(fmt::format("--{}", option.name))
          ->allow_extra_args(false)
          ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    }
    for (const Flag& flag : kFlags) {
      const std::string letter = flag.letter != 0 ? fmt::format("-{},", flag.letter) : "";
      app_.add_flag(fmt::format("{}--{}", letter, flag.name));
    }
    for (const Subcommand& command : kCommands) app_.add_subcommand(std::string(command.name));
  }

  Result<CommandLine> parse(std::vector<std::string> arguments) {
    std::ranges::reverse(arguments);  // CLI11 takes them off the end
    try {
      app_.parse(std::move(arguments));
    } catch (const CLI::Error& error) {
      return fail(ExitStatus::kUsage, error.what());
    }
    CommandLine line{.help = has("help"), .version = has("version"), .json = has("json")};
    if (line.help || line.version) return line;
    for (const Subcommand& command : kCommands) {
      if (app_.got_subcommand(std::string(command.name))) line.action = command.action;
    }
    for (std::string& extra : app_.remaining(true)) {
      if (line.action != Action::kCommands || extra.starts_with('-')) return refuse_extra(extra);
      line.names.push_back(std::move(extra));
    }
    if (line.json && line.action != Action::kDump && line.action != Action::kCommands)
      return fail(ExitStatus::kUsage, "--json goes with the commands dump and commands only");
    if (has("check-config")) line.action = Action::kCheckConfig;
    collect(line.settings);
    return line;
  }

 private:
  bool has(const std::string& flag) const { return app_.count("--" + flag) > 0; }

  void collect(Settings& settings) const {
    for (const Option& option : options()) {
      if (option.name.empty()) continue;
      const std::string name = fmt::format("--{}", option.name);
      std::vector<std::string> values = app_.get_option(name)->results();
      if (!option.is_list && !values.empty()) values = {values.back()};  // the last one counts
      for (std::string& value : values) settings.push_back({&option, std::move(value), name});
    }
  }

  CLI::App app_;
};

}  // namespace

std::span<const Flag> flags() {
  return kFlags;
}
std::span<const Subcommand> commands() {
  return kCommands;
}

std::vector<AcceptedCommand> accepted_commands() {
  std::vector<AcceptedCommand> accepted;
  for (const auto& [name, help, action] : kCommands) accepted.push_back({name, help});
  return accepted;
}

std::vector<AcceptedOption> accepted_options() {
  std::vector<AcceptedOption> accepted;
  for (const Option& option : options()) {
    if (!option.name.empty())
      accepted.push_back({option.name, 0, option.value_name, option.help, option.commands});
  }
  for (const auto& [name, letter, commands, help] : kFlags)
    accepted.push_back({name, letter, "", help, commands});
  return accepted;
}

Result<CommandLine> parse_command_line(std::span<const char* const> arguments) {
  auto list = normalised(arguments);
  if (!list) return std::unexpected(list.error());
  return Parser().parse(std::move(*list));
}

}  // namespace number_dispenser
