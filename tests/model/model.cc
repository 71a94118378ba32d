// model [--long] [--scenario NAME] [--seconds N] [--list]: explores the scenarios and prints what
// it visited. Exit status 0: every state was visited and all is well; 1: a violation, with its
// shortest trace; 2: time ran out; 64: usage.
#include <cstdio>
#include <cstdlib>

#include "explore.h"
#include "number_dispenser/base/log.h"
#include "scenarios.h"

namespace number_dispenser {

// Recovery notes what damage it survives; the model cuts the power a million times.
void log_line(LogLevel, std::string_view) {}

}  // namespace number_dispenser

namespace {

using namespace number_dispenser::model;

constexpr double kShortestSeconds = 60;

int run(const Scenario& scenario, double seconds) {
  Result result = explore(scenario, seconds);
  fmt::print("{:<24} {:>10} states {:>11} transitions  depth {:>3} {:>7.1f} s  {}\n", scenario.name,
             result.states, result.transitions, result.depth, result.seconds,
             !result.violation.empty() ? "VIOLATION"
             : result.complete         ? "complete"
                                       : "NOT COMPLETE");
  std::fflush(stdout);
  if (!result.violation.empty()) {
    result = shortest(scenario, result, kShortestSeconds);
    print_trace(scenario, result);
    return 1;
  }
  return result.complete ? 0 : 2;
}

}  // namespace

int main(int argc, char** argv) {
  bool all = false;
  double seconds = 3600;
  std::string_view only;
  for (int at = 1; at < argc; ++at) {
    const std::string_view option = argv[at];
    if (option == "--long") {
      all = true;
    } else if (option == "--scenario" && at + 1 < argc) {
      only = argv[++at];
      all = true;
    } else if (option == "--seconds" && at + 1 < argc) {
      seconds = std::atof(argv[++at]);
    } else if (option == "--list") {
      for (const Scenario& scenario : scenarios()) fmt::print("{}\n", scenario.name);
      return 0;
    } else {
      fmt::print(stderr, "usage: model [--long] [--scenario NAME] [--seconds N] [--list]\n");
      return 64;
    }
  }
  make_actors(run_operation);
  int status = only.empty() ? 0 : 64;
  for (const Scenario& scenario : scenarios()) {
    if (!only.empty() ? scenario.name != only : !all && !scenario.in_ci) continue;
    status = run(scenario, seconds);
    if (status != 0) break;
  }
  return status;
}
