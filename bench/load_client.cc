#include "load_client.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <span>
#include <system_error>
#include <vector>

#include "load_connection.h"

namespace number_dispenser::bench {
namespace {

using Status = std::expected<void, std::string>;

constexpr size_t kBufferBytes = 65'536;
constexpr uint64_t kNsPerMs = 1'000'000;

uint64_t to_ns(double seconds) {
  return static_cast<uint64_t>(seconds * 1e9);
}

class Load {
 public:
  Load(const LoadOptions& options, const Requests& requests)
      : options_(options), requests_(requests), buffer_(kBufferBytes) {}
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;
  ~Load() {
    if (epoll_ >= 0) close(epoll_);
  }

  std::expected<LoadReport, std::string> run();

 private:
  Status open_connections();
  Status serve_until(uint64_t end_ns);
  Status on_event(Connection& connection, uint32_t events);
  Status start_window();
  Status end_window();

  const LoadOptions& options_;
  const Requests& requests_;
  int epoll_ = -1;
  std::vector<Connection> connections_;
  std::vector<char> buffer_;  // one for all connections: it stays in the cache
  LoadReport report_;

  uint64_t window_start_ns_ = 0;
  uint64_t own_cpu_start_ns_ = 0;
  ThreadTimes server_start_;
};

Status Load::open_connections() {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) {
    return std::unexpected("epoll_create1: " + std::generic_category().message(errno));
  }
  connections_.reserve(options_.connections);
  for (uint32_t i = 0; i < options_.connections; ++i) {
    auto connection = Connection::connect(options_.host, options_.port, options_.tls, requests_,
                                          i % requests_.keys());
    if (!connection) return std::unexpected(connection.error());
    connections_.push_back(std::move(*connection));
    epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.u32 = i}};
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, connections_.back().fd(), &event) != 0) {
      return std::unexpected("epoll_ctl: " + std::generic_category().message(errno));
    }
  }
  for (Connection& connection : connections_) {
    if (const Status sent = connection.send_batch(); !sent) return sent;
  }
  return {};
}

Status Load::on_event(Connection& connection, uint32_t events) {
  if (events & EPOLLOUT) {
    if (const Status sent = connection.send_rest(); !sent) return sent;
  }
  if (!(events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))) return {};
  bool drained = false;
  while (!drained && !connection.batch_done()) {
    const auto received = connection.receive(buffer_);
    if (!received) return std::unexpected(received.error());
    if (received->replies > 0) report_.latency.record(received->latency_ns, received->replies);
    report_.error_replies += received->errors;
    drained = received->drained;
  }
  if (connection.batch_done()) return connection.send_batch();
  if (events & (EPOLLRDHUP | EPOLLHUP)) return std::unexpected("the server closed a connection");
  return {};
}

Status Load::serve_until(uint64_t end_ns) {
  std::array<epoll_event, 256> events;
  for (uint64_t now = now_ns(); now < end_ns; now = now_ns()) {
    const uint64_t sleep_ms = options_.busy_poll ? 0 : (end_ns - now) / kNsPerMs + 1;
    const auto timeout_ms = static_cast<int>(std::min<uint64_t>(sleep_ms, 1000));
    const int ready = epoll_wait(epoll_, events.data(), events.size(), timeout_ms);
    if (ready < 0 && errno != EINTR) {
      return std::unexpected("epoll_wait: " + std::generic_category().message(errno));
    }
    for (int i = 0; i < ready; ++i) {
      const epoll_event& event = events[static_cast<size_t>(i)];
      const Status status = on_event(connections_[event.data.u32], event.events);
      if (!status) return status;
    }
  }
  return {};
}

Status Load::start_window() {
  if (options_.server_pid != 0) {
    auto times = read_thread_times(options_.server_pid);
    if (!times) return std::unexpected(times.error());
    server_start_ = std::move(*times);
  }
  report_.latency.clear();
  own_cpu_start_ns_ = own_cpu_ns();
  window_start_ns_ = now_ns();
  return {};
}

Status Load::end_window() {
  report_.window_ns = now_ns() - window_start_ns_;
  report_.load_cpu_ns = own_cpu_ns() - own_cpu_start_ns_;
  if (options_.server_pid != 0) {
    const auto times = read_thread_times(options_.server_pid);
    if (!times) return std::unexpected(times.error());
    report_.server_cpu = time_between(server_start_, *times);
  }
  report_.requests = report_.latency.count();
  for (const Connection& connection : connections_) {
    if (report_.first_error_reply.empty()) {
      report_.first_error_reply = connection.first_error_reply();
    }
    // Its wait is in no percentile: a connection that hangs must not look fast.
    if (connection.last_reply_ns() < window_start_ns_) {
      return std::unexpected("a connection had no reply in the whole window");
    }
  }
  return {};
}

std::expected<LoadReport, std::string> Load::run() {
  Status status = open_connections();
  if (status) status = serve_until(now_ns() + to_ns(options_.warmup_s));
  if (status) status = start_window();
  if (status) status = serve_until(window_start_ns_ + to_ns(options_.measured_s));
  if (status) status = end_window();
  if (!status) return std::unexpected(status.error());
  return std::move(report_);
}

}  // namespace

std::expected<LoadReport, std::string> run_load(const LoadOptions& options) {
  if (options.connections < 1 || options.connections > kMaxConnections) {
    return std::unexpected("--connections: 1 to " + std::to_string(kMaxConnections));
  }
  const auto requests = Requests::create(options.requests);
  if (!requests) return std::unexpected(requests.error());
  return Load(options, *requests).run();
}

}  // namespace number_dispenser::bench
