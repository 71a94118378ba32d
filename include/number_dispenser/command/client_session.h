// A client as the commands see it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "number_dispenser/command/command.h"
#include "number_dispenser/command/context.h"
#include "number_dispenser/net/session.h"

namespace number_dispenser {

// What is said when the state file has failed: the one error for every number that cannot be made
// durable.
inline constexpr std::string_view kIoErrorReply =
    "IOERR the state file cannot be written, so no number is issued and nothing is defined; see "
    "the "
    "server's log";

// To a client whose user is gone, before it is disconnected.
inline constexpr std::string_view kUserGone = "NOPERM this user was deleted or switched off";

class ClientSession final : public Session {
 public:
  ClientSession(CommandContext& context, unsigned loop, int fd);
  ~ClientSession() override;

  Next handle(std::span<const std::string_view> request, ReplySink& reply) override;
  bool authenticated() const override { return authenticated_; }
  size_t kept_bytes() const override {
    return queued_bytes_ + queued_.capacity() * sizeof(Queued) +
           mailbox_.room_bytes.load(std::memory_order_relaxed);
  }
  bool keeps_memory() const override { return record_.keeps_memory.read() != 0; }
  bool hear(Buffer& out, bool room) override;

  CommandContext& context() { return context_; }
  Registry& registry() { return context_.registry; }
  Registry::View& view() { return *loop_.view; }
  RandomSource& random() { return *loop_.random; }

  // In a cluster: proposes a change of definitions, or looks at the one proposed when this request
  // was last tried. Null while it is not decided; then handlers return kRetry.
  std::shared_ptr<const Proposal> decide(Proposal wanted);

  // Null where there is no such dispenser. Counted, for INFO's keyspace_hits and misses.
  Cell* look_up(std::string_view dispenser) {
    Cell* const cell = loop_.view->find(dispenser);
    count_lookup(cell != nullptr);
    return cell;
  }
  void count_lookup(bool found) {
    CommandStats& stats = *loop_.commands;
    (found ? stats.hits : stats.misses).add(1);
  }

  uint64_t id() const { return record_.id; }
  // What others see of it; texts are changed through the directory.
  ClientRecord& record() { return record_; }
  Protocol protocol() const { return protocol_; }
  void set_protocol(Protocol protocol);
  const AclUser& user() const { return *user_; }
  // False: an attempt to log in has to wait for the penalty of earlier ones; handlers return
  // kRetry.
  bool may_log_in();
  // False for a wrong pair, which is logged.
  bool log_in(std::string_view user, std::string_view password);
  // A connection that only guesses is closed.
  bool guesses() const { return failed_logins_ >= kMostFailedLogins; }
  // A loopback address or a Unix socket.
  bool is_local() const { return record_.is_local; }
  // As CLIENT INFO shows it.
  std::string description() const;
  // As if it had just connected.
  void reset();

  // CLIENT REPLY.
  enum class Replies { kOn, kOff, kSkipNext, kSkip };
  Replies replies() const { return replies_; }
  void set_replies(Replies replies) { replies_ = replies; }

  // MONITOR.
  bool monitors() const { return listens_; }
  void monitor();

  // A transaction's queue. Requests are kept as text, since their bytes are gone by EXEC.
  void begin_transaction();
  bool in_transaction() const { return in_transaction_; }
  void discard_transaction();
  Next execute_transaction(Call& call);

 private:
  static constexpr unsigned kMostFailedLogins = 10;

  Next answer(Call& call);
  Next answer_muted(Call& call, Buffer& bytes);
  bool must_wait(const Command& command);
  void tell_monitors(const Command& command, std::span<const std::string_view> words);
  void stop_monitoring();
  void set_user(Acl::User user);
  void show_queue();
  const Command* admit(Call& call);
  bool follow_acl();
  // What the user's rights forbid of a request, which ACL LOG then has.
  enum class Denied { kNothing, kCommand, kKey };
  Denied check_rights(const Command& command, std::span<const std::string_view> words);
  bool may_run(Call& call, const Command& command);
  void log_refusal(std::string_view reason, std::string_view object, std::string_view user = {});
  Next run(const Command& command, Call& call);
  void record_time(const Command& command, std::span<const std::string_view> words,
                   uint64_t took_ns);
  void refuse(Call& call, const Command* command, std::string_view error);
  Next queue(Call& call, const Command& command);
  Next run_queued(const Command& command, Call& call);

  CommandContext& context_;
  CommandContext::PerLoop& loop_;
  ClientRecord record_;
  Monitors::Mailbox mailbox_;
  Protocol protocol_ = Protocol::kResp2;
  Replies replies_ = Replies::kOn;
  std::shared_ptr<const Proposal> proposal_;  // not decided, when last seen
  uint64_t login_ns_ = 0;  // when the attempt under way may be looked at; 0: there is none
  uint64_t acl_generation_;
  Acl::User user_;  // never null
  bool authenticated_;
  unsigned failed_logins_ = 0;
  bool in_transaction_ = false;
  bool transaction_failed_ = false;
  bool transaction_writes_ = false;
  struct Queued {
    const Command* command;
    std::vector<std::string> words;
  };
  std::vector<Queued> queued_;
  size_t executed_ = 0;  // of queued_, when EXEC had to wait in the middle
  size_t queued_bytes_ = 0;
};

// Opens sessions; refuses strangers in protected mode.
class ClientSessions final : public SessionFactory {
 public:
  explicit ClientSessions(CommandContext& context) : context_(context) {}
  std::unique_ptr<Session> open(unsigned loop, int fd, Buffer& refusal) override;
  uint64_t news() const override { return context_.news.load(); }

 private:
  CommandContext& context_;
};

}  // namespace number_dispenser
