// What all sessions of a server share. Owned by the server.
#pragma once

#include <sys/socket.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "number_dispenser/base/clock.h"
#include "number_dispenser/base/debug_command.h"
#include "number_dispenser/base/random.h"
#include "number_dispenser/base/tls_settings.h"
#include "number_dispenser/cluster/cluster.h"
#include "number_dispenser/command/acl.h"
#include "number_dispenser/command/clients.h"
#include "number_dispenser/command/command.h"
#include "number_dispenser/command/latency.h"
#include "number_dispenser/command/login_guard.h"
#include "number_dispenser/command/monitors.h"
#include "number_dispenser/command/slow_log.h"
#include "number_dispenser/command/traffic.h"
#include "number_dispenser/dispenser/registry.h"
#include "number_dispenser/net/client_limits.h"
#include "number_dispenser/net/loop.h"

namespace number_dispenser {

// What INFO and CONFIG GET say of the process. Fixed once the loops run.
struct ServerFacts {
  std::string version;
  std::string executable;
  std::string config_file;
  std::string acl_file;
  DebugCommand debug_command = DebugCommand::kNo;
  std::string data_dir;
  std::vector<std::string> addresses;
  int tcp_port = 0;  // the first one without TLS, 0: none
  int tls_port = 0;  // the first one with TLS, 0: none
  unsigned threads = 1;
  std::string run_id;  // 40 hexadecimal digits
  uint64_t started_ns = 0;
  uint64_t open_files_clients = 0;   // as many as the limit of open files allows
  uint64_t usable_memory_bytes = 0;  // of the machine or the control group
};

// How often each command ran. Written by one loop, read by any thread; reset() by any.
class CommandStats {
 public:
  struct Row {
    Counter calls, rejected, failed;
    Counter timed_calls, timed_ns;  // of the calls that were timed
    LatencyHistogram latency;       // of those, while latency-tracking is on
  };

  CommandStats() : rows_(all_commands().size()) {}
  Row& of(const Command& command) { return rows_[index_of(command)]; }
  const Row& of(const Command& command) const { return rows_[index_of(command)]; }

  Counter hits, misses;  // names looked up that were, or were not, a dispenser's

  // `text`: an error reply without its "-".
  void count_error(std::string_view text);
  std::map<std::string, uint64_t> errors() const;
  void reset();

 private:
  std::vector<Row> rows_;
  mutable std::mutex mutex_;
  std::map<std::string, uint64_t, std::less<>> errors_;
};

// A key of the configuration file as "section.key", and the value that it should have.
using FileValue = std::pair<std::string_view, std::string>;

struct CommandContext {
  Registry& registry;
  const Clock& clock;
  ServerFacts facts;
  std::function<void()> stop;  // as SIGTERM does; any thread
  Acl acl{};
  ClientLimits limits{};
  std::atomic<bool> protected_mode{true};  // strangers are refused while the ACL is open

  // Those in force; without the key's password. Any thread.
  TlsSettings tls() const;
  void set_tls(const TlsSettings& settings);
  // What watches the commands.
  SlowLog slow_log{};
  LatencyMonitor latency{};
  LatencyTracking latency_tracking{};
  Traffic traffic{};
  LoopTotals loop_totals() const;
  LatencyDistribution latency_of(const Command& command) const;
  // Brings the configuration file up to date: the reason why not, or nothing. Empty where the
  // server has no such file.
  std::function<std::optional<std::string>(std::span<const FileValue>)> rewrite_config{};

  // From and to facts.acl_file; the reason why not, or nothing.
  std::optional<std::string> load_acl();
  std::optional<std::string> save_acl() const;

  struct PerLoop {
    Registry::View* view = nullptr;
    RandomSource* random = nullptr;
    const LoopStats* stats = nullptr;
    std::unique_ptr<CommandStats> commands = std::make_unique<CommandStats>();
  };
  std::vector<PerLoop> loops;
  std::atomic<uint64_t> next_client_id{1};

  ClientDirectory clients{};
  Pause pause{};
  Monitors monitors{};
  LoginGuard login_guard{};
  // Null where the server serves alone.
  Cluster* cluster = nullptr;
  // A segment that is missing is on its way; else what to say.
  bool leases() const { return cluster != nullptr && cluster->leases() && !stopping.load(); }
  std::string_view why_not_leasing() const;
  // What is said when nothing is issued any more.
  std::string_view why_not_issuing() const;

  // See SessionFactory::news(): a pause ended, a client was killed, a monitor has lines.
  std::atomic<uint64_t> news{0};
  std::atomic<bool> stopping{false};
  // Ends the connection behind a descriptor of the directory.
  std::function<void(int fd)> hang_up = [](int fd) { ::shutdown(fd, SHUT_RDWR); };

  // The server stops: whoever waits for a pause or a penalty is answered. Any thread.
  void end_waits();
  mutable std::mutex tls_mutex{};
  TlsSettings tls_settings{};
};

}  // namespace number_dispenser
