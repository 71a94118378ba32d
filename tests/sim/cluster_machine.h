// One machine of a simulated cluster: its own clock, disk, live counters and network, at most one
// process, and the clients that talk to it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cluster_client.h"
#include "sim_server.h"

namespace number_dispenser::sim {

class ClusterMachine {
 public:
  ClusterMachine(World& main, ClusterOracle& oracle, testing_support::SimEtcd& etcd,
                 unsigned number, std::string node_id);

  // A new process; `alone`: which is no node. Where it does not survive its start it is gone again.
  void start(bool alone = false, bool may_die = true);
  bool running() const { return server != nullptr; }
  // In touch with etcd, and may issue.
  bool serves() const {
    return server && server->cluster() != nullptr && server->cluster()->joined() &&
           !server->cluster()->has_failed() && !server->stopping();
  }
  void tell_to_stop() { server->stop(); }
  void end(Death death);
  // Its process gets to run, if there is something for it to do. False: there was not.
  bool step();
  // When it has something to do though nothing happens.
  uint64_t wait_ns() const;

  // A copy of the state file comes in its place, while nothing runs. False: nothing could tell that
  // it is older than the last run, so nobody may do it.
  bool put_back(const std::vector<std::byte>& copy, bool same_place);
  // Everything in its file has joined the cluster.
  bool is_only_cluster() const { return is_only_cluster(disk.copy_cache()); }
  // The file is created anew, with the same bytes.
  void move_file();
  // Another machine's file, as it is now, at another place.
  void clone(const ClusterMachine& from);

  const unsigned number;
  World world;
  SimDisk disk;
  SimLive live;
  SimNet net;
  NodeLog log;
  std::vector<std::unique_ptr<ClusterClient>> clients;
  std::unique_ptr<SimServer> server;
  SimMembership membership;
  uint64_t paused_until_ns = 0;  // of the main clock
  bool was_copied = false;       // its leases may be another's as well
  // The live counters of the runs after the copy was made stay, and each start takes it for older.
  bool was_restored = false;
  std::vector<std::byte> old_copy;  // that somebody has made of the state file; empty: nobody
  uint64_t starts = 0, failed_starts = 0, failed_flushes = 0;

 private:
  static bool is_only_cluster(const std::vector<std::byte>& file);
  bool is_known_as_older(const layout::Header& copy, bool same_place) const;
  Death any_death() { return world.rng.coin() ? Death::kProcess : Death::kMachine; }
  void prepare_death_in_start();
  void prepare_death();
  void finish();

  World& main_;
  ClusterOracle& oracle_;
  // Only the live counters tell that the file is a copy, until a start has marked it as one.
  bool needs_counters_ = false;
};

}  // namespace number_dispenser::sim
