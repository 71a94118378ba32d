// Parses, runs, and is the only place that catches.
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <span>

#include "number_dispenser/config/config.h"
#include "server/inspect.h"
#include "server/reference.h"
#include "server/server.h"

namespace number_dispenser {
namespace {

int failed(const Error& error) {
  // One line, and with the journal's priority where it asks for that: the log knows.
  log_error("{}", error.message);
  return static_cast<int>(error.status);
}

int print(const Result<std::string>& text) {
  if (!text) return failed(text.error());
  fmt::print("{}", *text);
  return 0;
}

int serve(const Config& config, std::span<const char* const> arguments) {
  auto server =
      Server::create(config, [arguments] { return reload(arguments, process_environment); });
  if (!server) return failed(server.error());
  const auto ran = (*server)->run();
  return ran ? 0 : failed(ran.error());
}

int run(std::span<const char* const> arguments) {
  const auto invocation = parse_invocation(arguments, process_environment);
  if (!invocation) {
    fmt::print(stderr, "number-dispenser: {}\n", invocation.error().message);
    return static_cast<int>(invocation.error().status);
  }
  const Config& config = invocation->config;
  set_log_format(config.log_format);
  set_log_level(config.log_level);
  switch (invocation->action) {
    case Invocation::Action::kServe:
      return serve(config, arguments);
    case Invocation::Action::kCheck:
      return print(check_state(config.data_dir, config.run_dir));
    case Invocation::Action::kDump:
      return print(dump_state(config.data_dir, config.run_dir, invocation->json));
    case Invocation::Action::kCommands:
      return print(invocation->json ? describe_commands_as_json(invocation->names)
                                    : describe_commands(invocation->names));
    case Invocation::Action::kCheckConfig:
      if (const auto checked = Server::check(config); !checked) return failed(checked.error());
      [[fallthrough]];
    case Invocation::Action::kPrintAndExit:
      fmt::print("{}", invocation->text);
      return 0;
  }
  return 0;
}

}  // namespace
}  // namespace number_dispenser

int main(int argc, char** argv) {
  try {
    return number_dispenser::run({argv, static_cast<size_t>(argc)});
  } catch (const std::exception& unexpected) {
    fmt::print(stderr, "number-dispenser: {}\n", unexpected.what());
    return static_cast<int>(number_dispenser::ExitStatus::kIoError);
  }
}
