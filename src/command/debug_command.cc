// DEBUG, for those who test what their programs do while a server stands still.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include "handlers.h"
#include "number_dispenser/command/client_session.h"
#include "text.h"

namespace number_dispenser::handlers {
namespace {

bool is_allowed(Call& call) {
  const DebugCommand who = call.client.context().facts.debug_command;
  return who == DebugCommand::kYes || (who == DebugCommand::kLocal && call.client.is_local());
}

// As strtod reads it, because Redis does: what is no number is 0.
std::chrono::duration<double> seconds_of(std::string_view text) {
  constexpr double kLongest = 86400;
  return std::chrono::duration<double>(
      std::clamp(std::strtod(std::string(text).c_str(), nullptr), 0.0, kLongest));
}

Next debug_help(Call& call) {
  constexpr std::string_view kLines[] = {
      "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "SLEEP <seconds>",
      "    Stops this connection's loop for so long, with all of its clients; the first loop",
      "    flushes for the others. Decimals are allowed.",
      "HELP",
      "    Prints this help.",
  };
  call.reply.array(std::size(kLines));
  for (const std::string_view line : kLines) call.reply.simple(line);
  return Next::kContinue;
}

}  // namespace

Next debug(Call& call) {
  if (!is_allowed(call))
    return error(
        call,
        "ERR DEBUG command not allowed. If the enable-debug-command option is set to "
        "\"local\", you can run it from a local connection, otherwise you need to set this "
        "option in the configuration file, and then restart the server.");
  if (call.words.size() == 2 && equals_ignoring_case(call.words[1], "help"))
    return debug_help(call);
  if (call.words.size() != 3 || !equals_ignoring_case(call.words[1], "sleep"))
    return error(call,
                 fmt::format("ERR unknown subcommand or wrong number of arguments for '{}'. Try "
                             "DEBUG HELP.",
                             printable(call.words[1])));
  std::this_thread::sleep_for(seconds_of(call.words[2]));
  return ok(call);
}

}  // namespace number_dispenser::handlers
