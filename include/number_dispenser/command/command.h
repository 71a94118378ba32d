// The command table: one row a command, one row a subcommand. Dispatch, COMMAND and its
// subcommands, HELP, the reference in the man page and the completions are made from it.
//
// The dispatcher checks arity and rights before it calls, so a handler starts with a valid request.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "number_dispenser/net/session.h"
#include "number_dispenser/resp/reply.h"

namespace number_dispenser {

class ClientSession;

// A request on its way through its handler. `words`: the command's name first.
struct Call {
  ClientSession& client;
  std::span<const std::string_view> words;
  ReplySink& sink;
  ReplyWriter reply;
};

using Handler = Next (*)(Call&);

// As COMMAND shows them, and some of our own.
enum CommandFlags : uint32_t {
  kWrite = 1u << 0,
  kReadOnly = 1u << 1,
  kDenyOom = 1u << 2,
  kAdmin = 1u << 3,
  kNoScript = 1u << 4,
  kLoading = 1u << 5,
  kStale = 1u << 6,
  kFast = 1u << 7,
  kNoAuth = 1u << 8,  // allowed before AUTH
  kAllowBusy = 1u << 9,
  kNoMulti = 1u << 10,  // not allowed inside MULTI
  kNoAsyncLoading = 1u << 14,
  kSkipSlowLog = 1u << 15,
  kAtOnce = 1u << 11,     // ours: runs inside MULTI instead of being queued
  kContainer = 1u << 12,  // ours: only its subcommands run
  kSampled = 1u << 13,    // ours: so short that only some calls are timed
};

// ACL categories. @read, @write, @admin, @dangerous (of admin), @fast and @slow follow from the
// flags.
enum CommandCategories : uint32_t {
  kKeyspace = 1u << 0,
  kString = 1u << 1,
  kHash = 1u << 2,
  kConnection = 1u << 3,
  kTransaction = 1u << 4,
  kDangerous = 1u << 5,
  kAdminOnly = 1u << 6,  // @admin and @dangerous, without the flag
};

// Which words are dispensers' names, as COMMAND says it: the first and last word (negative: from
// the end) and the distance between two, all 0 for none; and what is done with them, in Redis's
// words.
struct KeyWords {
  int first = 0;
  int last = 0;
  int step = 0;
  std::string_view use{};
};

struct Command {
  std::string_view name;  // lower case; a subcommand as "client|id"
  int arity;              // words with the name; negative: at least so many
  uint32_t flags;
  KeyWords keys;
  uint32_t categories;
  std::string_view group;
  std::string_view since;   // of Redis
  std::string_view syntax;  // what follows the name
  std::string_view summary;
  std::string_view reply;  // what comes back, in words
  Handler handler;         // null for a container
};

// Sorted by name, so that a container stands right before its subcommands.
std::span<const Command> all_commands();
// A container's rows.
std::span<const Command> subcommands_of(const Command& container);

// Case-insensitive; null where there is none. Not for subcommands.
const Command* find_command(std::string_view name);
// The row that runs `words`: a container leads on to its subcommand. Null: see whether find_command
// knows the first word.
const Command* resolve_command(std::span<const std::string_view> words);

bool has_fitting_arity(const Command& command, size_t words);
// The words that are dispensers' names; `words` fit the arity.
std::vector<std::string_view> names_in(const Command& command,
                                       std::span<const std::string_view> words);

// Redis has a command of this name that this server has no use for.
bool is_refused_command(std::string_view name);

// A command's number in the table, for counting.
size_t index_of(const Command& command);

}  // namespace number_dispenser
