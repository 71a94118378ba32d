// What operators ask of the server.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "handlers.h"
#include "number_dispenser/base/log.h"
#include "number_dispenser/command/client_session.h"
#include "text.h"

namespace number_dispenser::handlers {

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

// Also in a cluster of ours, of which clients need not know.
Next cluster_disabled(Call& call) {
  return error(call, "ERR This instance has cluster support disabled");
}

Next lastsave(Call& call) {
  call.reply.integer(call.client.registry().last_flush_unix_s());
  return Next::kContinue;
}

// Always a clean stop: there is nothing to gain from another one.
Next shutdown(Call& call) {
  const auto words = call.words.subspan(1);
  const auto has = [&](std::string_view option) {
    return std::ranges::any_of(words,
                               [&](auto word) { return equals_ignoring_case(word, option); });
  };
  const auto is_known = [](std::string_view word) {
    constexpr std::string_view kKnown[] = {"nosave", "save", "now", "force", "abort"};
    return std::ranges::any_of(kKnown,
                               [&](auto known) { return equals_ignoring_case(word, known); });
  };
  if (!std::ranges::all_of(words, is_known) || (has("save") && has("nosave")) ||
      (has("abort") && words.size() > 1))
    return error(call, "ERR syntax error");
  if (has("abort")) return error(call, "ERR No shutdown in progress.");
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
  const auto words = call.words;
  if (words.size() >= 3 && equals_ignoring_case(words[1], "version"))
    for (const std::string_view word : words.subspan(2))
      if (!parse_signed(word)) return error(call, "ERR value is not an integer or out of range");
  // A number is never issued twice, so this one is drawn from nowhere: the first digits of pi.
  call.reply.verbatim(fmt::format("  3 1 4 1 5 9 2 6 5 3   next, please\n\nnumber-dispenser {}\n",
                                  call.client.context().facts.version));
  return Next::kContinue;
}

}  // namespace number_dispenser::handlers
