#include "number_dispenser/command/client_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "handlers.h"
#include "number_dispenser/base/log.h"
#include "peer.h"
#include "secrets.h"
#include "text.h"

namespace number_dispenser {
namespace {

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
      acl_generation_(context.acl.generation()),
      user_(context.acl.find("default")),
      authenticated_(context.acl.is_open()) {
  Peer peer = peer_of(fd);
  record_.id = context.next_client_id.fetch_add(1, std::memory_order_relaxed);
  record_.fd = fd;
  record_.address = std::move(peer.address);
  record_.local_address = std::move(peer.local_address);
  record_.is_unix = peer.is_unix;
  record_.is_local = peer.is_local;
  record_.connected_ns = context.clock.monotonic_ns();
  record_.gauges = &gauges;
  record_.protocol.set(static_cast<uint64_t>(protocol_));
  record_.user = user_->name();
  context.clients.enter(record_);
}

ClientSession::~ClientSession() {
  stop_monitoring();
  context_.clients.leave(record_);
}

std::shared_ptr<const Proposal> ClientSession::decide(Proposal wanted) {
  if (!proposal_ || !proposal_->asks_for(wanted)) {
    proposal_ = context_.cluster->propose(std::move(wanted));
    context_.registry.call_keeper();
  }
  return proposal_->done() ? std::exchange(proposal_, nullptr) : nullptr;
}

Next ClientSession::handle(std::span<const std::string_view> request, ReplySink& sink) {
  if (record_.killed.load(std::memory_order_relaxed)) return Next::kClose;
  Buffer& bytes = sink.bytes();
  Call call{*this, request, sink, ReplyWriter(bytes, protocol_)};
  Next next = Next::kContinue;
  if (replies_ != Replies::kOn) [[unlikely]]
    next = answer_muted(call, bytes);
  else
    next = answer(call);
  // Also where the request ended without asking for it, as when its user may no longer do that.
  if (proposal_ && next != Next::kRetry) [[unlikely]]
    proposal_.reset();
  return next;
}

Next ClientSession::answer(Call& call) {
  if (context_.acl.generation() != acl_generation_ && !follow_acl()) {
    call.reply.error(kUserGone);
    return Next::kClose;
  }
  const Command* command = admit(call);
  if (command == nullptr) return Next::kContinue;
  record_.last_command.store(command, std::memory_order_relaxed);
  if (context_.pause.active() && must_wait(*command)) [[unlikely]]
    return Next::kRetry;
  if (in_transaction_ && (command->flags & kAtOnce) == 0) return queue(call, *command);
  return run(*command, call);
}

// Drops the reply, unless the request switches replies on. Holds of it stay: they only make later
// ones wait.
Next ClientSession::answer_muted(Call& call, Buffer& bytes) {
  if (replies_ == Replies::kSkipNext) replies_ = Replies::kSkip;
  const size_t begin = bytes.size();
  const Next next = answer(call);
  if (replies_ == Replies::kOn) return next;
  bytes.truncate(begin);
  if (replies_ == Replies::kSkip && next != Next::kRetry) replies_ = Replies::kOn;
  return next;
}

// Whether CLIENT PAUSE holds it back. As in Redis, monitors are not.
bool ClientSession::must_wait(const Command& command) {
  if (listens_) return false;
  const bool runs_writes = command.handler == handlers::exec && transaction_writes_;
  const bool writes = (command.flags & kWrite) != 0 || runs_writes;
  retry_ns_ = context_.pause.until_ns(writes, context_.clock.monotonic_ns());
  if (retry_ns_ != 0) return true;
  retry_ns_ = UINT64_MAX;
  return false;
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
  if (context_.monitors.any()) [[unlikely]]
    tell_monitors(command, call.words);
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
                         .address = record_.address,
                         .name = record_.name});
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
  if (!may_run(call, *command)) return nullptr;
  // Redis's word for a monitor.
  if (listens_ && (command->flags & (kWrite | kReadOnly)) != 0) {
    refuse(call, command, "ERR Replica can't interact with the keyspace");
    return nullptr;
  }
  if (in_transaction_ && (command->flags & kNoMulti) != 0) {
    refuse(call, command, "ERR Command not allowed inside a transaction");
    return nullptr;
  }
  return command;
}

void ClientSession::set_protocol(Protocol protocol) {
  protocol_ = protocol;
  record_.protocol.set(static_cast<uint64_t>(protocol));
}

std::string ClientSession::description() const {
  return describe(record_, context_.clock.monotonic_ns());
}

void ClientSession::monitor() {
  if (std::exchange(listens_, true)) return;
  record_.monitors.set(1);
  context_.monitors.join(mailbox_);
}

void ClientSession::stop_monitoring() {
  if (!std::exchange(listens_, false)) return;
  record_.monitors.set(0);
  context_.monitors.leave(mailbox_);
}

bool ClientSession::hear(Buffer& out, bool room) {
  // ACL LOAD and SIGHUP take users away too.
  if (context_.acl.generation() != acl_generation_ && !follow_acl()) return false;
  // Not in the middle of a transaction's reply.
  const auto lines = context_.monitors.take(mailbox_, room && executed_ == 0);
  if (!lines) {
    log_warn("client {} at {} monitors, but does not read: closed", id(), record_.address);
    return false;
  }
  if (replies_ != Replies::kOff) out.append(*lines);
  return true;
}

void ClientSession::tell_monitors(const Command& command, std::span<const std::string_view> words) {
  // As in Redis, what is for operators is not shown: it may hold secrets.
  if ((command.flags & kAdmin) != 0) return;
  const int64_t now_us = context_.clock.unix_us();
  std::string line =
      fmt::format("+{}.{:06} [0 {}]", now_us / 1'000'000, now_us % 1'000'000,
                  record_.is_unix ? "unix:" + record_.address.substr(0, record_.address.rfind(':'))
                                  : record_.address);
  for (const std::string_view word : without_secrets(command, words)) line += " " + escaped(word);
  context_.monitors.tell(line += "\r\n");
  context_.news.fetch_add(1);
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

void ClientSession::reset() {
  discard_transaction();
  stop_monitoring();
  replies_ = Replies::kOn;
  context_.clients.set(record_.name, "");
  set_protocol(Protocol::kResp2);
  set_user(context_.acl.find("default"));
  authenticated_ = context_.acl.is_open();
}

std::unique_ptr<Session> ClientSessions::open(unsigned loop, int fd, Buffer& refusal) {
  if (context_.protected_mode.load() && context_.acl.is_open() && !peer_of(fd).is_local) {
    ReplyWriter(refusal, Protocol::kResp2).error(kProtectedMode);
    return nullptr;
  }
  return std::make_unique<ClientSession>(context_, loop, fd);
}

}  // namespace number_dispenser
