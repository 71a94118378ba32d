// Who a client is, and what it may do.
#include <fmt/format.h>

#include <utility>

#include "number_dispenser/base/log.h"
#include "number_dispenser/command/client_session.h"
#include "text.h"

namespace number_dispenser {

// The user as it is now. False where it is gone: the client has to log in again.
bool ClientSession::follow_acl() {
  acl_generation_ = context_.acl.generation();
  const Acl::User now = context_.acl.find(user_->name());
  if (authenticated_ && (!now || !now->enabled())) return false;
  if (now) set_user(now);
  // Nobody has to log in any more.
  if (!authenticated_ && context_.acl.is_open()) authenticated_ = true;
  return true;
}

ClientSession::Denied ClientSession::check_rights(const Command& command,
                                                  std::span<const std::string_view> words) {
  if ((command.flags & kNoAuth) != 0) return Denied::kNothing;
  if (!user_->may_run(command)) {
    log_refusal("command", command.name);
    return Denied::kCommand;
  }
  if (user_->may_use_all()) return Denied::kNothing;
  for (const std::string_view dispenser : names_in(command, words)) {
    if (user_->may_use(dispenser, command.keys.use)) continue;
    log_refusal("key", dispenser);
    return Denied::kKey;
  }
  return Denied::kNothing;
}

bool ClientSession::may_run(Call& call, const Command& command) {
  const Denied denied = check_rights(command, call.words);
  if (denied == Denied::kCommand)
    refuse(
        call, &command,
        fmt::format("NOPERM this user has no permissions to run the '{}' command", command.name));
  else if (denied == Denied::kKey)
    refuse(call, &command,
           "NOPERM this user has no permissions to access one of the keys used as arguments");
  return denied == Denied::kNothing;
}

void ClientSession::log_refusal(std::string_view reason, std::string_view object,
                                std::string_view user) {
  context_.acl.log({.reason = std::string(reason),
                    .context = in_transaction_ ? "multi" : "toplevel",
                    .object = std::string(object),
                    .user = user.empty() ? user_->name() : std::string(user),
                    .client = description(),
                    .at_ns = context_.clock.monotonic_ns()});
}

bool ClientSession::may_log_in() {
  const uint64_t now_ns = context_.clock.monotonic_ns();
  // Asked once for each attempt, so that the failures of others do not put it off for ever.
  if (login_ns_ == 0) login_ns_ = context_.login_guard.allowed_ns(record_.address, now_ns);
  retry_ns_ = login_ns_;
  if (now_ns < login_ns_ && !context_.stopping.load()) return false;
  login_ns_ = 0;
  retry_ns_ = UINT64_MAX;
  return true;
}

bool ClientSession::log_in(std::string_view user, std::string_view password) {
  // Before the user: what changes in between is then seen by the next request.
  const uint64_t generation = context_.acl.generation();
  if (Acl::User found = context_.acl.authenticate(user, password)) {
    set_user(std::move(found));
    acl_generation_ = generation;
    authenticated_ = true;
    failed_logins_ = 0;
    return true;
  }
  ++failed_logins_;
  const uint64_t now_ns = context_.clock.monotonic_ns();
  context_.login_guard.failed(record_.address, now_ns);
  log_refusal("auth", "AUTH", printable(user));
  uint64_t left_out = 0;
  if (context_.login_guard.may_log(now_ns, &left_out))
    log_warn("client {} at {} failed to log in as '{}'{}", id(), record_.address, printable(user),
             left_out == 0 ? "" : fmt::format("; {} more failures were not logged", left_out));
  return false;
}

void ClientSession::set_user(Acl::User user) {
  if (user->name() != user_->name()) context_.clients.set(record_.user, user->name());
  user_ = std::move(user);
}

}  // namespace number_dispenser
