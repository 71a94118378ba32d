#include <fmt/format.h>

#include <charconv>

#include "config/choice.h"
#include "config/option.h"
#include "config/text.h"
#include "number_dispenser/base/amount.h"

namespace number_dispenser {
namespace {

constexpr uint64_t kMostClients = 10'000'000;
constexpr uint64_t kMostTimeoutS = 1'000'000'000;

Applied apply_client_memory(Config& config, const std::string& text, bool) {
  const auto share = parse_memory_share(text);
  if (!share)
    return std::unexpected(
        fmt::format("{} is no amount of memory, as 100mb, 1gb, 25% or 0 is", quoted(text)));
  config.clients.max_memory = *share;
  return {};
}

Applied apply_output_limit(Config& config, const std::string& text, bool) {
  const auto limit = parse_output_limit(text);
  if (!limit)
    return std::unexpected(fmt::format(
        "{} is not \"normal HARD SOFT SECONDS\", as \"normal 8mb 1mb 60\" is", quoted(text)));
  config.clients.output = *limit;
  return {};
}

Applied apply_socket_mode(Config& config, const std::string& text, bool) {
  unsigned mode = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, mode, 8);
  if (parsed.ec != std::errc{} || parsed.ptr != end || mode > 0777)
    return std::unexpected(fmt::format("{} is not an octal mode, as 770 is", quoted(text)));
  config.unix_socket_mode = mode;
  return {};
}

const Option kClientOptions[] = {
    {.name = "maxclients",
     .value_name = "N",
     .variable = "NUMBER_DISPENSER_MAXCLIENTS",
     .key = "server.maxclients",
     .help = "Clients at a time; one more is refused. Lowered to what the limit of open files "
             "allows. Reread on SIGHUP.",
     .apply =
         [](Config& c, const std::string& v, bool) {
           return choose_number(v, uint64_t{1}, kMostClients, c.clients.max_clients);
         },
     .show = [](const Config& c) { return std::to_string(c.clients.max_clients); }},
    {.name = "maxmemory-clients",
     .value_name = "BYTES|N%",
     .variable = "NUMBER_DISPENSER_MAXMEMORY_CLIENTS",
     .key = "server.maxmemory_clients",
     .help = "Memory for all clients' buffers, as 100mb, or a share of the memory that the machine "
             "or the control group has; 0: no limit. Past it those who take most are "
             "disconnected. Reread on SIGHUP.",
     .apply = apply_client_memory,
     .show = [](const Config& c) { return to_text(c.clients.max_memory); }},
    {.name = "client-output-buffer-limit",
     .value_name = "LIMIT",
     .variable = "NUMBER_DISPENSER_CLIENT_OUTPUT_BUFFER_LIMIT",
     .key = "server.client_output_buffer_limit",
     .help = "\"normal HARD SOFT SECONDS\": a client is disconnected when more than HARD bytes of "
             "output wait for it, or more than SOFT for so long; 0: never. It is read no further "
             "from 256 KiB on anyway. Reread on SIGHUP.",
     .apply = apply_output_limit,
     .show = [](const Config& c) { return to_text(c.clients.output); }},
    {.name = "timeout",
     .value_name = "SECONDS",
     .variable = "NUMBER_DISPENSER_TIMEOUT",
     .key = "server.timeout",
     .help = "Idle clients are disconnected after that time; 0: never. Reread on SIGHUP.",
     .apply =
         [](Config& c, const std::string& v, bool) {
           return choose_number(v, uint64_t{0}, kMostTimeoutS, c.clients.timeout_s);
         },
     .show = [](const Config& c) { return std::to_string(c.clients.timeout_s); }},
    {.name = "tcp-keepalive",
     .value_name = "SECONDS",
     .variable = "NUMBER_DISPENSER_TCP_KEEPALIVE",
     .key = "server.tcp_keepalive",
     .help = "Silence after which TCP asks whether a client is still there; 0: it does not. Reread "
             "on SIGHUP.",
     .apply =
         [](Config& c, const std::string& v, bool) {
           return choose_number(v, uint64_t{0}, kMaxKeepaliveS, c.clients.tcp_keepalive_s);
         },
     .show = [](const Config& c) { return std::to_string(c.clients.tcp_keepalive_s); }},
    {.name = "unixsocketperm",
     .value_name = "MODE",
     .variable = "NUMBER_DISPENSER_UNIXSOCKETPERM",
     .key = "server.unixsocketperm",
     .help = "Mode of Unix sockets, octal, as 770; 0: as the umask has it.",
     .apply = apply_socket_mode,
     .show = [](const Config& c) { return fmt::format("{:o}", c.unix_socket_mode); }},
    {.name = "unixsocket-group",
     .value_name = "GROUP",
     .variable = "NUMBER_DISPENSER_UNIXSOCKET_GROUP",
     .key = "server.unixsocket_group",
     .help = "Group of Unix sockets' files, by its name.",
     .apply = [](Config& c, const std::string& v, bool) -> Applied {
       c.unix_socket_group = v;
       return {};
     },
     .show =
         [](const Config& c) {
           return c.unix_socket_group.empty() ? "(none)" : c.unix_socket_group;
         }},
};

}  // namespace

std::span<const Option> client_options() {
  return kClientOptions;
}

}  // namespace number_dispenser
