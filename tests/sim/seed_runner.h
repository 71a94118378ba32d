// What the simulators' programs share: their options, and a run over many seeds.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "number_dispenser/base/log.h"

namespace number_dispenser::sim {

inline constexpr std::string_view kSeedOptions =
    "[--seeds N] [--first S] [--seconds T] [--trace]\n"
    "  --seeds N    run so many seeds (1000)\n"
    "  --first S    from this one on (1)\n"
    "  --seconds T  stop after so long, whatever --seeds says\n"
    "  --trace      print every step\n"
    "A failing seed is printed with what was broken; --first S --seeds 1 --trace replays it.\n";

struct SeedOptions {
  uint64_t seeds = 1000;
  uint64_t first = 1;
  uint64_t seconds = 0;
  bool trace = false;
};

inline bool parse(int argc, char** argv, SeedOptions& options) {
  bool seeds_given = false;
  for (int at = 1; at < argc; ++at) {
    const std::string_view name = argv[at];
    if (name == "--trace") {
      options.trace = true;
      continue;
    }
    if (at + 1 == argc) return false;
    const uint64_t value = std::strtoull(argv[++at], nullptr, 10);
    if (name == "--seeds") {
      options.seeds = value;
      seeds_given = true;
    } else if (name == "--first") {
      options.first = value;
    } else if (name == "--seconds") {
      options.seconds = value;
    } else {
      return false;
    }
  }
  if (options.seconds != 0 && !seeds_given) options.seeds = ~uint64_t{0};
  return true;
}

inline volatile uint64_t current_seed = 0;

// An invariant of the server's own was broken.
inline void on_abort(int) {
  char line[64];
  const auto [end, size] = fmt::format_to_n(line, sizeof line, "seed {}: aborted\n",
                                            static_cast<uint64_t>(current_seed));
  [[maybe_unused]] const ssize_t wrote =
      ::write(STDOUT_FILENO, line, static_cast<size_t>(end - line));
  ::_exit(1);
}

// Prints the failing seed, if there is one, and the sum of what was done.
template <class Simulator>
int run_seeds(int argc, char** argv) {
  SeedOptions options;
  if (!parse(argc, argv, options)) {
    fmt::print(stderr, "usage: {} {}", argv[0], kSeedOptions);
    return 64;
  }
  std::signal(SIGABRT, on_abort);
  // What the server would log is in the trace.
  set_log_level(static_cast<LogLevel>(static_cast<int>(LogLevel::kError) + 1));
  using SteadyClock = std::chrono::steady_clock;
  const auto began = SteadyClock::now();
  const auto elapsed_s = [&] {
    return std::chrono::duration<double>(SteadyClock::now() - began).count();
  };
  typename Simulator::TotalsType sum;
  uint64_t done = 0;
  int status = 0;
  for (; done < options.seeds && status == 0; ++done) {
    if (options.seconds != 0 && elapsed_s() >= static_cast<double>(options.seconds)) break;
    current_seed = options.first + done;
    Simulator simulator(current_seed, options.trace);
    if (!simulator.run()) {
      fmt::print("seed {} step {}: {}\n", static_cast<uint64_t>(current_seed), simulator.step(),
                 simulator.violation());
      status = 1;
    }
    sum += simulator.totals();
  }
  fmt::print("{} seeds in {:.1f} s: {}\n", done, elapsed_s(), sum.text(elapsed_s()));
  return status;
}

}  // namespace number_dispenser::sim
