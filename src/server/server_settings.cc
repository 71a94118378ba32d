// What of the configuration is in force: at the start, and again at SIGHUP.
#include <algorithm>

#include "number_dispenser/base/log.h"
#include "server.h"

namespace number_dispenser {

// What may also change while the server runs. All of it or nothing; and only what the configuration
// says differently than before, since clients may have set the rest.
Result<void> Server::apply(const Config& config) {
  if (!config.acl_file.empty())
    if (const auto fault = context_->load_acl()) return fail(ExitStatus::kConfiguration, *fault);
  const auto changed = [&](auto option) {
    return !applied_ || (*applied_).*option != config.*option;
  };
  // As in Redis, a password in the configuration is the default user's, whatever the file says.
  const bool new_password = config.requirepass != (applied_ ? applied_->requirepass : "");
  if (new_password || (!config.acl_file.empty() && !config.requirepass.empty()))
    context_->acl.set_default_password(config.requirepass);
  if (changed(&Config::protected_mode)) context_->protected_mode.store(config.protected_mode);
  context_->set_tls(config.tls);
  limit_clients(config.clients);
  if (changed(&Config::slowlog_log_slower_than_us))
    context_->slow_log.set_slower_than_us(config.slowlog_log_slower_than_us);
  if (changed(&Config::slowlog_max_len))
    context_->slow_log.set_max_len(static_cast<uint64_t>(config.slowlog_max_len));
  if (changed(&Config::latency_monitor_threshold_ms))
    context_->latency.set_threshold_ms(static_cast<uint64_t>(config.latency_monitor_threshold_ms));
  if (changed(&Config::latency_tracking))
    context_->latency_tracking.set_on(config.latency_tracking);
  if (changed(&Config::latency_percentiles))
    context_->latency_tracking.set_percentiles(config.latency_percentiles);
  if (changed(&Config::log_level)) set_log_level(config.log_level);
  applied_ = config;
  return {};
}

// As above, before applied_ follows.
void Server::limit_clients(const ClientConfig& config) {
  ClientLimits& limits = context_->limits;
  const auto changed = [&](auto option) {
    return !applied_ || applied_->clients.*option != config.*option;
  };
  const uint64_t fit = context_->facts.open_files_clients;
  if (changed(&ClientConfig::max_clients)) {
    if (fit < config.max_clients)
      log_warn(
          "maxclients is {} and not {}: the limit of open files (LimitNOFILE, ulimit -n) allows "
          "no more",
          fit, config.max_clients);
    limits.max_clients_asked.store(config.max_clients);
    limits.max_clients.store(std::min(config.max_clients, fit));
  }
  if (changed(&ClientConfig::max_memory))
    limits.set_memory(config.max_memory, context_->facts.usable_memory_bytes);
  if (changed(&ClientConfig::timeout_s)) limits.timeout_s.store(config.timeout_s);
  if (changed(&ClientConfig::tcp_keepalive_s)) limits.tcp_keepalive_s.store(config.tcp_keepalive_s);
  if (changed(&ClientConfig::output)) limits.set_output(config.output);
}

}  // namespace number_dispenser
