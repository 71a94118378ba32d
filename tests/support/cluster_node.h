// One node of a cluster without a network: state file, registry, keeper's steps and cluster logic
// over memory, on a SimEtcd that several nodes share. One thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "memory_live.h"
#include "memory_storage.h"
#include "number_dispenser/base/clock.h"
#include "number_dispenser/cluster/cluster.h"
#include "seeded_random.h"
#include "sim_etcd.h"

namespace number_dispenser::testing_support {

class ClusterNode {
 public:
  ClusterNode(SimEtcd& etcd, const Clock& clock, std::string id, uint64_t seed);

  // A new process; `mode`: as a server that serves alone, without a cluster.
  void start(Registry::Mode mode = Registry::Mode::kClustered);
  // Its ends. stop() needs time to leave the cluster: see begin_stop().
  void kill();
  void cut_power();
  // Leaves the cluster; then, when cluster().left(), end_stop().
  void begin_stop() { cluster_->leave(); }
  void end_stop();
  bool running() const { return registry_ != nullptr; }

  // A tick of the only loop, with whatever is to be flushed.
  void tick();
  // The same without the flush.
  void tick_unflushed();

  // Draws as GET does: the ordinal, or why there is none.
  std::expected<uint64_t, Registry::Supply> draw(std::string_view name, uint64_t count = 1);
  // Its reply would leave now.
  bool is_released(std::string_view name, uint64_t ordinal);

  // The state file as it is now, and in this one's place while nothing runs.
  std::vector<std::byte> copy() const;
  void restore(std::span<const std::byte> bytes, uint64_t place);

  Cluster& cluster() { return *cluster_; }
  Registry& registry() { return *registry_; }
  Registry::View& view() { return *view_; }
  StateFile& state() { return *state_; }
  ClusterSettings settings;
  MemoryLive live;
  unsigned machine;

 private:
  void end();

  SimEtcd& etcd_;
  const Clock& clock_;
  SeededRandom random_;
  std::unique_ptr<MemoryStorage> storage_;
  std::unique_ptr<StateFile> state_;
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<Registry::View> view_;
  std::unique_ptr<etcd::Client> client_;
  std::unique_ptr<Cluster> cluster_;
};

}  // namespace number_dispenser::testing_support
