#include "number_dispenser/config/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "config/command_line.h"
#include "config/file.h"
#include "config/help.h"
#include "config/option.h"
#include "config/text.h"

namespace number_dispenser {
namespace {

using Action = Invocation::Action;

std::optional<std::string> lookup(const Environment& environment, std::string_view name) {
  auto value = environment(std::string(name));
  return value && !value->empty() ? std::move(value) : std::nullopt;
}

std::vector<std::string> split_at_commas(std::string_view text) {
  std::vector<std::string> parts;
  size_t comma = 0;
  while ((comma = text.find(',')) != std::string_view::npos) {
    parts.emplace_back(text.substr(0, comma));
    text.remove_prefix(comma + 1);
  }
  parts.emplace_back(text);
  return parts;
}

Settings read_environment(const Environment& environment) {
  Settings settings;
  for (const Option& option : options()) {
    if (option.variable.empty()) continue;
    const std::string variable(option.variable);
    const auto text = lookup(environment, variable);
    if (!text) continue;
    const auto values = option.is_list ? split_at_commas(*text) : std::vector{*text};
    for (const std::string& value : values) settings.push_back({&option, value, variable});
  }
  return settings;
}

Config defaults(const Environment& environment) {
  Config config;
  // systemd lists several folders with colons between them.
  const std::string runtime = lookup(environment, "RUNTIME_DIRECTORY").value_or("");
  config.run_dir = runtime.substr(0, runtime.find(':'));
  if (config.run_dir.empty()) config.run_dir = "/dev/shm";
  if (lookup(environment, "JOURNAL_STREAM")) config.log_format = LogFormat::kJournal;
  return config;
}

// Later calls outrank earlier ones.
Result<void> apply(Config& config, const Settings& settings, ExitStatus status) {
  const Option* previous = nullptr;
  for (const Setting& setting : settings) {
    const Option* option = setting.option;
    const bool first = std::exchange(previous, option) != option;
    if (const auto applied = option->apply(config, setting.value, first); !applied)
      return fail(status, fmt::format("{}: {}", setting.where, applied.error()));
  }
  return {};
}

// The TLS port is one more on each host that plain clients have; without any, on every interface.
Result<void> add_tls_port(Config& config) {
  if (config.tls.port == 0) return {};
  std::vector<std::string> hosts;
  for (const std::string& text : config.addresses) {
    const auto address = parse_address(text);
    if (!address || address->kind != ListenAddress::Kind::kTcp) continue;
    if (address->port == config.tls.port)
      return fail(ExitStatus::kConfiguration,
                  fmt::format("the TLS port {} is also that of the address {}: choose another "
                              "with --tls-port",
                              config.tls.port, quoted(text)));
    if (!address->tls) hosts.push_back(text.substr(0, text.rfind(':')));
  }
  if (hosts.empty()) hosts.emplace_back();
  for (const std::string& host : hosts) {
    std::string address = fmt::format("tls:{}:{}", host, config.tls.port);
    if (std::ranges::find(config.addresses, address) == config.addresses.end())
      config.addresses.push_back(std::move(address));
  }
  return {};
}

// Every source is checked, also where another one decides: an error that only shows when a variable
// is taken away is found too late.
Result<Config> merge(const CommandLine& line, const Environment& environment) {
  Config config = defaults(environment);
  // The two that may name the file come before it, and again after it, since they outrank it.
  const auto apply_both = [&]() -> Result<void> {
    auto applied = apply(config, read_environment(environment), ExitStatus::kConfiguration);
    return applied ? apply(config, line.settings, ExitStatus::kUsage) : applied;
  };
  auto applied = apply_both();
  if (applied && !config.config_file.empty()) {
    auto settings = read_config_file(config.config_file);
    if (!settings) return std::unexpected(settings.error());
    // Wherever it stands in the section, it comes after what it decides on.
    const auto decides = std::ranges::find_if(*settings, [](const Setting& setting) {
      return setting.option->key == kClusterEnabledKey;
    });
    if (decides != settings->end()) std::rotate(decides, decides + 1, settings->end());
    applied = apply(config, *settings, ExitStatus::kConfiguration);
    if (applied) applied = apply_both();
  }
  if (applied) applied = add_tls_port(config);
  if (const auto fault = fault_of(config.cluster); applied && fault)
    applied = fail(ExitStatus::kConfiguration, *fault);
  if (!applied) return std::unexpected(applied.error());
  return config;
}

std::string report(const Config& config) {
  std::string text = "configuration is valid\n";
  for (const Option& option : options()) {
    if (option.show != nullptr) text += fmt::format("{:<34}{}\n", option.name, option.show(config));
  }
  return text;
}

}  // namespace

std::optional<std::string> process_environment(const std::string& name) {
  const char* const value = std::getenv(name.c_str());
  return value != nullptr ? std::optional<std::string>(value) : std::nullopt;
}

Result<Invocation> parse_invocation(std::span<const char* const> arguments,
                                    const Environment& environment) {
  if (!arguments.empty()) arguments = arguments.subspan(1);
  const auto line = parse_command_line(arguments);
  if (!line) return std::unexpected(line.error());
  if (line->help) return Invocation{.action = Action::kPrintAndExit, .text = help_text()};
  if (line->version)
    return Invocation{.action = Action::kPrintAndExit, .text = "number-dispenser " ND_VERSION "\n"};

  if (line->action == Action::kCommands)
    return Invocation{.action = line->action, .json = line->json, .names = line->names};

  auto config = merge(*line, environment);
  if (!config) return std::unexpected(config.error());
  Invocation invocation{.action = line->action, .config = std::move(*config), .json = line->json};
  if (line->action == Action::kCheckConfig) invocation.text = report(invocation.config);
  return invocation;
}

Result<Config> reload(std::span<const char* const> arguments, const Environment& environment) {
  auto invocation = parse_invocation(arguments, environment);
  if (!invocation) return std::unexpected(invocation.error());
  return std::move(invocation->config);
}

}  // namespace number_dispenser
