// Visits every state that a scenario can reach.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "clients.h"

namespace number_dispenser::model {

// --- moves.cc
// -------------------------------------------------------------------------------------------
std::vector<Op> enabled(const Scenario& scenario);
void apply(const Op& op);
// What `op` would do in the present state.
std::string describe(const Op& op);

// --- explore.cc
// -----------------------------------------------------------------------------------------
struct Result {
  uint64_t states = 0;
  uint64_t transitions = 0;
  size_t depth = 0;
  double seconds = 0;
  bool complete = true;  // nothing was left for want of time
  std::string violation;
  std::vector<Op> path;  // to the violation
};

// Depth first, each state once, at most `seconds`.
Result explore(const Scenario& scenario, double seconds);
// A violation that no shorter path reaches, found by going deeper step by step; the one of `known`
// where time runs out.
Result shortest(const Scenario& scenario, const Result& known, double seconds);
void print_trace(const Scenario& scenario, const Result& result);

}  // namespace number_dispenser::model
