// What a client says about its own connection, and transactions.
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

Next wrong_password(Call& call) {
  call.reply.error(kWrongPassword);
  return call.client.guesses() ? Next::kClose : Next::kContinue;
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
  if (!call.client.may_log_in()) return Next::kRetry;
  const std::string_view user = named ? call.words[1] : "default";
  return call.client.log_in(user, call.words.back()) ? ok(call) : wrong_password(call);
}

Next hello(Call& call) {
  auto words = call.words.subspan(1);
  Protocol protocol = call.client.protocol();
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
      if (!call.client.may_log_in()) return Next::kRetry;
      if (!call.client.log_in(words[1], words[2])) return wrong_password(call);
      words = words.subspan(3);
    } else if (equals_ignoring_case(words[0], "setname") && words.size() >= 2) {
      name = words[1];
      named = true;
      if (!is_plain_name(name)) return error(call, kNameFault);
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
  if (named) call.client.context().clients.set(call.client.record().name, name);
  call.client.set_protocol(protocol);
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
  ReplyWriter(call.sink.bytes(), call.client.protocol()).simple("RESET");
  return Next::kContinue;
}

}  // namespace number_dispenser::handlers
