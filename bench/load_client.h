// The connections of the load, and the loop that drives them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <expected>
#include <string>

#include "load_cpu.h"
#include "load_histogram.h"
#include "load_requests.h"

namespace number_dispenser::bench {

struct LoadOptions {
  std::string host = "127.0.0.1";
  std::string port;
  uint32_t connections = 1;  ///< 1 to kMaxConnections
  double warmup_s = 0.5;     ///< not measured
  double measured_s = 2;
  bool busy_poll = false;  ///< never sleep: replies then do not wait for this process to wake up
  bool tls = false;
  pid_t server_pid = 0;  ///< whose CPU time to measure; 0 is nobody's
  RequestOptions requests;
};

inline constexpr uint32_t kMaxConnections = 10'000;

struct LoadReport {
  uint64_t requests = 0;  ///< replies that arrived in the measured window
  uint64_t window_ns = 0;
  Histogram latency;
  uint64_t load_cpu_ns = 0;       ///< of this process, in the window
  CpuTime server_cpu;             ///< in the window; 0 without a server_pid
  uint64_t error_replies = 0;     ///< in the window and the warm-up
  std::string first_error_reply;  ///< empty when there was none
};

/// Runs the closed loop on one thread: warm-up, then the measured window. Error replies do not stop
/// it; what it returns as an error (no connection, a broken reply, silence) does.
std::expected<LoadReport, std::string> run_load(const LoadOptions& options);

}  // namespace number_dispenser::bench
