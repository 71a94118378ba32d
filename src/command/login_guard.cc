#include "number_dispenser/command/login_guard.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace number_dispenser {
namespace {

constexpr uint64_t kNsPerMs = 1'000'000;
constexpr uint64_t kForgetNs = 60'000 * kNsPerMs;  // behind the end of the last penalty
constexpr unsigned kMostDoublings = 11;            // 2^11 ms are more than the longest penalty
constexpr uint64_t kLogPeriodNs = 10'000 * kNsPerMs;
constexpr unsigned kLogLines = 10;  // in each period

// Who is behind HOST:PORT: the host, or the /64 network of an IPv6 host, since such a host has 2^64
// addresses.
std::string network_of(std::string_view address) {
  std::string host(address.substr(0, address.rfind(':')));
  if (!host.starts_with('[') || !host.ends_with(']')) return host;
  host = host.substr(1, host.size() - 2);
  in6_addr six{};
  if (::inet_pton(AF_INET6, host.c_str(), &six) != 1) return host;
  std::memset(six.s6_addr + 8, 0, 8);
  char text[INET6_ADDRSTRLEN];
  return ::inet_ntop(AF_INET6, &six, text, sizeof text);
}

}  // namespace

uint64_t LoginGuard::allowed_ns(std::string_view address, uint64_t now_ns) const {
  const std::string peer = network_of(address);
  const std::lock_guard lock(mutex_);
  const auto found = failures_.find(peer);
  return found == failures_.end() ? now_ns : std::max(now_ns, found->second.until_ns);
}

void LoginGuard::failed(std::string_view address, uint64_t now_ns) {
  const std::string peer = network_of(address);
  const std::lock_guard lock(mutex_);
  if (!failures_.contains(peer) && failures_.size() >= kAddresses) forget_one();
  Failures& failures = failures_[peer];
  if (now_ns > failures.until_ns + kForgetNs) failures.count = 0;
  failures.count = std::min(failures.count + 1, kMostDoublings);
  const uint64_t penalty_ms = std::min(uint64_t{1} << failures.count, kLongestPenaltyMs);
  failures.until_ns = std::max(failures.until_ns, now_ns + penalty_ms * kNsPerMs);
}

void LoginGuard::forget_one() {
  failures_.erase(std::ranges::min_element(
      failures_, {}, [](const auto& entry) { return entry.second.until_ns; }));
}

bool LoginGuard::may_log(uint64_t now_ns, uint64_t* left_out) {
  const std::lock_guard lock(mutex_);
  if (now_ns - log_period_ns_ >= kLogPeriodNs) {
    log_period_ns_ = now_ns;
    logged_ = 0;
  }
  if (logged_ >= kLogLines) {
    ++left_out_;
    return false;
  }
  ++logged_;
  *left_out = std::exchange(left_out_, 0);
  return true;
}

}  // namespace number_dispenser
