// CLIENT: what a connection says of itself.
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "handlers.h"
#include "number_dispenser/command/client_session.h"
#include "text.h"

namespace number_dispenser::handlers {
bool is_plain_name(std::string_view name) {
  return std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7f; });
}

Next client_getname(Call& call) {
  const std::string& name = call.client.record().name;
  if (name.empty())
    call.reply.null();
  else
    call.reply.bulk(name);
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

Next client_reply(Call& call) {
  using Replies = ClientSession::Replies;
  const std::string_view wanted = call.words[2];
  // In Redis the replies of EXEC would then be fewer than it has announced.
  if (call.client.in_transaction())
    return error(call, "ERR CLIENT REPLY is not allowed in a transaction");
  if (equals_ignoring_case(wanted, "on")) {
    call.client.set_replies(Replies::kOn);
    return ok(call);
  }
  if (equals_ignoring_case(wanted, "off")) {
    call.client.set_replies(Replies::kOff);
  } else if (equals_ignoring_case(wanted, "skip")) {
    if (call.client.replies() != Replies::kOff) call.client.set_replies(Replies::kSkipNext);
  } else {
    return error(call, "ERR syntax error");
  }
  return Next::kContinue;
}

Next client_setinfo(Call& call) {
  const std::string_view attribute = call.words[2];
  const std::string_view value = call.words[3];
  if (!is_plain_name(value))
    return error(call, fmt::format("ERR {} cannot contain spaces, newlines or special characters.",
                                   printable(attribute)));
  ClientRecord& record = call.client.record();
  if (equals_ignoring_case(attribute, "lib-name")) {
    call.client.context().clients.set(record.library_name, value);
  } else if (equals_ignoring_case(attribute, "lib-ver")) {
    call.client.context().clients.set(record.library_version, value);
  } else {
    return error(call, fmt::format("ERR Unrecognized option '{}'", printable(attribute)));
  }
  return ok(call);
}

Next client_setname(Call& call) {
  if (!is_plain_name(call.words[2])) return error(call, kNameFault);
  call.client.context().clients.set(call.client.record().name, call.words[2]);
  return ok(call);
}

Next client_no_evict(Call& call) {
  const bool on = equals_ignoring_case(call.words[2], "on");
  if (!on && !equals_ignoring_case(call.words[2], "off")) return error(call, "ERR syntax error");
  call.client.record().keeps_memory.set(on ? 1 : 0);
  return ok(call);
}

Next client_no_touch(Call& call) {
  const std::string_view wanted = call.words[2];
  const bool known = equals_ignoring_case(wanted, "on") || equals_ignoring_case(wanted, "off");
  return known ? ok(call) : error(call, "ERR syntax error");
}

Next client_tracking(Call& call) {
  return error(call, "ERR client-side caching is not available: every GET issues a new number");
}

Next client_getredir(Call& call) {
  call.reply.integer(-1);
  return Next::kContinue;
}

Next client_trackinginfo(Call& call) {
  call.reply.map(3);
  call.reply.bulk("flags");
  call.reply.set(1);
  call.reply.bulk("off");
  call.reply.bulk("redirect");
  call.reply.integer(-1);
  call.reply.bulk("prefixes");
  call.reply.array(0);
  return Next::kContinue;
}

}  // namespace number_dispenser::handlers
