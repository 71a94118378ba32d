#include <absl/container/flat_hash_map.h>

#include <array>

#include "handlers.h"
#include "number_dispenser/command/command.h"

namespace number_dispenser {
namespace {

using namespace handlers;

constexpr uint32_t kConnection = kFast | kLoading | kStale | kNoScript;

constexpr auto kCommands = std::to_array<Command>({
    // name, arity, flags, first key, last key, step, group, since, summary, handler
    {"auth", -2, kConnection | kNoAuth, 0, 0, 0, "connection", "1.0.0",
     "Authenticates the connection", auth},
    {"client", -2, kConnection, 0, 0, 0, "connection", "2.4.0", "Names and describes connections",
     client},
    {"command", -1, kLoading | kStale, 0, 0, 0, "server", "2.8.13", "Describes the commands",
     command},
    {"config", -2, kAdmin | kLoading | kStale | kNoScript, 0, 0, 0, "server", "2.0.0",
     "Shows the settings", config},
    {"dbsize", 1, kReadOnly | kFast, 0, 0, 0, "server", "1.0.0", "Counts the dispensers", dbsize},
    {"del", -2, kWrite, 1, -1, 1, "generic", "1.0.0", "Deletes dispensers for ever", del},
    {"discard", 1, kConnection | kNoMulti, 0, 0, 0, "transactions", "2.0.0",
     "Forgets a transaction", discard},
    {"echo", 2, kConnection, 0, 0, 0, "connection", "1.0.0", "Returns its argument", echo},
    {"exec", 1, kLoading | kStale | kNoScript | kNoMulti, 0, 0, 0, "transactions", "1.2.0",
     "Runs a transaction", exec},
    {"exists", -2, kReadOnly | kFast, 1, -1, 1, "generic", "1.0.0",
     "Counts those of the names that are dispensers", exists},
    {"get", 2, kWrite | kFast, 1, 1, 1, "string", "1.0.0", "Issues the next number of a dispenser",
     get},
    {"hello", -1, kConnection | kNoAuth, 0, 0, 0, "connection", "6.0.0",
     "Chooses the protocol version, and authenticates", hello},
    {"hset", -4, kWrite | kDenyOom | kFast, 1, 1, 1, "hash", "2.0.0",
     "Defines a dispenser, or switches its strategy", hset},
    {"info", -1, kLoading | kStale, 0, 0, 0, "server", "1.0.0",
     "Describes the server, or a dispenser", info},
    {"multi", 1, kConnection | kNoMulti, 0, 0, 0, "transactions", "1.2.0", "Begins a transaction",
     multi},
    {"ping", -1, kFast, 0, 0, 0, "connection", "1.0.0", "Answers PONG, or its argument", ping},
    {"quit", -1, kConnection | kNoAuth | kNoMulti, 0, 0, 0, "connection", "1.0.0",
     "Closes the connection", quit},
    {"select", 2, kConnection, 0, 0, 0, "connection", "1.0.0", "Accepts database 0, the only one",
     select},
    {"type", 2, kReadOnly | kFast, 1, 1, 1, "generic", "1.0.0", "Says hash for a dispenser", type},
});

constexpr size_t kLongestName = 16;

using ByName = absl::flat_hash_map<std::string_view, const Command*>;

const ByName& by_name() {
  static const ByName names = [] {
    ByName made;
    for (const Command& row : kCommands) made.emplace(row.name, &row);
    return made;
  }();
  return names;
}

}  // namespace

std::span<const Command> all_commands() { return kCommands; }

const Command* find_command(std::string_view name) {
  if (name.size() > kLongestName) return nullptr;
  std::array<char, kLongestName> lower;
  for (size_t at = 0; at < name.size(); ++at) {
    const char c = name[at];
    lower[at] = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  }
  const ByName& names = by_name();
  const auto found = names.find(std::string_view(lower.data(), name.size()));
  return found == names.end() ? nullptr : found->second;
}

}  // namespace number_dispenser
