#include "number_dispenser/command/client_session.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cctype>

#include "handlers.h"
#include "text.h"

namespace number_dispenser {
namespace {

// What a client may queue in a transaction.
constexpr size_t kQueuedBytes = 4 * 1024 * 1024;

constexpr std::string_view kProtectedMode =
    "DENIED number-dispenser is running in protected mode: no password is set, so only clients on this "
    "machine are served. Set a password (--requirepass, or server.requirepass in the configuration "
    "file), or listen on loopback only (--addr 127.0.0.1:6380), or, if the network is trusted, switch "
    "it off with --protected-mode no.";

// Loopback addresses and Unix sockets.
bool is_local(int fd) {
  sockaddr_storage peer{};
  socklen_t length = sizeof peer;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &length) != 0) return false;
  if (peer.ss_family == AF_UNIX) return true;
  if (peer.ss_family == AF_INET) {
    const auto& four = reinterpret_cast<const sockaddr_in&>(peer);
    return ntohl(four.sin_addr.s_addr) >> 24 == 127;
  }
  const auto& six = reinterpret_cast<const sockaddr_in6&>(peer).sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(&six) || (IN6_IS_ADDR_V4MAPPED(&six) && six.s6_addr[12] == 127);
}

std::string unknown_command(std::span<const std::string_view> words) {
  if (const Command* container = find_command(words[0]); container != nullptr && words.size() > 1) {
    std::string name(container->name);
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::toupper(c); });
    return fmt::format("ERR unknown subcommand '{}'. Try {} HELP.", printable(words[1]), name);
  }
  if (is_refused_command(words[0]))
    return fmt::format("ERR unknown command '{}': number-dispenser keeps no values, it issues numbers; "
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
      authenticated_(!context.settings.has_password()) {}

Next ClientSession::handle(std::span<const std::string_view> request, ReplySink& sink) {
  Call call{*this, request, sink, ReplyWriter(sink.bytes(), protocol)};
  const Command* command = admit(call);
  if (command == nullptr) return Next::kContinue;
  if (in_transaction_ && (command->flags & kAtOnce) == 0) return queue(call, *command);
  return run(*command, call);
}

// Runs and counts. A clock costs more than a GET does: of the fast commands one call in 64 is timed.
Next ClientSession::run(const Command& command, Call& call) {
  constexpr uint64_t kTimedEvery = 64;
  CommandStats::Row& stats = loop_.commands->of(command);
  const bool timed = (command.flags & kFast) == 0 || stats.calls.read() % kTimedEvery == 0;
  const uint64_t begin_ns = timed ? context_.clock.monotonic_ns() : 0;
  const size_t reply_begin = call.sink.bytes().size();
  const Next next = command.handler(call);
  if (next == Next::kRetry) return next;
  stats.calls.add(1);
  if (timed) {
    stats.timed_calls.add(1);
    stats.timed_ns.add(context_.clock.monotonic_ns() - begin_ns);
  }
  const std::string_view reply = call.sink.bytes().view().substr(reply_begin);
  if (reply.starts_with('-')) {
    stats.failed.add(1);
    loop_.commands->count_error(reply.substr(1));
  }
  return next;
}

// The command, if it exists, its number of words fits and this client may use it; else the error is written.
const Command* ClientSession::admit(Call& call) {
  const Command* command = resolve_command(call.words);
  if (command == nullptr) {
    refuse(call, nullptr, unknown_command(call.words));
    return nullptr;
  }
  const auto words = static_cast<int>(call.words.size());
  const bool fits = command->arity >= 0 ? words == command->arity : words >= -command->arity;
  if (!fits || (command->flags & kContainer) != 0) {
    refuse(call, command,
           fmt::format("ERR wrong number of arguments for '{}' command", command->name));
    return nullptr;
  }
  if (!authenticated_ && (command->flags & kNoAuth) == 0) {
    refuse(call, command, "NOAUTH Authentication required.");
    return nullptr;
  }
  if (in_transaction_ && (command->flags & kNoMulti) != 0) {
    refuse(call, command, "ERR Command not allowed inside a transaction");
    return nullptr;
  }
  return command;
}

void ClientSession::refuse(Call& call, const Command* command, std::string_view error) {
  // An EXEC that cannot run ends the transaction: Redis says so in one go.
  const bool ends = command != nullptr && command->handler == handlers::exec;
  const std::string text =
      ends ? fmt::format("EXECABORT Transaction discarded because of: {}",
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
  authenticated_ = !context_.settings.has_password();
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

void CommandStats::count_error(std::string_view text) {
  const std::string_view code = text.substr(0, text.find_first_of(" \r"));
  const std::lock_guard lock(mutex_);
  const auto found = errors_.find(code);
  if (found != errors_.end())
    ++found->second;
  else
    errors_.emplace(code, 1);
}

std::map<std::string, uint64_t> CommandStats::errors() const {
  const std::lock_guard lock(mutex_);
  return {errors_.begin(), errors_.end()};
}

void CommandStats::reset() {
  for (Row& row : rows_)
    for (Counter* counter :
         {&row.calls, &row.rejected, &row.failed, &row.timed_calls, &row.timed_ns})
      counter->reset();
  const std::lock_guard lock(mutex_);
  errors_.clear();
}

std::unique_ptr<Session> ClientSessions::open(unsigned loop, int fd, Buffer& refusal) {
  const Settings& settings = context_.settings;
  if (settings.protected_mode() && !settings.has_password() && !is_local(fd)) {
    ReplyWriter(refusal, Protocol::kResp2).error(kProtectedMode);
    return nullptr;
  }
  return std::make_unique<ClientSession>(context_, loop, fd);
}

}  // namespace number_dispenser
