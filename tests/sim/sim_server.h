// One process of the server: the real loops, keeper, registry, state file and sessions on simulated
// ring, storage, live memory and clock. Does what src/server/server.cc does around them, without
// threads: the simulation runs one loop's tick at a time. Destroying it is killing it.
#pragma once

#include <memory>
#include <vector>

#include "dying_store.h"
#include "number_dispenser/base/cluster_settings.h"
#include "number_dispenser/cluster/cluster.h"
#include "number_dispenser/command/client_session.h"
#include "number_dispenser/net/keeper.h"
#include "number_dispenser/net/listener.h"
#include "number_dispenser/net/loop.h"
#include "number_dispenser/state/state_file.h"
#include "sim_disk.h"
#include "sim_etcd.h"
#include "sim_live.h"
#include "sim_ring.h"

namespace number_dispenser::sim {

// The disk as one process sees it; completions arrive on its first loop's ring.
class SimStorage final : public Storage {
 public:
  SimStorage(World& world, SimDisk& disk) : world_(world), disk_(disk) {}

  void attach(SimRing& ring) { ring_ = &ring; }
  // The process dies in so many blocking flushes, before or after them; 0: in none.
  void die_in_flush(unsigned countdown, Death death) {
    countdown_ = countdown;
    death_ = death;
  }

  std::byte* data() override { return disk_.cache(); }
  uint64_t size() const override { return disk_.size(); }
  uint64_t place() const override { return disk_.place; }
  Result<void> flush_now() override;
  void start_flush(Operation& operation) override;
  void start_growth(Operation& operation, uint64_t bytes) override;

 private:
  World& world_;
  SimDisk& disk_;
  SimRing* ring_ = nullptr;
  unsigned countdown_ = 0;
  Death death_ = Death::kNone;
};

// What makes a server a node of a cluster.
struct SimMembership {
  testing_support::SimEtcd& etcd;
  unsigned machine = 0;
  ClusterSettings settings{};
};

class SimServer {
 public:
  SimServer(World& world, SimDisk& disk, SimLive& live, SimNet& net, unsigned loops);
  ~SimServer();

  // The process dies while it starts, or in a store that it makes later.
  SimStorage& storage() { return storage_; }
  void die_in_store(unsigned countdown, Death death) { dying_.arm(countdown, death); }
  void die_at_page(unsigned countdown, Death death) { dying_.arm_page(countdown, death); }
  // It does none of that any more.
  void live_on();

  // `tls`: what clients speak, null: plain text. `membership`: null: serves alone.
  Result<void> start(const TlsContext* tls = nullptr, const SimMembership* membership = nullptr);
  unsigned loops() const { return static_cast<unsigned>(parts_.size()); }
  // The loop's thread would be running: something has happened, or its time is over.
  bool is_runnable(unsigned loop) const;
  // Something has happened.
  bool is_busy(unsigned loop) const { return parts_[loop]->ring.has_ready(); }
  void step(unsigned loop);
  // When the first of the loops runs though nothing happens.
  uint64_t deadline_ns() const;

  // SIGTERM.
  void stop();
  bool stopping() const { return phase_ != Phase::kServe; }
  bool failed() const { return keeper_ && keeper_->failed(); }
  // Every loop has ended.
  bool stopped() const;
  // The last steps of a stop. An error is the state file's.
  Result<void> close();

  uint64_t epoch() const { return state_->epoch(); }
  // Null where it serves alone.
  const Cluster* cluster() const { return cluster_.get(); }
  Registry& registry() { return *registry_; }
  StateFile& state() { return *state_; }

 private:
  enum class Phase { kServe, kDrain, kFail };
  enum class Ending { kNo, kDraining, kAborting, kDone };
  struct Part {
    Part(World& world, SimNet& net, unsigned number)
        : ring(world, net, number), random(world.rng.next()) {}
    SimRing ring;
    SeededRandom random;
    std::unique_ptr<Registry::View> view;
    std::unique_ptr<Loop> loop;
    Ending ending = Ending::kNo;
    uint64_t abort_ns = 0;
    uint64_t deadline_ns = 0;
  };

  void make_loops(const TlsContext* tls);
  void join(const SimMembership& membership);
  void tick_cluster();
  void trace_cluster();
  bool has_drained() const;
  void begin_end(Part& part);
  void advance_end(Part& part);

  World& world_;
  SimDisk& disk_;
  SimLive& live_;
  SimNet& net_;
  SimStorage storage_;
  DyingStore dying_;
  std::vector<std::unique_ptr<Part>> parts_;
  std::unique_ptr<StateFile> state_;
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<Keeper> keeper_;
  std::unique_ptr<CommandContext> context_;
  std::unique_ptr<ClientSessions> sessions_;
  std::vector<Loop*> loops_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<etcd::Client> etcd_client_;
  std::unique_ptr<Cluster> cluster_;
  std::string traced_;
  uint64_t leave_until_ns_ = 0;  // 0: it does not leave its cluster yet
  Phase phase_ = Phase::kServe;
};

}  // namespace number_dispenser::sim
