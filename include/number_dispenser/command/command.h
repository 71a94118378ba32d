// The command table: one row a command. Dispatch, COMMAND and its subcommands are made from it.
//
// The dispatcher checks arity and rights before it calls, so a handler starts with a valid request.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

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

// Flags as COMMAND shows them.
enum CommandFlags : uint32_t {
  kWrite = 1u << 0,
  kReadOnly = 1u << 1,
  kFast = 1u << 2,
  kAdmin = 1u << 3,
  kNoAuth = 1u << 4,     // allowed before AUTH
  kLoading = 1u << 5,
  kStale = 1u << 6,
  kNoScript = 1u << 7,
  kDenyOom = 1u << 8,
  kNoMulti = 1u << 9,    // runs at once inside MULTI
};

struct Command {
  std::string_view name;  // lower case; a container's subcommand as "client|id"
  int arity;              // words with the name; negative: at least so many
  uint32_t flags;
  int first_key, last_key, key_step;
  std::string_view group;
  std::string_view since;  // of Redis, or of this server where Redis has no such meaning
  std::string_view summary;
  Next (*handler)(Call&);
};

std::span<const Command> all_commands();
// Case-insensitive; null where there is none.
const Command* find_command(std::string_view name);

}  // namespace number_dispenser
