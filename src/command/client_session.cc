#include "number_dispenser/command/client_session.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

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
  std::string arguments;
  for (const std::string_view word : words.subspan(1)) {
    if (arguments.size() >= 128) break;
    arguments += fmt::format("'{}' ", printable(word, 128 - arguments.size()));
  }
  return fmt::format("ERR unknown command '{}', with args beginning with: {}", printable(words[0]),
                     arguments);
}

}  // namespace

void Settings::set_password(std::string password) {
  const std::lock_guard lock(mutex_);
  password_ = std::make_shared<std::string>(std::move(password));
  has_password_.store(!password_->empty(), std::memory_order_release);
}

std::shared_ptr<const std::string> Settings::password() const {
  const std::lock_guard lock(mutex_);
  return password_;
}

bool Settings::password_matches(std::string_view given) const {
  const auto expected = password();
  unsigned different = expected->size() == given.size() ? 0 : 1;
  for (size_t at = 0; at < given.size(); ++at) {
    const char other = expected->empty() ? '\0' : (*expected)[at % expected->size()];
    different |= static_cast<unsigned char>(given[at] ^ other);
  }
  return different == 0;
}

ClientSession::ClientSession(CommandContext& context, unsigned loop, int fd)
    : context_(context),
      loop_(loop),
      fd_(fd),
      id_(context.next_client_id.fetch_add(1, std::memory_order_relaxed)),
      authenticated_(!context.settings.has_password()) {}

Next ClientSession::handle(std::span<const std::string_view> request, ReplySink& sink) {
  Call call{*this, request, sink, ReplyWriter(sink.bytes(), protocol)};
  const Command* command = admit(call);
  if (command == nullptr) return Next::kContinue;
  if (in_transaction_ && (command->flags & kNoMulti) == 0) return queue(call);
  return command->handler(call);
}

// The command, if it exists, its number of words fits and this client may use it; else the error is written.
const Command* ClientSession::admit(Call& call) {
  const Command* command = find_command(call.words[0]);
  if (command == nullptr) {
    refuse(call, unknown_command(call.words));
    return nullptr;
  }
  const auto words = static_cast<int>(call.words.size());
  if (command->arity >= 0 ? words != command->arity : words < -command->arity) {
    refuse(call, fmt::format("ERR wrong number of arguments for '{}' command", command->name));
    return nullptr;
  }
  if (!authenticated_ && (command->flags & kNoAuth) == 0) {
    refuse(call, "NOAUTH Authentication required.");
    return nullptr;
  }
  return command;
}

void ClientSession::refuse(Call& call, std::string_view error) {
  call.reply.error(error);
  transaction_failed_ = in_transaction_;
}

Next ClientSession::queue(Call& call) {
  size_t bytes = 0;
  for (const std::string_view word : call.words) bytes += word.size() + sizeof(std::string);
  if (queued_bytes_ + bytes > kQueuedBytes) {
    refuse(call, "ERR the transaction is too large: at most 4 MiB can be queued");
    return Next::kContinue;
  }
  queued_bytes_ += bytes;
  queued_.emplace_back(call.words.begin(), call.words.end());
  call.reply.simple("QUEUED");
  return Next::kContinue;
}

void ClientSession::begin_transaction() { in_transaction_ = true; }

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
  if (executed_ == 0) call.reply.array(queued_.size());
  for (; executed_ < queued_.size(); ++executed_) {
    const auto& text = queued_[executed_];
    const std::vector<std::string_view> words(text.begin(), text.end());
    Call inner{*this, words, call.sink, ReplyWriter(call.sink.bytes(), protocol)};
    // What has been run stays run; EXEC is tried again from here.
    if (find_command(words[0])->handler(inner) == Next::kRetry) return Next::kRetry;
  }
  discard_transaction();
  return Next::kContinue;
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
