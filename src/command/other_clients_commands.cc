// What operators do with the connections of others: CLIENT LIST, KILL, PAUSE, and MONITOR.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <string>

#include "handlers.h"
#include "number_dispenser/command/client_session.h"
#include "text.h"

namespace number_dispenser::handlers {
namespace {

// Redis's types; every client here is a normal one.
std::optional<bool> is_normal_type(std::string_view type) {
  if (equals_ignoring_case(type, "normal")) return true;
  for (const std::string_view other : {"master", "slave", "replica", "pubsub"})
    if (equals_ignoring_case(type, other)) return false;
  return std::nullopt;
}

Next unknown_type(Call& call, std::string_view type) {
  return error(call, fmt::format("ERR Unknown client type '{}'", printable(type)));
}

// Which clients CLIENT KILL means.
struct Wanted {
  std::optional<int64_t> id;
  std::optional<std::string_view> address, local_address, user;
  bool none = false;  // of a type that is not here
  bool skips_me = true;

  bool fits(const ClientRecord& client) const {
    const auto is = [](const auto& wanted, const auto& value) {
      return !wanted || *wanted == value;
    };
    return !none && is(id, static_cast<int64_t>(client.id)) && is(address, client.address) &&
           is(local_address, client.local_address) && is(user, client.user);
  }
};

// Pairs of a filter and its value; the error, or nothing.
std::optional<std::string> read_filters(Call& call, Wanted& wanted) {
  for (auto words = call.words.subspan(2); !words.empty(); words = words.subspan(2)) {
    if (words.size() < 2) return "ERR syntax error";
    const std::string_view value = words[1];
    const auto is = [&](std::string_view name) { return equals_ignoring_case(words[0], name); };
    if (is("id")) {
      wanted.id = parse_signed(value);
      if (!wanted.id || *wanted.id < 1) return "ERR client-id should be greater than 0";
    } else if (is("type")) {
      const auto normal = is_normal_type(value);
      if (!normal) return fmt::format("ERR Unknown client type '{}'", printable(value));
      wanted.none = !*normal;
    } else if (is("addr")) {
      wanted.address = value;
    } else if (is("laddr")) {
      wanted.local_address = value;
    } else if (is("user")) {
      wanted.user = value;
      if (!call.client.context().acl.find(value))
        return fmt::format("ERR No such user '{}'", printable(value));
    } else if (is("skipme") && equals_ignoring_case(value, "yes")) {
      wanted.skips_me = true;
    } else if (is("skipme") && equals_ignoring_case(value, "no")) {
      wanted.skips_me = false;
    } else {
      return "ERR syntax error";
    }
  }
  return std::nullopt;
}

}  // namespace

int64_t end_connections(Call& call, const std::function<bool(const ClientRecord&)>& wanted,
                        bool* me) {
  CommandContext& context = call.client.context();
  int64_t killed = 0;
  context.clients.visit([&](ClientRecord& client) {
    const bool is_me = &client == &call.client.record();
    if (!wanted(client)) return;
    if (!is_me && client.killed.exchange(true)) return;
    ++killed;
    if (is_me)
      *me = true;
    else
      context.hang_up(client.fd);
  });
  // For those that wait, and so do not read.
  if (killed > 0) context.news.fetch_add(1);
  return killed;
}

Next client_list(Call& call) {
  CommandContext& context = call.client.context();
  const auto words = call.words.subspan(2);
  const uint64_t now_ns = context.clock.monotonic_ns();
  std::string text;
  const auto add = [&](const ClientRecord& client) { text += describe(client, now_ns) + "\n"; };
  if (words.size() == 2 && equals_ignoring_case(words[0], "type")) {
    const auto normal = is_normal_type(words[1]);
    if (!normal) return unknown_type(call, words[1]);
    if (*normal) context.clients.visit(add);
  } else if (words.size() > 1 && equals_ignoring_case(words[0], "id")) {
    for (const std::string_view word : words.subspan(1)) {
      const auto id = parse_signed(word);
      if (!id) return error(call, "ERR Invalid client ID");
      context.clients.visit(static_cast<uint64_t>(*id), add);
    }
  } else if (words.empty()) {
    context.clients.visit(add);
  } else {
    return error(call, "ERR syntax error");
  }
  call.reply.verbatim(text);
  return Next::kContinue;
}

Next client_kill(Call& call) {
  Wanted wanted;
  const bool by_address = call.words.size() == 3;
  if (by_address) {
    wanted.address = call.words[2];
    wanted.skips_me = false;
  } else if (const auto fault = read_filters(call, wanted)) {
    return error(call, *fault);
  }
  bool me = false;
  const int64_t killed = end_connections(
      call,
      [&](const ClientRecord& client) {
        return wanted.fits(client) && !(wanted.skips_me && &client == &call.client.record());
      },
      &me);
  if (!by_address)
    call.reply.integer(killed);
  else if (killed == 0)
    call.reply.error("ERR No such client");
  else
    call.reply.simple("OK");
  return me ? Next::kClose : Next::kContinue;
}

Next client_pause(Call& call) {
  constexpr uint64_t kNsPerMs = 1'000'000;
  if (call.words.size() > 4)
    return error(call,
                 "ERR unknown subcommand or wrong number of arguments for 'pause'. Try CLIENT "
                 "HELP.");
  const bool writes = call.words.size() == 4 && equals_ignoring_case(call.words[3], "write");
  if (call.words.size() == 4 && !writes && !equals_ignoring_case(call.words[3], "all"))
    return error(call, "ERR CLIENT PAUSE mode must be WRITE or ALL");
  const auto pause_ms = parse_signed(call.words[2]);
  if (!pause_ms) return error(call, "ERR timeout is not an integer or out of range");
  if (*pause_ms < 0) return error(call, "ERR timeout is negative");
  CommandContext& context = call.client.context();
  const uint64_t now_ns = context.clock.monotonic_ns();
  const uint64_t most_ms = (std::numeric_limits<uint64_t>::max() - now_ns) / kNsPerMs;
  const uint64_t ms = std::min(static_cast<uint64_t>(*pause_ms), most_ms);
  context.pause.begin(writes ? Pause::What::kWrite : Pause::What::kAll, now_ns + ms * kNsPerMs);
  return ok(call);
}

Next client_unpause(Call& call) {
  call.client.context().pause.end();
  call.client.context().news.fetch_add(1);
  return ok(call);
}

// Nobody is blocked in a way that this could end: as in Redis, a pause is none.
Next client_unblock(Call& call) {
  if (call.words.size() > 4)
    return error(call,
                 "ERR unknown subcommand or wrong number of arguments for 'unblock'. Try CLIENT "
                 "HELP.");
  if (call.words.size() == 4 && !equals_ignoring_case(call.words[3], "timeout") &&
      !equals_ignoring_case(call.words[3], "error"))
    return error(call, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
  if (!parse_signed(call.words[2]))
    return error(call, "ERR value is not an integer or out of range");
  call.reply.integer(0);
  return Next::kContinue;
}

Next monitor(Call& call) {
  if (call.client.in_transaction())
    return error(call, "ERR MONITOR isn't allowed for DENY BLOCKING client");
  // As in Redis, one that monitors already gets no reply.
  if (call.client.monitors()) return Next::kContinue;
  call.client.monitor();
  return ok(call);
}

}  // namespace number_dispenser::handlers
