// nd-sim: runs the simulator over many seeds, or one seed with a trace.
#include "seed_runner.h"
#include "simulator.h"

int main(int argc, char** argv) {
  return number_dispenser::sim::run_seeds<number_dispenser::sim::Simulator>(argc, argv);
}
