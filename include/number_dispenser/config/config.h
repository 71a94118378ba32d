// What the operator asked for: the command line, the environment, the YAML file and the defaults as
// one value, checked. For each option the first of these four that names it decides.
//
// Plain functions without state; nothing here throws. Errors are one line for people: what was
// wrong, where, and what is accepted. kUsage: the command line. kConfiguration: the environment or
// the file. kNoPermission: a file that this user may not read. No error repeats a password that
// came from the file or the environment.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "number_dispenser/base/amount.h"
#include "number_dispenser/base/cluster_settings.h"
#include "number_dispenser/base/debug_command.h"
#include "number_dispenser/base/error.h"
#include "number_dispenser/base/listen_address.h"
#include "number_dispenser/base/log.h"
#include "number_dispenser/base/tls_settings.h"

namespace number_dispenser {

inline constexpr unsigned kDefaultThreads = 1;
inline constexpr unsigned kMaxThreads = 64;

// Of clients; in Redis's words.
struct ClientConfig {
  uint64_t max_clients = 10'000;  // 1 or more
  MemoryShare max_memory{.percent = 25};
  uint64_t timeout_s = 0;
  uint64_t tcp_keepalive_s = 300;  // 0..kMaxKeepaliveS
  OutputLimit output;

  bool operator==(const ClientConfig&) const = default;
};

struct Config {
  // Each one satisfies parse_address; none twice. Those that tls.port stands for are among them.
  std::vector<std::string> addresses{":6380"};
  std::string data_dir = "./data";
  std::string run_dir;                 // resolved: never empty after parse_invocation
  unsigned threads = kDefaultThreads;  // 1..kMaxThreads
  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kText;
  std::string requirepass;  // empty: no password
  std::string acl_file;     // empty: none
  bool protected_mode = true;
  ClientConfig clients;
  unsigned unix_socket_mode = 0;  // 0: as the umask has it
  std::string unix_socket_group;  // empty: this process's
  std::string config_file;        // empty: none
  TlsSettings tls;
  int64_t slowlog_log_slower_than_us = 10'000;  // negative: nothing is logged
  int64_t slowlog_max_len = 128;                // 0 or more
  int64_t latency_monitor_threshold_ms = 0;     // 0: off
  bool latency_tracking = true;
  std::vector<double> latency_percentiles{50, 99, 99.9};  // each 0 to 100
  DebugCommand debug_command = DebugCommand::kNo;
  ClusterSettings cluster;
};

struct Invocation {
  enum class Action { kServe, kCheck, kDump, kCommands, kCheckConfig, kPrintAndExit };

  Action action = Action::kServe;
  Config config;
  bool json = false;               // kDump, kCommands
  std::vector<std::string> names;  // kCommands: the command asked about, word by word; empty: all
  std::string text;  // kCheckConfig and kPrintAndExit: for standard output; then exit with 0
};

// The value of an environment variable, or nothing where it is not set. An empty value counts as
// not set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

// The environment of this process.
std::optional<std::string> process_environment(const std::string& name);

// `arguments` is argv as main got it, the program's name first.
Result<Invocation> parse_invocation(std::span<const char* const> arguments,
                                    const Environment& environment);

// Reads everything again, as SIGHUP asks for. The caller takes over what may change at run time.
Result<Config> reload(std::span<const char* const> arguments, const Environment& environment);

// A key of the configuration file as "section.key", and the value that it should have.
using FileValue = std::pair<std::string_view, std::string>;
// Changes the values in the file that differ, and adds those that differ from the default; all else
// stays as it is, comments included. In one step; the reason why not, or nothing.
std::optional<std::string> rewrite_config_file(const std::string& path,
                                               std::span<const FileValue> values);

// HOST:PORT, [IPV6]:PORT, :PORT for every interface, each with tls: before it or not, or unix:PATH.
// Names are not looked up. The status of an error is kUsage.
Result<ListenAddress> parse_address(std::string_view text);

}  // namespace number_dispenser
