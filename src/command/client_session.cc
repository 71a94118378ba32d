#include "number_dispenser/command/client_session.h"

#include <fmt/format.h>

#include <algorithm>

#include "handlers.h"
#include "number_dispenser/base/log.h"
#include "peer.h"
#include "secrets.h"
#include "text.h"

namespace number_dispenser {
namespace {

// What a client may queue in a transaction.
constexpr size_t kQueuedBytes = 4 * 1024 * 1024;
// Of a transaction: what comes after it is not run.
constexpr size_t kLargestReplyBytes = 8 * 1024 * 1024;

constexpr std::string_view kProtectedMode =
    "DENIED number-dispenser is running in protected mode: no password is set, so only clients on "
    "this "
    "machine are served. Set a password (--requirepass, or server.requirepass in the configuration "
    "file), or listen on loopback only (--addr 127.0.0.1:6380), or, if the network is trusted, "
    "switch "
    "it off with --protected-mode no.";

std::string unknown_command(std::span<const std::string_view> words) {
  if (const Command* container = find_command(words[0]); container != nullptr && words.size() > 1) {
    return fmt::format("ERR unknown subcommand '{}'. Try {} HELP.", printable(words[1]),
                       upper_case(container->name));
  }
  if (is_refused_command(words[0]))
    return fmt::format(
        "ERR unknown command '{}': number-dispenser keeps no values, it issues numbers; "
        "define a dispenser with HSET <name> type <1|2|3> and draw with GET <name>",
        printable(words[0]));
  std::string arguments;
  for (const std::string_view word : words.subspan(1)) {
    if (arguments.size() >= 128) break;
    arguments += fmt::format("'{}' ", printable(word, 128 - arguments.size()));
  }
  return fmt::format("ERR unknown command '{}', with args beginning with: {}", printable(words[0]),
                     arguments);
}

}  // namespace

ClientSession::ClientSession(CommandContext& context, unsigned loop, int fd)
    : context_(context),
      loop_(context.loops[loop]),
      fd_(fd),
      id_(context.next_client_id.fetch_add(1, std::memory_order_relaxed)),
      connected_ns_(context.clock.monotonic_ns()),
      acl_generation_(context.acl.generation()),
      user_(context.acl.find("default")),
      authenticated_(context.acl.is_open()) {}

Next ClientSession::handle(std::span<const std::string_view> request, ReplySink& sink) {
  Call call{*this, request, sink, ReplyWriter(sink.bytes(), protocol)};
  if (context_.acl.generation() != acl_generation_ && !follow_acl()) {
    call.reply.error("NOPERM this user was deleted or switched off");
    return Next::kClose;
  }
  const Command* command = admit(call);
  if (command == nullptr) return Next::kContinue;
  last_command_ = command;
  if (in_transaction_ && (command->flags & kAtOnce) == 0) return queue(call, *command);
  return run(*command, call);
}

// Runs and counts. A clock costs more than drawing a number does: one such call in 64 is timed, and
// every other command always.
Next ClientSession::run(const Command& command, Call& call) {
  constexpr uint64_t kTimedEvery = 64;
  CommandStats::Row& stats = loop_.commands->of(command);
  const bool timed = (command.flags & kSampled) == 0 || stats.calls.read() % kTimedEvery == 0;
  const uint64_t begin_ns = timed ? context_.clock.monotonic_ns() : 0;
  const size_t reply_begin = call.sink.bytes().size();
  const Next next = command.handler(call);
  if (next == Next::kRetry) return next;
  stats.calls.add(1);
  if (timed) record_time(command, call.words, context_.clock.monotonic_ns() - begin_ns);
  const std::string_view reply = call.sink.bytes().view().substr(reply_begin);
  if (reply.starts_with('-')) {
    stats.failed.add(1);
    loop_.commands->count_error(reply.substr(1));
  }
  return next;
}

// A transaction is not recorded as a whole: its commands are.
void ClientSession::record_time(const Command& command, std::span<const std::string_view> words,
                                uint64_t took_ns) {
  CommandStats::Row& stats = loop_.commands->of(command);
  stats.timed_calls.add(1);
  stats.timed_ns.add(took_ns);
  if (context_.latency_tracking.on()) stats.latency.add(took_ns);
  if ((command.flags & kSkipSlowLog) != 0) return;
  const auto unix_s = [&] { return context_.clock.unix_us() / 1'000'000; };
  if (context_.latency.wants(took_ns)) [[unlikely]]
    context_.latency.note((command.flags & kFast) != 0 ? "fast-command" : "command", took_ns,
                          unix_s());
  if (!context_.slow_log.wants(took_ns)) [[likely]]
    return;
  context_.slow_log.add({.unix_s = unix_s(),
                         .took_us = took_ns / 1000,
                         .words = words_for_log(without_secrets(command, words)),
                         .address = peer_of(fd_).address,
                         .name = name});
}

// The command, if it exists, its number of words fits and this client may use it; else the error is
// written.
const Command* ClientSession::admit(Call& call) {
  const Command* command = resolve_command(call.words);
  if (command == nullptr) {
    refuse(call, nullptr, unknown_command(call.words));
    return nullptr;
  }
  if (!has_fitting_arity(*command, call.words.size()) || (command->flags & kContainer) != 0) {
    refuse(call, command,
           fmt::format("ERR wrong number of arguments for '{}' command", command->name));
    return nullptr;
  }
  if (!authenticated_ && (command->flags & kNoAuth) == 0) {
    refuse(call, command, "NOAUTH Authentication required.");
    return nullptr;
  }
  if ((command->flags & kNoAuth) == 0 && !may_run(call, *command)) return nullptr;
  if (in_transaction_ && (command->flags & kNoMulti) != 0) {
    refuse(call, command, "ERR Command not allowed inside a transaction");
    return nullptr;
  }
  return command;
}

// The user as it is now. False where it is gone: the client has to log in again.
bool ClientSession::follow_acl() {
  acl_generation_ = context_.acl.generation();
  const Acl::User now = context_.acl.find(user_->name());
  if (authenticated_ && (!now || !now->enabled())) return false;
  if (now) user_ = now;
  // Nobody has to log in any more.
  if (!authenticated_ && context_.acl.is_open()) authenticated_ = true;
  return true;
}

bool ClientSession::may_run(Call& call, const Command& command) {
  if (!user_->may_run(command)) {
    log_refusal("command", command.name);
    refuse(
        call, &command,
        fmt::format("NOPERM this user has no permissions to run the '{}' command", command.name));
    return false;
  }
  if (user_->may_use_all()) return true;
  for (const std::string_view dispenser : names_in(command, call.words)) {
    if (user_->may_use(dispenser, command.keys.use)) continue;
    log_refusal("key", dispenser);
    refuse(call, &command,
           "NOPERM this user has no permissions to access one of the keys used as arguments");
    return false;
  }
  return true;
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

bool ClientSession::log_in(std::string_view user, std::string_view password) {
  if (Acl::User found = context_.acl.authenticate(user, password)) {
    user_ = std::move(found);
    acl_generation_ = context_.acl.generation();
    authenticated_ = true;
    failed_logins_ = 0;
    return true;
  }
  log_refusal("auth", "AUTH", printable(user));
  log_warn("client {} failed to log in as '{}'", id_, printable(user));
  ++failed_logins_;
  return false;
}

bool ClientSession::is_local() const {
  return peer_of(fd_).is_local;
}

// In Redis's fields and order, since clients parse them; those of buffers and subscriptions are 0
// here.
std::string ClientSession::description() const {
  const Peer peer = peer_of(fd_);
  const uint64_t age_s = (context_.clock.monotonic_ns() - connected_ns_) / 1'000'000'000;
  return fmt::format(
      "id={} addr={} laddr={} fd={} name={} age={} idle=0 flags=N db=0 sub=0 psub=0 ssub=0 "
      "multi={} "
      "qbuf=0 qbuf-free=0 argv-mem=0 multi-mem={} rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=0 "
      "events=r "
      "cmd={} user={} redir=-1 resp={} lib-name={} lib-ver={}",
      id_, peer.address, peer.local_address, fd_, name, age_s,
      in_transaction_ ? static_cast<int64_t>(queued_.size()) : -1, queued_bytes_,
      last_command_ == nullptr ? "NULL" : last_command_->name, user_->name(),
      static_cast<int>(protocol), library_name, library_version);
}

void ClientSession::refuse(Call& call, const Command* command, std::string_view error) {
  // An EXEC that cannot run ends the transaction: Redis says so in one go.
  const bool ends = command != nullptr && command->handler == handlers::exec;
  const std::string text = ends ? fmt::format("EXECABORT Transaction discarded because of: {}",
                                              error.substr(error.find(' ') + 1))
                                : std::string(error);
  call.reply.error(text);
  loop_.commands->count_error(text);
  if (command != nullptr) loop_.commands->of(*command).rejected.add(1);
  if (ends) discard_transaction();
  transaction_failed_ = in_transaction_;
}

Next ClientSession::queue(Call& call, const Command& command) {
  size_t bytes = 0;
  for (const std::string_view word : call.words) bytes += word.size() + sizeof(std::string);
  if (queued_bytes_ + bytes > kQueuedBytes) {
    refuse(call, &command, "ERR the transaction is too large: at most 4 MiB can be queued");
    return Next::kContinue;
  }
  queued_bytes_ += bytes;
  queued_.push_back({&command, {call.words.begin(), call.words.end()}});
  call.reply.simple("QUEUED");
  return Next::kContinue;
}

void ClientSession::reset() {
  discard_transaction();
  name.clear();
  protocol = Protocol::kResp2;
  user_ = context_.acl.find("default");
  authenticated_ = context_.acl.is_open();
}

void ClientSession::discard_transaction() {
  in_transaction_ = transaction_failed_ = false;
  queued_.clear();
  executed_ = queued_bytes_ = 0;
}

Next ClientSession::execute_transaction(Call& call) {
  if (transaction_failed_) {
    discard_transaction();
    call.reply.error("EXECABORT Transaction discarded because of previous errors.");
    return Next::kContinue;
  }
  const size_t reply_begin = call.sink.bytes().size();
  if (executed_ == 0) call.reply.array(queued_.size());
  for (; executed_ < queued_.size(); ++executed_) {
    if (call.sink.bytes().size() > kLargestReplyBytes) {
      call.reply.error("ERR not run: the replies of this transaction are too large");
      continue;
    }
    const auto& [command, text] = queued_[executed_];
    const std::vector<std::string_view> words(text.begin(), text.end());
    Call inner{*this, words, call.sink, ReplyWriter(call.sink.bytes(), protocol)};
    // What has been run stays run; EXEC is tried again from here.
    if (run(*command, inner) == Next::kRetry) {
      if (executed_ == 0) call.sink.bytes().truncate(reply_begin);
      return Next::kRetry;
    }
  }
  discard_transaction();
  return Next::kContinue;
}

std::unique_ptr<Session> ClientSessions::open(unsigned loop, int fd, Buffer& refusal) {
  if (context_.protected_mode.load() && context_.acl.is_open() && !peer_of(fd).is_local) {
    ReplyWriter(refusal, Protocol::kResp2).error(kProtectedMode);
    return nullptr;
  }
  return std::make_unique<ClientSession>(context_, loop, fd);
}

}  // namespace number_dispenser
