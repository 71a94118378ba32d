// Owns everything and connects it: state, registry, keeper, loops, listeners, sessions; starts and
// stops them. The first loop runs on the caller's thread, with the listeners, the keeper and the
// signals.
#pragma once

#include <sys/signalfd.h>

#include <array>
#include <atomic>
#include <functional>
#include <latch>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "node.h"
#include "number_dispenser/command/client_session.h"
#include "number_dispenser/config/config.h"
#include "number_dispenser/net/keeper.h"
#include "number_dispenser/net/listener.h"
#include "number_dispenser/net/loop.h"
#include "number_dispenser/state/file_storage.h"
#include "number_dispenser/tls/context.h"
#include "number_dispenser/uring/uring_ring.h"
#include "service_manager.h"

namespace number_dispenser {

class Server {
 public:
  // Everything that can be refused is refused here: io_uring, the data directory, the addresses,
  // the state file. `reread`: the configuration again, for SIGHUP.
  static Result<std::unique_ptr<Server>> create(const Config& config,
                                                std::function<Result<Config>()> reread);
  // What only its use would show of a configuration: the files of TLS.
  static Result<void> check(const Config& config);
  ~Server();

  // Serves until a signal or a failure stops it. An error is the ring's, the state file's or
  // the cluster's.
  Result<void> run();

 private:
  enum class Phase { kServe, kDrain, kFail };

  // What one loop needs for itself. The ring is enabled on its thread.
  struct LoopParts {
    std::unique_ptr<UringRing> ring;
    std::unique_ptr<Registry::View> view;
    KernelRandom random;
    std::unique_ptr<Loop> loop;
  };

  Server(const Config& config, std::function<Result<Config>()> reread);
  Result<void> make_rings(unsigned count);
  Result<void> open_storage(const Config& config);
  Result<void> open_state(const Config& config);
  Result<void> join_cluster(const Config& config);
  Result<void> listen(const Config& config);
  Result<void> watch_signals();
  void watch(const Config& config);
  void make_loops();
  Result<void> apply(const Config& config);
  void limit_clients(const ClientConfig& config);

  void run_first_loop();
  void tick_first(uint64_t longest_wait_ns);
  void leave_cluster();
  void become_idle();
  void tick(Loop& loop);
  void run_other_loop(LoopParts& parts, std::latch& all_enabled);
  void finish(LoopParts& parts);
  void tell_of_failure(Loop& loop);
  void change_phase(Phase phase);
  void on_signal(const Completion& completion);
  void reload();
  void report();

  SystemClock clock_;
  LiveDirectory live_;
  std::function<Result<Config>()> reread_;
  std::vector<std::unique_ptr<LoopParts>> parts_;
  std::unique_ptr<FileStorage> storage_;
  std::unique_ptr<StateFile> state_;
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<Keeper> keeper_;
  std::unique_ptr<Node> node_;  // null: serves alone
  std::unique_ptr<CommandContext> context_;
  std::unique_ptr<ClientSessions> sessions_;
  std::optional<Config> applied_;
  std::mutex rewrite_mutex_;
  std::vector<Loop*> loops_;
  std::optional<TlsContext> tls_;      // for what is accepted from now on
  std::vector<ListenSocket> sockets_;  // until the listeners have them
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::vector<std::thread> threads_;
  std::atomic<Phase> phase_{Phase::kServe};
  std::atomic<size_t> others_running_{0};  // with clients
  std::atomic<bool> over_{false};          // nobody has any, and all is flushed

  Fd signals_;
  signalfd_siginfo signal_{};
  MemberOperation<Server, &Server::on_signal> signal_read_{*this};
  ServiceManager manager_;
};

}  // namespace number_dispenser
