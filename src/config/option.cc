#include "config/option.h"

#include <algorithm>
#include <utility>

#include "config/choice.h"

namespace number_dispenser {
namespace {

constexpr std::pair<std::string_view, LogLevel> kLevels[] = {{"debug", LogLevel::kDebug},
                                                             {"info", LogLevel::kInfo},
                                                             {"warn", LogLevel::kWarn},
                                                             {"error", LogLevel::kError}};
constexpr std::pair<std::string_view, LogFormat> kFormats[] = {
    {"text", LogFormat::kText}, {"json", LogFormat::kJson}, {"journal", LogFormat::kJournal}};

Applied apply_address(Config& config, const std::string& text, bool first) {
  if (const auto address = parse_address(text); !address)
    return std::unexpected(address.error().message);
  if (first) config.addresses.clear();
  if (std::ranges::find(config.addresses, text) != config.addresses.end())
    return std::unexpected(fmt::format("{} is there twice", quoted(text)));
  config.addresses.push_back(text);
  return {};
}

Applied apply_threads(Config& config, const std::string& text, bool) {
  return choose_number(text, 1u, kMaxThreads, config.threads);
}

Applied check_flag(Config&, const std::string& text, bool) {
  bool ignored = false;
  return choose(kYesNo, text, ignored);
}

static_assert(kMaxThreads == 64, "the help of --threads says so");

const Option kOptions[] = {
    {.name = "addr",
     .value_name = "ADDRESS",
     .variable = "NUMBER_DISPENSER_ADDR",
     .key = "server.addr",
     .help = "Where to listen: HOST:PORT, :PORT for every interface, both also with tls: in front, "
             "or unix:PATH. Repeat it, or use commas in the variable, to listen on several.",
     .is_list = true,
     .apply = apply_address,
     .show = [](const Config& c) { return fmt::format("{}", fmt::join(c.addresses, " ")); }},
    {.name = "data",
     .value_name = "DIR",
     .variable = "NUMBER_DISPENSER_DATA",
     .key = "storage.data_dir",
     .help = "Folder of the state file; everything that must survive is in it.",
     .commands = "serve check dump",
     .apply = [](Config& c, const std::string& v, bool) { return choose_path(v, c.data_dir); },
     .show = [](const Config& c) { return c.data_dir; }},
    {.name = "run",
     .value_name = "DIR",
     .variable = "NUMBER_DISPENSER_RUN",
     .key = "server.run_dir",
     .help = "Folder on tmpfs for the live counters, with which a killed server resumes at the "
             "exact number.",
     .commands = "serve check dump",
     .apply = [](Config& c, const std::string& v, bool) { return choose_path(v, c.run_dir); },
     .show = [](const Config& c) { return c.run_dir; },
     .default_text = "$RUNTIME_DIRECTORY, else /dev/shm"},
    {.name = "config",
     .value_name = "FILE",
     .variable = "NUMBER_DISPENSER_CONFIG",
     .help = "Configuration file, YAML.",
     .commands = "serve check dump",
     .apply = [](Config& c, const std::string& v, bool) { return choose_path(v, c.config_file); },
     .show = [](const Config& c) { return c.config_file.empty() ? "(none)" : c.config_file; }},
    {.name = "threads",
     .value_name = "N",
     .variable = "NUMBER_DISPENSER_THREADS",
     .key = "server.threads",
     .help = "io_uring loops, one thread each; 1 to 64.",
     .apply = apply_threads,
     .show = [](const Config& c) { return std::to_string(c.threads); }},
    {.name = "log-level",
     .value_name = "debug|info|warn|error",
     .variable = "NUMBER_DISPENSER_LOG_LEVEL",
     .key = "logging.level",
     .help = "The least severe lines to log. Reread on SIGHUP.",
     .apply = [](Config& c, const std::string& v, bool) { return choose(kLevels, v, c.log_level); },
     .show = [](const Config& c) { return name_of(kLevels, c.log_level); }},
    {.name = "log-format",
     .value_name = "text|json|journal",
     .variable = "NUMBER_DISPENSER_LOG_FORMAT",
     .key = "logging.format",
     .help = "The form of a log line; journal is text with syslog priorities.",
     .apply = [](Config& c, const std::string& v,
                 bool) { return choose(kFormats, v, c.log_format); },
     .show = [](const Config& c) { return name_of(kFormats, c.log_format); },
     .default_text = "journal under systemd, else text"},
    {.name = "requirepass",
     .value_name = "PASSWORD",
     .variable = "NUMBER_DISPENSER_REQUIREPASS",
     .key = "server.requirepass",
     .help = "Password that clients send with AUTH. Others on this machine can see a command line, "
             "so prefer the variable or the file. Reread on SIGHUP.",
     .apply = [](Config& c, const std::string& v, bool) -> Applied {
       c.requirepass = v;
       return {};
     },
     .show = [](const Config& c) -> std::string {
       return c.requirepass.empty() ? "(none)" : "(set)";
     }},
    {.name = "aclfile",
     .value_name = "FILE",
     .variable = "NUMBER_DISPENSER_ACLFILE",
     .key = "server.aclfile",
     .help = "Users and what they may do, a line \"user NAME RULES\" each, as in Redis. Reread on "
             "SIGHUP.",
     .apply = [](Config& c, const std::string& v, bool) { return choose_path(v, c.acl_file); },
     .show = [](const Config& c) { return c.acl_file.empty() ? "(none)" : c.acl_file; }},
    {.name = "protected-mode",
     .value_name = "yes|no",
     .variable = "NUMBER_DISPENSER_PROTECTED_MODE",
     .key = "server.protected_mode",
     .help = "yes: while no password is set, only clients on the loopback address are served.",
     .apply = [](Config& c, const std::string& v,
                 bool) { return choose(kYesNo, v, c.protected_mode); },
     .show = [](const Config& c) { return name_of(kYesNo, c.protected_mode); }},

    // Accepted in files of the original server; durability is per dispenser.
    {.key = "storage.auto_save", .apply = check_flag},
};

}  // namespace

std::span<const Option> options() {
  static const std::vector<Option> all = [] {
    std::vector<Option> rows(std::begin(kOptions), std::end(kOptions));
    rows.insert(rows.end(), client_options().begin(), client_options().end());
    rows.insert(rows.end(), tls_options().begin(), tls_options().end());
    rows.insert(rows.end(), monitoring_options().begin(), monitoring_options().end());
    rows.insert(rows.end(), cluster_options().begin(), cluster_options().end());
    return rows;
  }();
  return all;
}

}  // namespace number_dispenser
