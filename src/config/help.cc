#include "config/help.h"

#include <fmt/format.h>

#include "config/command_line.h"
#include "config/option.h"
#include "config/text.h"

namespace number_dispenser {
namespace {

constexpr size_t kColumns = 80;
constexpr size_t kIndent = 26;  // of the explanations

constexpr std::string_view kHead = R"(Usage: number-dispenser [serve] [OPTION]...
       number-dispenser check [OPTION]...
       number-dispenser dump [--json] [OPTION]...
       number-dispenser commands [--json] [NAME]

Issues numbers over the Redis protocol, and none of them twice.
)";

constexpr std::string_view kTail = R"(
The command line outranks the environment, which outranks the file, which
outranks the defaults. One dash does as well as two, and the value follows a
space or an equals sign.

Files:
  DATA/dispensers.state   The dispensers and how far each may have gone.
  FILE                    YAML: a section such as "server:" and below it a key
                          such as "addr:" for what is shown as server.addr.

Examples:
  number-dispenser --addr 127.0.0.1:6380 --data /var/lib/number-dispenser
  number-dispenser dump --json --data /var/lib/number-dispenser

Exit status:
  0   stopped cleanly, or the command found nothing wrong
  64  the command line is wrong
  74  the state file is damaged, or could not be read or written
  75  another server holds the data folder, or the node's name in the cluster
  77  no permission, io_uring's among them
  78  the configuration file, the environment or an address is wrong, or the
      data folder does not belong to this cluster
)";

std::string row(const std::string& left, std::string_view explanation) {
  const std::string text = wrapped(explanation, kIndent, kColumns);
  const std::string head = fmt::format("  {}", left);
  if (head.size() + 2 > kIndent) return head + "\n" + text;
  return head + text.substr(head.size());
}

std::string option_row(const Option& option) {
  const std::string initial =
      option.default_text.empty() ? option.show(Config{}) : std::string(option.default_text);
  const std::string key = option.key.empty() ? "" : fmt::format(", {}", option.key);
  return row(fmt::format("--{} {}", option.name, option.value_name), option.help) +
         wrapped(fmt::format("[{}{}; default {}]", option.variable, key, initial), kIndent,
                 kColumns);
}

}  // namespace

std::string help_text() {
  std::string text(kHead);
  text += "\nCommands:\n";
  for (const Subcommand& command : commands()) text += row(std::string(command.name), command.help);
  text += "\nOptions [with their environment variable and their key in the file]:\n";
  for (const Option& option : options()) {
    if (!option.name.empty()) text += option_row(option);
  }
  for (const Flag& flag : flags()) {
    const std::string letter = flag.letter != 0 ? fmt::format("-{}, ", flag.letter) : "";
    text += row(fmt::format("{}--{}", letter, flag.name), flag.help);
  }
  return text.append(kTail);
}

}  // namespace number_dispenser
