// nd-load: sends GET or INCR to a Redis-protocol server over TCP as fast as it answers, and prints
// one line of JSON about it.

#include <getopt.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "load_client.h"

namespace {

using number_dispenser::bench::LoadOptions;
using number_dispenser::bench::LoadReport;

constexpr int kExitUsage = 64;
constexpr double kMaxSeconds = 3600;

constexpr const char kHelp[] =
    "nd-load: a closed-loop load of GET or INCR over the Redis protocol; prints one JSON line.\n"
    "\n"
    "  --port PORT          the server's port (required)\n"
    "  --host HOST          default 127.0.0.1\n"
    "  --connections N      default 1\n"
    "  --pipeline P         requests in a batch: send P, read P replies, repeat; default 1\n"
    "  --seconds S          length of the measured window; default 2\n"
    "  --warmup S           before the window; default 0.5\n"
    "  --command GET|INCR   default INCR\n"
    "  --keys K             number of keys, used in turn; default 1\n"
    "  --key-prefix TEXT    keys are TEXT0, TEXT1 ...; default bench:\n"
    "  --tls                over TLS, whatever certificate is shown\n"
    "  --busy-poll          never sleep while waiting for replies\n"
    "  --server-pid PID     also measure the CPU time of this process in the window\n"
    "\n"
    "Exit status: 0, 1 an error reply or a failed connection, 64 usage.\n";

[[noreturn]] void usage_error(const std::string& message) {
  std::fprintf(stderr, "nd-load: %s (see --help)\n", message.c_str());
  std::exit(kExitUsage);
}

/// The number in `text`, which must lie from `least` to `most`.
template <typename Number>
Number parse_number(const std::string& option, std::string_view text, Number least, Number most) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !(value >= least) ||
      !(value <= most)) {
    usage_error("--" + option + ": not a number in range: " + std::string(text));
  }
  return value;
}

void set_option(LoadOptions& options, const std::string& option, const std::string& value) {
  using namespace number_dispenser::bench;
  if (option == "host") {
    options.host = value;
  } else if (option == "port") {
    options.port = std::to_string(parse_number<int>(option, value, 1, 65535));
  } else if (option == "connections") {
    options.connections = parse_number<uint32_t>(option, value, 1, kMaxConnections);
  } else if (option == "pipeline") {
    options.requests.pipeline = parse_number<uint32_t>(option, value, 1, kMaxPipeline);
  } else if (option == "seconds") {
    options.measured_s = parse_number<double>(option, value, 0.01, kMaxSeconds);
  } else if (option == "warmup") {
    options.warmup_s = parse_number<double>(option, value, 0, kMaxSeconds);
  } else if (option == "command") {
    if (value != "GET" && value != "INCR") usage_error("--command: GET or INCR");
    options.requests.command = value;
  } else if (option == "keys") {
    options.requests.keys = parse_number<uint32_t>(option, value, 1, kMaxKeys);
  } else if (option == "key-prefix") {
    options.requests.key_prefix = value;
  } else if (option == "tls") {
    options.tls = true;
  } else if (option == "busy-poll") {
    options.busy_poll = true;
  } else if (option == "server-pid") {
    options.server_pid = parse_number<pid_t>(option, value, 1, 1 << 30);
  }
}

LoadOptions parse_options(int argc, char** argv) {
  constexpr option kOptions[] = {
      {"host", required_argument, nullptr, 0},
      {"port", required_argument, nullptr, 0},
      {"connections", required_argument, nullptr, 0},
      {"pipeline", required_argument, nullptr, 0},
      {"seconds", required_argument, nullptr, 0},
      {"warmup", required_argument, nullptr, 0},
      {"command", required_argument, nullptr, 0},
      {"keys", required_argument, nullptr, 0},
      {"key-prefix", required_argument, nullptr, 0},
      {"server-pid", required_argument, nullptr, 0},
      {"busy-poll", no_argument, nullptr, 0},
      {"tls", no_argument, nullptr, 0},
      {"help", no_argument, nullptr, 'h'},
      {},
  };
  LoadOptions options;
  int index = 0;
  for (int found; (found = getopt_long(argc, argv, "h", kOptions, &index)) != -1;) {
    if (found == 'h') {
      std::fputs(kHelp, stdout);
      std::exit(0);
    }
    if (found != 0) std::exit(kExitUsage);  // getopt has said why
    set_option(options, kOptions[index].name, optarg == nullptr ? "" : optarg);
  }
  if (optind < argc) usage_error(std::string("unknown argument: ") + argv[optind]);
  if (options.port.empty()) usage_error("--port is required");
  return options;
}

void print_report(const LoadReport& report, bool with_server) {
  const double seconds = static_cast<double>(report.window_ns) / 1e9;
  const auto us = [](uint64_t ns) { return static_cast<double>(ns) / 1e3; };
  std::printf(
      "{\"requests\": %lu, \"seconds\": %.6f, \"throughput\": %.1f, \"p50_us\": %.3f, "
      "\"p99_us\": %.3f, \"p99_9_us\": %.3f, \"max_us\": %.3f, \"errors\": %lu, "
      "\"load_cpu_ns\": %lu",
      report.requests, seconds, static_cast<double>(report.requests) / seconds,
      us(report.latency.quantile_ns(0.5)), us(report.latency.quantile_ns(0.99)),
      us(report.latency.quantile_ns(0.999)), us(report.latency.max_ns()), report.error_replies,
      report.load_cpu_ns);
  if (with_server) {
    std::printf(", \"server_cpu_ns\": %lu, \"server_wait_ns\": %lu", report.server_cpu.run_ns,
                report.server_cpu.wait_ns);
  }
  std::puts("}");
}

}  // namespace

int main(int argc, char** argv) {
  const LoadOptions options = parse_options(argc, argv);
  std::signal(SIGPIPE, SIG_IGN);  // TLS writes without MSG_NOSIGNAL
  const auto report = number_dispenser::bench::run_load(options);
  if (!report) {
    std::fprintf(stderr, "nd-load: %s\n", report.error().c_str());
    return 1;
  }
  print_report(*report, options.server_pid != 0);
  if (report->error_replies == 0) return 0;
  std::fprintf(stderr, "nd-load: %lu error replies, the first: %s\n", report->error_replies,
               report->first_error_reply.c_str());
  return 1;
}
