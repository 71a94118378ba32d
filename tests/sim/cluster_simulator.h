// One simulation of a cluster: a few machines with a node each, one etcd, and everything that can
// go wrong between them, all of it following from one 64-bit seed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cluster_machine.h"

namespace number_dispenser::sim {

struct ClusterTotals {
  uint64_t requests = 0, ticks = 0, starts = 0, kills = 0, power_cuts = 0, stops = 0, pauses = 0,
           failed_starts = 0, failed_flushes = 0, restored = 0, clones = 0, partitions = 0,
           outages = 0, refusals = 0, compactions = 0;

  ClusterTotals& operator+=(const ClusterTotals& other);
  std::string text(double elapsed_s) const;
};

class ClusterSimulator {
 public:
  using TotalsType = ClusterTotals;
  ClusterSimulator(uint64_t seed, bool tracing);

  // Whether every promise was kept; else violation() says what was not, at step().
  bool run();
  const std::string& violation() const { return world_.violation; }
  uint64_t step() const { return world_.step; }
  const ClusterTotals& totals() const { return totals_; }

 private:
  void choose_faults();
  void begin_alone();
  void episode();
  void trouble(ClusterMachine& machine);
  void relapse(ClusterMachine& machine);
  bool restore(ClusterMachine& machine, const std::vector<std::byte>& copy);
  void clone(ClusterMachine& machine);
  void etcd_trouble(ClusterMachine& machine);
  void last_life();
  void retire_doubles();
  void serve_all();
  void ask_all();
  void await_answers();
  void for_each_info(
      const std::function<void(unsigned, const std::string&, const Registry::Info&)>& take);
  void check_agreement();
  void check_marks();
  bool round(bool asks);
  // Rounds without requests, until so much time has passed.
  void idle(uint64_t ms);
  bool wait_until(const std::function<bool()>& so, uint64_t most_ms, const char* what);
  void pass_time();
  void advance(uint64_t ns);
  void check_holdings();
  bool over();
  ClusterMachine& any() { return *machines_[world_.rng.below(machines_.size())]; }

  World world_;
  SeededRandom random_;
  testing_support::SimEtcd etcd_;
  ClusterOracle oracle_;
  std::vector<std::unique_ptr<ClusterMachine>> machines_;
  std::vector<std::string> names_;
  unsigned depth_ = 1;
  unsigned draws_ = 0;
  ClusterTotals totals_;
};

}  // namespace number_dispenser::sim
