// The server as a node of a cluster: the client of etcd, and what the first loop has to do for it.
// Everything on the first loop's thread.
#pragma once

#include <memory>
#include <optional>

#include "number_dispenser/base/cluster_settings.h"
#include "number_dispenser/base/fd.h"
#include "number_dispenser/cluster/cluster.h"
#include "number_dispenser/command/context.h"
#include "number_dispenser/etcd/http_client.h"
#include "number_dispenser/net/keeper.h"
#include "number_dispenser/state/storage.h"
#include "number_dispenser/uring/ring.h"

namespace number_dispenser {

class Node {
 public:
  // Errors: the etcd client's.
  static Result<std::unique_ptr<Node>> create(const ClusterSettings& settings);

  // Begins to join. All of these outlive the node's last tick.
  void join(Registry& registry, Registry::View& view, StateFile& state, const Storage& storage,
            const Clock& clock, const Keeper& keeper, CommandContext& context, Ring& ring);
  // After each tick of the first loop.
  void tick();
  uint64_t deadline_ns() const { return cluster_->deadline_ns(); }
  const std::optional<Error>& failure() const { return cluster_->failure(); }
  // Gives the node id up; until left(), tick() goes on.
  void leave() { cluster_->leave(); }
  bool left() const { return cluster_->left(); }

 private:
  explicit Node(const ClusterSettings& settings) : settings_(settings) {}
  void listen();
  void on_notice(const Completion& completion);

  const ClusterSettings settings_;
  KernelRandom random_;
  Fd notices_;  // an eventfd: the client has answers
  uint64_t notice_ = 0;
  std::unique_ptr<etcd::HttpClient> client_;
  std::unique_ptr<Cluster> cluster_;
  const Keeper* keeper_ = nullptr;
  CommandContext* context_ = nullptr;
  Ring* ring_ = nullptr;
  MemberOperation<Node, &Node::on_notice> notice_read_{*this};
};

}  // namespace number_dispenser
