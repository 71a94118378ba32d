// ACL: who may do what.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "handlers.h"
#include "number_dispenser/base/log.h"
#include "number_dispenser/command/acl.h"
#include "number_dispenser/command/client_session.h"
#include "text.h"

namespace number_dispenser::handlers {
namespace {

Acl& acl_of(Call& call) {
  return call.client.context().acl;
}

void write_words(Call& call, const std::vector<std::string_view>& words) {
  call.reply.array(words.size());
  for (const std::string_view word : words) call.reply.bulk(word);
}

Next too_many(Call& call, std::string_view subcommand) {
  return error(
      call,
      fmt::format("ERR unknown subcommand or wrong number of arguments for '{}'. Try ACL HELP.",
                  subcommand));
}

Next no_file(Call& call) {
  return error(call,
               "ERR This server is not configured to use an ACL file: start it with --aclfile");
}

}  // namespace

Next acl_cat(Call& call) {
  if (call.words.size() > 3) return too_many(call, "cat");
  std::vector<std::string_view> names(all_categories().begin(), all_categories().end());
  if (call.words.size() == 3) {
    const std::string wanted = lower_case(call.words[2]);
    if (std::ranges::find(names, wanted) == names.end())
      return error(call, fmt::format("ERR Unknown category '{}'", printable(call.words[2])));
    names.clear();
    for (const Command& row : all_commands()) {
      const auto categories = categories_of(row);
      if (std::ranges::find(categories, wanted) != categories.end()) names.push_back(row.name);
    }
  }
  write_words(call, names);
  return Next::kContinue;
}

Next acl_deluser(Call& call) {
  int64_t removed = 0;
  const auto names = call.words.subspan(2);
  if (std::ranges::find(names, "default") != names.end())
    return error(call, "ERR The 'default' user cannot be removed");
  for (const std::string_view name : names) removed += acl_of(call).remove_user(name) ? 1 : 0;
  // At once: a user of that name who is made later is somebody else, and one who monitors asks for
  // nothing.
  bool me = false;
  end_connections(
      call,
      [&](const ClientRecord& client) {
        return std::ranges::find(names, client.user) != names.end();
      },
      &me);
  call.reply.integer(removed);
  return me ? Next::kClose : Next::kContinue;
}

Next acl_dryrun(Call& call) {
  const auto user = acl_of(call).find(call.words[2]);
  if (!user) return error(call, fmt::format("ERR User '{}' not found", printable(call.words[2])));
  const auto request = call.words.subspan(3);
  const Command* command = resolve_command(request);
  if (command == nullptr)
    return error(call, fmt::format("ERR Command '{}' not found", printable(request[0])));
  if (!has_fitting_arity(*command, request.size()))
    return error(call,
                 fmt::format("ERR wrong number of arguments for '{}' command", command->name));
  if (!user->may_run(*command)) {
    call.reply.bulk(
        fmt::format("This user has no permissions to run the '{}' command", command->name));
    return Next::kContinue;
  }
  for (const std::string_view name : names_in(*command, request)) {
    if (user->may_use(name, command->keys.use)) continue;
    call.reply.bulk(
        fmt::format("This user has no permissions to access the '{}' key", printable(name)));
    return Next::kContinue;
  }
  return ok(call);
}

Next acl_genpass(Call& call) {
  constexpr int64_t kDefaultBits = 256;
  constexpr int64_t kMostBits = 4096;
  if (call.words.size() > 3) return too_many(call, "genpass");
  const auto bits = call.words.size() == 3 ? parse_signed(call.words[2]) : kDefaultBits;
  if (!bits) return error(call, "ERR value is not an integer or out of range");
  if (*bits < 1 || *bits > kMostBits)
    return error(call,
                 "ERR ACL GENPASS argument must be the number of bits for the output password, "
                 "a positive number up to 4096");
  std::string text;
  for (int64_t digit = 0; digit < (*bits + 3) / 4; ++digit)
    text += "0123456789abcdef"[call.client.random().below(16)];
  call.reply.bulk(text);
  return Next::kContinue;
}

Next acl_getuser(Call& call) {
  const auto user = acl_of(call).find(call.words[2]);
  if (!user) {
    call.reply.null();
    return Next::kContinue;
  }
  ReplyWriter& reply = call.reply;
  reply.map(6);
  reply.bulk("flags");
  const auto flags = user->flags();
  reply.set(flags.size());
  for (const std::string_view flag : flags) reply.bulk(flag);
  reply.bulk("passwords");
  reply.array(user->password_hashes().size());
  for (const std::string& hash : user->password_hashes()) reply.bulk(hash);
  reply.bulk("commands");
  reply.bulk(user->command_rules());
  reply.bulk("keys");
  reply.bulk(user->key_rules());
  reply.bulk("channels");
  reply.bulk(user->all_channels() ? "&*" : "");
  reply.bulk("selectors");
  reply.array(0);
  return Next::kContinue;
}

Next acl_list(Call& call) {
  const auto users = acl_of(call).users();
  call.reply.array(users.size());
  for (const auto& user : users)
    call.reply.bulk(fmt::format("user {} {}", user->name(), user->rules()));
  return Next::kContinue;
}

Next acl_log(Call& call) {
  if (call.words.size() > 3) return too_many(call, "log");
  size_t most = 10;
  if (call.words.size() == 3) {
    if (equals_ignoring_case(call.words[2], "reset")) {
      acl_of(call).clear_log();
      return ok(call);
    }
    const auto count = parse_signed(call.words[2]);
    if (!count) return error(call, "ERR value is not an integer or out of range");
    most = *count < 0 ? 0 : static_cast<size_t>(*count);
  }
  auto entries = acl_of(call).log_entries();
  entries.resize(std::min(entries.size(), most));
  const uint64_t now_ns = call.client.context().clock.monotonic_ns();
  call.reply.array(entries.size());
  for (const AclLogEntry& entry : entries) {
    ReplyWriter& reply = call.reply;
    reply.map(7);
    reply.bulk("count");
    reply.integer(static_cast<int64_t>(entry.count));
    reply.bulk("reason");
    reply.bulk(entry.reason);
    reply.bulk("context");
    reply.bulk(entry.context);
    reply.bulk("object");
    reply.bulk(entry.object);
    reply.bulk("username");
    reply.bulk(entry.user);
    reply.bulk("age-seconds");
    reply.bulk(fmt::format("{:.3f}", static_cast<double>(now_ns - entry.at_ns) / 1e9));
    reply.bulk("client-info");
    reply.bulk(entry.client);
  }
  return Next::kContinue;
}

Next acl_load(Call& call) {
  CommandContext& context = call.client.context();
  if (context.facts.acl_file.empty()) return no_file(call);
  if (const auto fault = context.load_acl())
    return error(call, fmt::format("ERR {}; nothing was changed", *fault));
  return ok(call);
}

Next acl_save(Call& call) {
  CommandContext& context = call.client.context();
  if (context.facts.acl_file.empty()) return no_file(call);
  if (const auto fault = context.save_acl()) return error(call, fmt::format("ERR {}", *fault));
  return ok(call);
}

Next acl_setuser(Call& call) {
  const auto fault = acl_of(call).set_user(call.words[2], call.words.subspan(3));
  return fault ? error(call, "ERR " + *fault) : ok(call);
}

Next acl_users(Call& call) {
  const auto users = acl_of(call).users();
  call.reply.array(users.size());
  for (const auto& user : users) call.reply.bulk(user->name());
  return Next::kContinue;
}

Next acl_whoami(Call& call) {
  call.reply.bulk(call.client.user().name());
  return Next::kContinue;
}

}  // namespace number_dispenser::handlers
