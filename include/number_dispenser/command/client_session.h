// A client as the commands see it, and what all clients of a server share.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "number_dispenser/base/clock.h"
#include "number_dispenser/base/random.h"
#include "number_dispenser/command/command.h"
#include "number_dispenser/dispenser/registry.h"
#include "number_dispenser/net/loop.h"
#include "number_dispenser/net/session.h"

namespace number_dispenser {

// What is said when the state file has failed: the one error for every number that cannot be made durable.
inline constexpr std::string_view kIoErrorReply =
    "IOERR the state file cannot be written, so no number is issued and nothing is defined; see the "
    "server's log";

// What may change while the server runs; any thread reads it, one writes.
class Settings {
 public:
  void set_password(std::string password);
  bool has_password() const { return has_password_.load(std::memory_order_acquire); }
  // In constant time for a given length of `password`.
  bool password_matches(std::string_view password) const;
  void set_protected_mode(bool on) { protected_mode_.store(on); }
  bool protected_mode() const { return protected_mode_.load(); }

 private:
  std::shared_ptr<const std::string> password() const;

  mutable std::mutex mutex_;
  std::shared_ptr<const std::string> password_ = std::make_shared<std::string>();
  std::atomic<bool> has_password_{false};
  std::atomic<bool> protected_mode_{true};
};

// What INFO and CONFIG GET say of the process. Fixed once the loops run.
struct ServerFacts {
  std::string version;
  std::string executable;
  std::string config_file;
  std::string data_dir;
  std::vector<std::string> addresses;
  int tcp_port = 0;  // the first one, 0: none
  unsigned threads = 1;
  std::string run_id;  // 40 hexadecimal digits
  uint64_t started_ns = 0;
  uint64_t max_clients = 0;  // what the limit of open files allows
};

// Owned by the server, shared by all sessions.
struct CommandContext {
  Registry& registry;
  const Clock& clock;
  Settings& settings;
  ServerFacts facts;
  // One of each for every loop.
  struct PerLoop {
    Registry::View* view = nullptr;
    RandomSource* random = nullptr;
    const LoopStats* stats = nullptr;
  };
  std::vector<PerLoop> loops;
  std::atomic<uint64_t> next_client_id{1};
};

class ClientSession final : public Session {
 public:
  ClientSession(CommandContext& context, unsigned loop, int fd);

  Next handle(std::span<const std::string_view> request, ReplySink& reply) override;
  bool authenticated() const override { return authenticated_; }

  CommandContext& context() { return context_; }
  Registry& registry() { return context_.registry; }
  Registry::View& view() { return *context_.loops[loop_].view; }
  RandomSource& random() { return *context_.loops[loop_].random; }

  uint64_t id() const { return id_; }
  int fd() const { return fd_; }
  std::string name, library_name, library_version;
  Protocol protocol = Protocol::kResp2;
  void set_authenticated() { authenticated_ = true; }

  // A transaction's queue. Requests are kept as text, since their bytes are gone by EXEC.
  void begin_transaction();
  bool in_transaction() const { return in_transaction_; }
  void discard_transaction();
  Next execute_transaction(Call& call);

 private:
  const Command* admit(Call& call);
  void refuse(Call& call, std::string_view error);
  Next queue(Call& call);

  CommandContext& context_;
  const unsigned loop_;
  const int fd_;
  const uint64_t id_;
  bool authenticated_;
  bool in_transaction_ = false;
  bool transaction_failed_ = false;
  std::vector<std::vector<std::string>> queued_;
  size_t executed_ = 0;  // of queued_, when EXEC had to wait in the middle
  size_t queued_bytes_ = 0;
};

// Opens sessions; refuses strangers in protected mode.
class ClientSessions final : public SessionFactory {
 public:
  explicit ClientSessions(CommandContext& context) : context_(context) {}
  std::unique_ptr<Session> open(unsigned loop, int fd, Buffer& refusal) override;

 private:
  CommandContext& context_;
};

}  // namespace number_dispenser
