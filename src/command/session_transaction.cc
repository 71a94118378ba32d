// MULTI, what is queued, EXEC.
#include <fmt/format.h>

#include <string_view>
#include <vector>

#include "number_dispenser/command/client_session.h"

namespace number_dispenser {
namespace {

// What a client may queue in a transaction.
constexpr size_t kQueuedBytes = 4 * 1024 * 1024;
// Of a transaction: what comes after it is not run.
constexpr size_t kLargestReplyBytes = 8 * 1024 * 1024;

}  // namespace

void ClientSession::begin_transaction() {
  in_transaction_ = true;
  show_queue();
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
  transaction_writes_ = transaction_writes_ || (command.flags & kWrite) != 0;
  show_queue();
  call.reply.simple("QUEUED");
  return Next::kContinue;
}

void ClientSession::show_queue() {
  record_.in_transaction.set(in_transaction_ ? 1 : 0);
  record_.queued.set(queued_.size());
  record_.queued_bytes.set(queued_bytes_);
}

void ClientSession::discard_transaction() {
  in_transaction_ = transaction_failed_ = transaction_writes_ = false;
  queued_.clear();
  executed_ = queued_bytes_ = 0;
  show_queue();
}

// The rights may be others than when it was queued.
Next ClientSession::run_queued(const Command& command, Call& call) {
  const auto refuse_queued = [&](std::string_view error) {
    call.reply.error(error);
    loop_.commands->count_error(error);
    loop_.commands->of(command).rejected.add(1);
  };
  if (context_.acl.generation() != acl_generation_ && !follow_acl()) {
    refuse_queued(kUserGone);
    return Next::kClose;
  }
  const Denied denied = check_rights(command, call.words);
  if (denied == Denied::kNothing) return run(command, call);
  refuse_queued(
      fmt::format("NOPERM ACLs rules changed between the moment the transaction was accumulated "
                  "and the EXEC call. This command is no longer allowed for the following reason: "
                  "{}",
                  denied == Denied::kCommand ? "no permission to execute the command or subcommand"
                                             : "no permission to touch the specified keys"));
  return Next::kContinue;
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
    Call inner{*this, words, call.sink, ReplyWriter(call.sink.bytes(), protocol_)};
    const Next next = run_queued(*command, inner);
    // What has been run stays run; EXEC is tried again from here.
    if (next == Next::kRetry) {
      if (executed_ == 0) call.sink.bytes().truncate(reply_begin);
      return Next::kRetry;
    }
    // What comes after is neither run nor answered.
    if (next == Next::kClose) {
      discard_transaction();
      return Next::kClose;
    }
  }
  discard_transaction();
  return Next::kContinue;
}

}  // namespace number_dispenser
