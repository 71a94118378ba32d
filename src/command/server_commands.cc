// What operators ask of the server.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "client_settings.h"
#include "handlers.h"
#include "number_dispenser/base/log.h"
#include "number_dispenser/command/client_session.h"
#include "text.h"

namespace number_dispenser::handlers {
namespace {

// A setting as redis-server names it.
struct Setting {
  std::string_view name;
  std::string value;
};

constexpr struct {
  std::string_view name;
  LogLevel level;
} kLogLevels[] = {
    // Redis's names; verbose is what lies between its debug and its notice.
    {"debug", LogLevel::kDebug},
    {"verbose", LogLevel::kInfo},
    {"notice", LogLevel::kInfo},
    {"warning", LogLevel::kWarn},
};

std::string_view log_level_name() {
  switch (log_level()) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "notice";
    case LogLevel::kWarn:
    case LogLevel::kError:
      break;
  }
  return "warning";
}

std::string_view auth_clients_name(TlsAuthClients wanted) {
  if (wanted == TlsAuthClients::kNo) return "no";
  return wanted == TlsAuthClients::kYes ? "yes" : "optional";
}

std::vector<Setting> settings_of(const CommandContext& context) {
  const ServerFacts& facts = context.facts;
  const TlsSettings tls = context.tls();
  std::vector<Setting> settings{
      {"aclfile", facts.acl_file},
      {"appendfsync", "always"},
      {"appendonly", "no"},
      {"bind", fmt::format("{}", fmt::join(facts.addresses, " "))},
      {"databases", "1"},
      {"dir", facts.data_dir},
      {"io-threads", std::to_string(facts.threads)},
      {"loglevel", std::string(log_level_name())},
      {"maxmemory", "0"},
      {"maxmemory-policy", "noeviction"},
      {"port", std::to_string(facts.tcp_port)},
      {"protected-mode", context.protected_mode.load() ? "yes" : "no"},
      {"save", ""},
      {"tls-auth-clients", std::string(auth_clients_name(tls.auth_clients))},
      {"tls-ca-cert-dir", tls.ca_cert_dir},
      {"tls-ca-cert-file", tls.ca_cert_file},
      {"tls-cert-file", tls.cert_file},
      {"tls-ciphers", tls.ciphers},
      {"tls-ciphersuites", tls.ciphersuites},
      {"tls-key-file", tls.key_file},
      {"tls-port", std::to_string(facts.tls_port)},
      {"tls-prefer-server-ciphers", tls.prefer_server_ciphers ? "yes" : "no"},
      {"tls-protocols", tls.protocols},
  };
  for (const ClientSetting& setting : client_settings())
    settings.push_back({setting.name, setting.get(context)});
  return settings;
}

// A CONFIG SET is all or nothing: what it asks for, checked first.
struct Wanted {
  std::optional<LogLevel> level;
  std::optional<bool> protected_mode;
  std::optional<std::string_view> password;
  std::vector<ClientSetting::Change> changes;
};

// The reason why not, or nothing.
std::optional<std::string> read_setting(std::string_view name, std::string_view value,
                                        Wanted& wanted) {
  if (equals_ignoring_case(name, "requirepass")) {
    wanted.password = value;
  } else if (equals_ignoring_case(name, "protected-mode")) {
    const bool yes = equals_ignoring_case(value, "yes");
    if (!yes && !equals_ignoring_case(value, "no")) return "argument must be 'yes' or 'no'";
    wanted.protected_mode = yes;
  } else {
    for (const auto& [known, level] : kLogLevels)
      if (equals_ignoring_case(value, known)) wanted.level = level;
    if (!wanted.level)
      return "argument(s) must be one of the following: debug, verbose, notice, warning";
  }
  return std::nullopt;
}

}  // namespace

Next config_get(Call& call) {
  const auto globs = call.words.subspan(2);
  std::vector<Setting> shown = settings_of(call.client.context());
  std::erase_if(shown, [&](const Setting& setting) {
    return std::ranges::none_of(globs,
                                [&](auto glob) { return glob_matches(glob, setting.name, false); });
  });
  call.reply.map(shown.size());
  for (const Setting& setting : shown) {
    call.reply.bulk(setting.name);
    call.reply.bulk(setting.value);
  }
  return Next::kContinue;
}

Next config_set(Call& call) {
  constexpr std::array<std::string_view, 3> kCanChange{"loglevel", "protected-mode", "requirepass"};
  const auto words = call.words.subspan(2);
  if (words.size() % 2 != 0) return error(call, "ERR syntax error");
  Wanted wanted;
  for (size_t at = 0; at < words.size(); at += 2) {
    const auto is_name = [&](std::string_view name) {
      return equals_ignoring_case(words[at], name);
    };
    const auto known = settings_of(call.client.context());
    const auto of_clients = std::ranges::find_if(client_settings(), is_name, &ClientSetting::name);
    if (of_clients != client_settings().end()) {
      auto change = of_clients->prepare(call.client.context(), words[at + 1]);
      if (!change)
        return error(call,
                     fmt::format("ERR CONFIG SET failed (possibly related to argument '{}') - {}",
                                 printable(words[at]), change.error()));
      wanted.changes.push_back(std::move(*change));
      continue;
    }
    if (std::ranges::none_of(kCanChange, is_name)) {
      if (std::ranges::any_of(known, is_name, &Setting::name))
        return error(call,
                     fmt::format("ERR CONFIG SET failed (possibly related to argument '{}') - "
                                 "can't set immutable config",
                                 printable(words[at])));
      return error(call,
                   fmt::format("ERR Unknown option or number of arguments for CONFIG SET - '{}'",
                               printable(words[at])));
    }
    if (const auto fault = read_setting(words[at], words[at + 1], wanted))
      return error(call,
                   fmt::format("ERR CONFIG SET failed (possibly related to argument '{}') - {}",
                               printable(words[at]), *fault));
  }
  CommandContext& context = call.client.context();
  for (const auto& change : wanted.changes) change(context);
  if (wanted.level) set_log_level(*wanted.level);
  if (wanted.protected_mode) context.protected_mode.store(*wanted.protected_mode);
  if (wanted.password) context.acl.set_default_password(*wanted.password);
  return ok(call);
}

Next config_resetstat(Call& call) {
  for (auto& loop : call.client.context().loops) loop.commands->reset();
  return ok(call);
}

Next save(Call& call) {
  const uint64_t change = call.client.registry().request_flush();
  call.sink.hold_until_past(call.client.registry().settled(), change);
  return ok(call);
}

Next bgsave(Call& call) {
  if (call.words.size() > 2 ||
      (call.words.size() == 2 && !equals_ignoring_case(call.words[1], "schedule")))
    return error(call, "ERR syntax error");
  call.client.registry().request_flush();
  call.reply.simple("Background saving started");
  return Next::kContinue;
}

Next lastsave(Call& call) {
  call.reply.integer(call.client.registry().last_flush_unix_s());
  return Next::kContinue;
}

// Always a clean stop: there is nothing to gain from another one.
Next shutdown(Call& call) {
  for (const std::string_view word : call.words.subspan(1)) {
    constexpr std::string_view kKnown[] = {"nosave", "save", "now", "force"};
    if (equals_ignoring_case(word, "abort")) return error(call, "ERR No shutdown in progress.");
    if (std::ranges::none_of(kKnown, [&](auto known) { return equals_ignoring_case(word, known); }))
      return error(call, "ERR syntax error");
  }
  log_info("stopping: SHUTDOWN from client {}", call.client.id());
  call.client.context().stop();
  return Next::kClose;
}

Next role(Call& call) {
  call.reply.array(3);
  call.reply.bulk("master");
  call.reply.integer(0);
  call.reply.array(0);
  return Next::kContinue;
}

Next time(Call& call) {
  const int64_t now_us = call.client.context().clock.unix_us();
  call.reply.array(2);
  call.reply.bulk(std::to_string(now_us / 1'000'000));
  call.reply.bulk(std::to_string(now_us % 1'000'000));
  return Next::kContinue;
}

Next lolwut(Call& call) {
  // A number is never issued twice, so this one is drawn from nowhere: the first digits of pi.
  call.reply.verbatim(fmt::format("  3 1 4 1 5 9 2 6 5 3   next, please\n\nnumber-dispenser {}\n",
                                  call.client.context().facts.version));
  return Next::kContinue;
}

}  // namespace number_dispenser::handlers
