// The limits of clients as CONFIG shows and changes them.
#include <fmt/format.h>

#include "number_dispenser/base/amount.h"
#include "number_dispenser/base/text.h"
#include "settings.h"

namespace number_dispenser {
namespace {

using Context = CommandContext;
using Prepared = RuntimeSetting::Prepared;
using Limit = std::atomic<uint64_t> ClientLimits::*;

constexpr uint64_t kMostNumber = INT32_MAX;

std::string show(const Context& context, Limit limit) {
  return std::to_string((context.limits.*limit).load());
}

Prepared store(Limit limit, uint64_t value) {
  return [=](Context& context) { (context.limits.*limit).store(value); };
}

Prepared count(std::string_view text, uint64_t least, uint64_t most, Limit limit) {
  const auto value = parse_count(text);
  if (!value) return std::unexpected("argument couldn't be parsed into an integer");
  if (*value < least || *value > most)
    return std::unexpected(
        fmt::format("argument must be between {} and {} inclusive", least, most));
  return store(limit, *value);
}

Prepared max_clients(const Context& context, std::string_view text) {
  const uint64_t fit = context.facts.open_files_clients;
  if (const auto value = parse_count(text); value && *value <= kMostNumber && *value > fit)
    return std::unexpected(
        fmt::format("The operating system is not able to handle the specified number of clients, "
                    "try with {}",
                    fit));
  auto change = count(text, 1, kMostNumber, &ClientLimits::max_clients);
  if (!change) return change;
  return [change = *change](Context& changed) {
    change(changed);
    changed.limits.max_clients_asked.store(changed.limits.max_clients.load());
  };
}

Prepared client_memory(const Context&, std::string_view text) {
  const auto share = parse_memory_share(text);
  if (!share) return std::unexpected("argument must be a memory or percent value");
  return [share = *share](Context& context) {
    context.limits.set_memory(share, context.facts.usable_memory_bytes);
  };
}

Prepared output_limit(const Context&, std::string_view text) {
  const auto limit = parse_output_limit(text);
  if (!limit) return std::unexpected("Error in hard, soft or soft_seconds setting in buffer limit");
  return [limit = *limit](Context& context) { context.limits.set_output(limit); };
}

constexpr RuntimeSetting kSettings[] = {
    {"client-output-buffer-limit", [](const Context& c) { return to_text(c.limits.output()); },
     output_limit, "server.client_output_buffer_limit"},
    {"maxclients", [](const Context& c) { return show(c, &ClientLimits::max_clients); },
     max_clients, "server.maxclients",
     [](const Context& c) { return show(c, &ClientLimits::max_clients_asked); }},
    {"maxmemory-clients", [](const Context& c) { return to_text(c.limits.memory()); },
     client_memory, "server.maxmemory_clients"},
    {"tcp-keepalive", [](const Context& c) { return show(c, &ClientLimits::tcp_keepalive_s); },
     [](const Context&, std::string_view text) {
       return count(text, 0, kMaxKeepaliveS, &ClientLimits::tcp_keepalive_s);
     },
     "server.tcp_keepalive"},
    {"timeout", [](const Context& c) { return show(c, &ClientLimits::timeout_s); },
     [](const Context&, std::string_view text) {
       return count(text, 0, kMostNumber, &ClientLimits::timeout_s);
     },
     "server.timeout"},
};

}  // namespace

std::span<const RuntimeSetting> client_settings() {
  return kSettings;
}

}  // namespace number_dispenser
