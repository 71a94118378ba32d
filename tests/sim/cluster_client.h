// A client of one node: one connection at a time, a few requests ahead.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "cluster_oracle.h"
#include "sim_net.h"

namespace number_dispenser::sim {

class ClusterClient {
 public:
  ClusterClient(World& world, SimNet& net, ClusterOracle& oracle, NodeLog& log, unsigned id)
      : world_(world), net_(net), oracle_(oracle), log_(log), id_(id) {}

  // Asks, at most `depth` ahead, and takes replies. `draws`: so many of a thousand want numbers,
  // the others change definitions.
  void act(const std::vector<std::string>& names, unsigned depth, unsigned draws);
  void define(const std::string& name);
  // One number of each.
  void ask_each(const std::vector<std::string>& names);
  // Moves bytes only.
  void move();
  // The server's process is gone: takes what had arrived.
  void server_died();
  bool waiting() const { return !pending_.empty(); }
  const ClusterRequest& waits_for() const { return pending_.front(); }

 private:
  void ask(const std::string& name, unsigned draws);
  void ask_number(const std::string& name, uint64_t count);
  void send(ClusterRequest request, const std::string& line);
  void receive();
  void forget();

  World& world_;
  SimNet& net_;
  ClusterOracle& oracle_;
  NodeLog& log_;
  const unsigned id_;
  SocketPtr socket_;
  std::string out_, in_;
  std::deque<ClusterRequest> pending_;
  ClusterOracle::Tops tops_;
};

}  // namespace number_dispenser::sim
