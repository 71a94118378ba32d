// nd-cluster-sim: runs the simulator of a cluster over many seeds, or one seed with a trace.
#include "cluster_simulator.h"
#include "seed_runner.h"

int main(int argc, char** argv) {
  return number_dispenser::sim::run_seeds<number_dispenser::sim::ClusterSimulator>(argc, argv);
}
