// nd-sim: runs the simulator over many seeds, or one seed with a trace.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "number_dispenser/base/log.h"
#include "simulator.h"

namespace number_dispenser::sim {
namespace {

constexpr std::string_view kUsage =
    "usage: nd-sim [--seeds N] [--first S] [--seconds T] [--trace]\n"
    "  --seeds N    run so many seeds (1000)\n"
    "  --first S    from this one on (1)\n"
    "  --seconds T  stop after so long, whatever --seeds says\n"
    "  --trace      print every step\n"
    "A failing seed is printed with what was broken; --first S --seeds 1 --trace replays it.\n";

struct Options {
  uint64_t seeds = 1000;
  uint64_t first = 1;
  uint64_t seconds = 0;
  bool trace = false;
};

bool parse(int argc, char** argv, Options& options) {
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

volatile uint64_t current_seed = 0;

// An invariant of the server's own was broken.
void on_abort(int) {
  char line[64];
  const auto [end, size] = fmt::format_to_n(line, sizeof line, "seed {}: aborted\n",
                                            static_cast<uint64_t>(current_seed));
  [[maybe_unused]] const ssize_t wrote =
      ::write(STDOUT_FILENO, line, static_cast<size_t>(end - line));
  ::_exit(1);
}

void add(Totals& sum, const Totals& one) {
  sum.requests += one.requests;
  sum.starts += one.starts;
  sum.kills += one.kills;
  sum.power_cuts += one.power_cuts;
  sum.clean_stops += one.clean_stops;
  sum.failed_flushes += one.failed_flushes;
  sum.restored += one.restored;
  sum.ticks += one.ticks;
}

int run(const Options& options) {
  using SteadyClock = std::chrono::steady_clock;
  const auto began = SteadyClock::now();
  const auto elapsed_s = [&] {
    return std::chrono::duration<double>(SteadyClock::now() - began).count();
  };
  Totals sum;
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
    add(sum, simulator.totals());
  }
  fmt::print(
      "{} seeds in {:.1f} s: {} requests ({:.1f} million a minute), {} ticks, {} starts; {} kills, "
      "{} power cuts, {} clean stops, {} failed flushes, {} restored files\n",
      done, elapsed_s(), sum.requests, static_cast<double>(sum.requests) / elapsed_s() * 60e-6,
      sum.ticks, sum.starts, sum.kills, sum.power_cuts, sum.clean_stops, sum.failed_flushes,
      sum.restored);
  return status;
}

}  // namespace
}  // namespace number_dispenser::sim

int main(int argc, char** argv) {
  using namespace number_dispenser;
  sim::Options options;
  if (!sim::parse(argc, argv, options)) {
    fmt::print(stderr, "{}", sim::kUsage);
    return 64;
  }
  std::signal(SIGABRT, sim::on_abort);
  // What the server would log is in the trace.
  set_log_level(static_cast<LogLevel>(static_cast<int>(LogLevel::kError) + 1));
  return sim::run(options);
}
