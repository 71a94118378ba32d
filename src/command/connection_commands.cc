// What a client says about its connection, and transactions.
#include <fmt/format.h>

#include <algorithm>

#include "handlers.h"
#include "number_dispenser/command/client_session.h"
#include "text.h"

namespace number_dispenser::handlers {
namespace {

constexpr std::string_view kRedisVersion = "7.0.15";
constexpr std::string_view kWrongPassword =
    "WRONGPASS invalid username-password pair or user is disabled.";

// Names and library names: what CLIENT LIST can show on one line.
bool is_plain_name(std::string_view name) {
  return std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7f; });
}

Next wrong_password(Call& call) {
  call.reply.error(kWrongPassword);
  return call.client.guesses() ? Next::kClose : Next::kContinue;
}

Next name_fault(Call& call) {
  return error(call, "ERR Client names cannot contain spaces, newlines or special characters.");
}

}  // namespace

Next error(Call& call, std::string_view text) {
  call.reply.error(text);
  return Next::kContinue;
}

Next ok(Call& call) {
  call.reply.simple("OK");
  return Next::kContinue;
}

Next client_getname(Call& call) {
  if (call.client.name.empty())
    call.reply.null();
  else
    call.reply.bulk(call.client.name);
  return Next::kContinue;
}

Next client_id(Call& call) {
  call.reply.integer(static_cast<int64_t>(call.client.id()));
  return Next::kContinue;
}

Next client_info(Call& call) {
  call.reply.verbatim(call.client.description() + "\n");
  return Next::kContinue;
}

Next client_setinfo(Call& call) {
  const std::string_view attribute = call.words[2];
  const std::string_view value = call.words[3];
  if (!is_plain_name(value))
    return error(call, fmt::format("ERR {} cannot contain spaces, newlines or special characters.",
                                   printable(attribute)));
  if (equals_ignoring_case(attribute, "lib-name")) {
    call.client.library_name = value;
  } else if (equals_ignoring_case(attribute, "lib-ver")) {
    call.client.library_version = value;
  } else {
    return error(call, fmt::format("ERR Unrecognized option '{}'", printable(attribute)));
  }
  return ok(call);
}

Next client_setname(Call& call) {
  if (!is_plain_name(call.words[2])) return name_fault(call);
  call.client.name = call.words[2];
  return ok(call);
}

// NO-EVICT and NO-TOUCH: there is nothing to switch.
Next client_switch(Call& call) {
  const std::string_view wanted = call.words[2];
  const bool known = equals_ignoring_case(wanted, "on") || equals_ignoring_case(wanted, "off");
  return known ? ok(call) : error(call, "ERR syntax error");
}

Next client_tracking(Call& call) {
  return error(call, "ERR client-side caching is not available: every GET issues a new number");
}

Next ping(Call& call) {
  if (call.words.size() > 2) return error(call, "ERR wrong number of arguments for 'ping' command");
  if (call.words.size() == 2)
    call.reply.bulk(call.words[1]);
  else
    call.reply.simple("PONG");
  return Next::kContinue;
}

Next echo(Call& call) {
  call.reply.bulk(call.words[1]);
  return Next::kContinue;
}

Next quit(Call& call) {
  call.reply.simple("OK");
  return Next::kClose;
}

Next select(Call& call) {
  const auto index = parse_signed(call.words[1]);
  if (!index) return error(call, "ERR value is not an integer or out of range");
  return *index == 0 ? ok(call) : error(call, "ERR DB index is out of range");
}

Next auth(Call& call) {
  if (call.words.size() > 3) return error(call, "ERR syntax error");
  const bool named = call.words.size() == 3;
  if (!named && !call.client.context().acl.find("default")->needs_password())
    return error(call,
                 "ERR AUTH <password> called without any password configured for the default user. "
                 "Are you sure your configuration is correct?");
  const std::string_view user = named ? call.words[1] : "default";
  return call.client.log_in(user, call.words.back()) ? ok(call) : wrong_password(call);
}

Next hello(Call& call) {
  auto words = call.words.subspan(1);
  Protocol protocol = call.client.protocol;
  if (!words.empty()) {
    const auto version = parse_signed(words[0]);
    if (!version) return error(call, "ERR Protocol version is not an integer or out of range");
    if (*version != 2 && *version != 3) return error(call, "NOPROTO unsupported protocol version");
    protocol = static_cast<Protocol>(*version);
    words = words.subspan(1);
  }
  std::string_view name;
  bool named = false;
  while (!words.empty()) {
    if (equals_ignoring_case(words[0], "auth") && words.size() >= 3) {
      if (!call.client.log_in(words[1], words[2])) return wrong_password(call);
      words = words.subspan(3);
    } else if (equals_ignoring_case(words[0], "setname") && words.size() >= 2) {
      name = words[1];
      named = true;
      if (!is_plain_name(name)) return name_fault(call);
      words = words.subspan(2);
    } else {
      return error(call, fmt::format("ERR Syntax error in HELLO option '{}'", printable(words[0])));
    }
  }
  if (!call.client.authenticated())
    return error(
        call,
        "NOAUTH HELLO must be called with the client already authenticated, otherwise the "
        "HELLO AUTH <user> <pass> option can be used to authenticate the client and select "
        "the RESP protocol version at the same time");
  if (named) call.client.name = name;
  call.client.protocol = protocol;
  ReplyWriter reply(call.sink.bytes(), protocol);
  reply.map(7);
  reply.bulk("server");
  reply.bulk("redis");
  reply.bulk("version");
  reply.bulk(kRedisVersion);
  reply.bulk("proto");
  reply.integer(static_cast<int64_t>(protocol));
  reply.bulk("id");
  reply.integer(static_cast<int64_t>(call.client.id()));
  reply.bulk("mode");
  reply.bulk("standalone");
  reply.bulk("role");
  reply.bulk("master");
  reply.bulk("modules");
  reply.array(0);
  return Next::kContinue;
}

Next multi(Call& call) {
  if (call.client.in_transaction()) return error(call, "ERR MULTI calls can not be nested");
  call.client.begin_transaction();
  return ok(call);
}

Next exec(Call& call) {
  if (!call.client.in_transaction()) return error(call, "ERR EXEC without MULTI");
  return call.client.execute_transaction(call);
}

Next discard(Call& call) {
  if (!call.client.in_transaction()) return error(call, "ERR DISCARD without MULTI");
  call.client.discard_transaction();
  return ok(call);
}

Next watch(Call& call) {
  if (call.client.in_transaction()) return error(call, "ERR WATCH inside MULTI is not allowed");
  return error(
      call,
      "ERR WATCH is not available: a dispenser has no value to watch, and a number that was "
      "issued never changes");
}

Next unwatch(Call& call) {
  return ok(call);
}

Next reset(Call& call) {
  call.client.reset();
  ReplyWriter(call.sink.bytes(), call.client.protocol).simple("RESET");
  return Next::kContinue;
}

}  // namespace number_dispenser::handlers
