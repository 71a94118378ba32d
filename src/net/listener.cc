#include "number_dispenser/net/listener.h"

#include <fmt/format.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <string_view>

#include "number_dispenser/base/check.h"
#include "number_dispenser/base/log.h"

namespace number_dispenser {
namespace {

constexpr int kBacklog = 4096;
constexpr uint64_t kRetryNs = 20'000'000;
constexpr uint64_t kQuietNs = 60'000'000'000;
constexpr int kBindTries = 15;
constexpr int kBindPauseMs = 20;

std::unexpected<Error> listen_error(std::string_view where, int error) {
  if (error == EADDRINUSE)
    return fail(ExitStatus::kConfiguration,
                fmt::format("cannot listen on {}: the address is in use by another process: stop "
                            "that one, or choose another address with --addr",
                            where));
  return fail_errno(ExitStatus::kConfiguration, fmt::format("cannot listen on {}", where), error);
}

// io_uring may hold on to a killed process's port for some milliseconds more.
int bind_patiently(int fd, const sockaddr* address, socklen_t length) {
  for (int tries = 1;; ++tries) {
    if (::bind(fd, address, length) == 0 && ::listen(fd, kBacklog) == 0) return 0;
    if (errno != EADDRINUSE || tries == kBindTries) return errno;
    ::poll(nullptr, 0, kBindPauseMs);
  }
}

// The accepted sockets inherit these options.
void set_tcp_options(int fd) {
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

// For sockets accepted from now on. As in Redis: asked after that time, then at thirds of it.
void set_keepalive(int fd, uint64_t idle_s) {
  constexpr int kTries = 3;
  const int on = idle_s > 0 ? 1 : 0;
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  if (on == 0) return;
  const int idle = static_cast<int>(idle_s);
  const int interval = std::max(1, idle / kTries);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &kTries, sizeof kTries);
}

// As IPv6's addresses are on a host without it.
bool is_not_of_this_host(int error) {
  return error == EAFNOSUPPORT || error == EADDRNOTAVAIL;
}

// The error is an errno.
std::expected<ListenSocket, int> listen_tcp(int family, const sockaddr* address, socklen_t length,
                                            bool every_interface) {
  ListenSocket made{Fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)), {}};
  if (!made.fd.valid()) return std::unexpected(errno);
  set_tcp_options(made.fd.get());
  if (family == AF_INET6) {
    const int only_six = every_interface ? 0 : 1;
    ::setsockopt(made.fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only_six, sizeof only_six);
  }
  if (const int error = bind_patiently(made.fd.get(), address, length); error != 0)
    return std::unexpected(error);
  return made;
}

Result<std::vector<ListenSocket>> listen_everywhere(uint16_t port, const std::string& where) {
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_port = htons(port);
  auto made = listen_tcp(AF_INET6, reinterpret_cast<sockaddr*>(&six), sizeof six, true);
  if (!made && is_not_of_this_host(made.error())) {
    // A host without IPv6.
    sockaddr_in four{};
    four.sin_family = AF_INET;
    four.sin_port = htons(port);
    made = listen_tcp(AF_INET, reinterpret_cast<sockaddr*>(&four), sizeof four, true);
  }
  if (!made) return listen_error(where, made.error());
  std::vector<ListenSocket> sockets;
  sockets.push_back(std::move(*made));
  return sockets;
}

Result<std::vector<ListenSocket>> listen_host(const ListenAddress& address,
                                              const std::string& where) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int error =
      ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (error != 0)
    return fail(ExitStatus::kConfiguration,
                fmt::format("cannot listen on {}: {}", where, ::gai_strerror(error)));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, ::freeaddrinfo);
  std::vector<ListenSocket> sockets;
  int missing = 0;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    auto made = listen_tcp(at->ai_family, at->ai_addr, at->ai_addrlen, false);
    if (made) {
      sockets.push_back(std::move(*made));
    } else if (is_not_of_this_host(made.error())) {
      missing = made.error();  // another address of the name may be
    } else {
      return listen_error(where, made.error());
    }
  }
  if (sockets.empty()) return listen_error(where, missing);
  return sockets;
}

// For a failure to accept.
std::string_view remedy_of(int error) {
  if (error == EMFILE) return ". Raise the limit of open files (LimitNOFILE, ulimit -n).";
  if (error == ENFILE) return ". Raise the system's limit of open files (sysctl fs.file-max).";
  return "";
}

// As Redis does. What the client has sent already is read first: a close with unread input would
// take the error from it again.
void refuse(const Fd& client) {
  constexpr std::string_view kError = "-ERR max number of clients reached\r\n";
  std::array<char, 4096> ignored;
  ::send(client.get(), kError.data(), kError.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  [[maybe_unused]] const auto read =
      ::recv(client.get(), ignored.data(), ignored.size(), MSG_DONTWAIT);
}

// Somebody answers on this socket; if not, its file is left over and may go.
bool is_served(const sockaddr_un& address) {
  const Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
         errno != ECONNREFUSED;
}

// Who may connect; before anybody can.
Result<void> set_access(const std::string& path, const UnixAccess& access,
                        const std::string& where) {
  const auto failed = [&](std::string_view what) {
    return fail_errno(ExitStatus::kConfiguration, fmt::format("cannot {} {}", what, where), errno);
  };
  if (!access.group.empty()) {
    const group* found = ::getgrnam(access.group.c_str());
    if (found == nullptr)
      return fail(ExitStatus::kConfiguration,
                  fmt::format("cannot listen on {}: no group is called {}", where, access.group));
    if (::chown(path.c_str(), static_cast<uid_t>(-1), found->gr_gid) != 0)
      return failed(fmt::format("give group {} to", access.group));
  }
  if (access.mode != 0 && ::chmod(path.c_str(), access.mode) != 0)
    return failed(fmt::format("set mode {:o} of", access.mode));
  return {};
}

Result<std::vector<ListenSocket>> listen_unix(const std::string& path, const std::string& where,
                                              const UnixAccess& access) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  struct stat old {};
  if (::lstat(path.c_str(), &old) == 0) {
    if (!S_ISSOCK(old.st_mode))
      return fail(
          ExitStatus::kConfiguration,
          fmt::format("cannot listen on {}: a file that is no socket has this name", where));
    if (is_served(address)) return listen_error(where, EADDRINUSE);
    ::unlink(path.c_str());
  }
  ListenSocket made{Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)), path};
  if (::bind(made.fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return listen_error(where, errno);
  if (auto set = set_access(path, access, where); !set) {
    ::unlink(path.c_str());
    return std::unexpected(set.error());
  }
  if (::listen(made.fd.get(), kBacklog) != 0) return listen_error(where, errno);
  std::vector<ListenSocket> sockets;
  sockets.push_back(std::move(made));
  return sockets;
}

}  // namespace

Result<std::vector<ListenSocket>> listen_on(const ListenAddress& address,
                                            const UnixAccess& access) {
  if (address.kind == ListenAddress::Kind::kUnix)
    return listen_unix(address.path, "unix:" + address.path, access);
  const std::string where = fmt::format("{}:{}", address.host, address.port);
  auto sockets =
      address.host.empty() ? listen_everywhere(address.port, where) : listen_host(address, where);
  if (sockets)
    for (ListenSocket& socket : *sockets) socket.tls = address.tls;
  return sockets;
}

Listener::Listener(ListenSocket socket, const std::vector<Loop*>& loops, const TlsContext* tls)
    : socket_(std::move(socket)), loops_(loops), tls_(socket_.tls ? tls : nullptr) {
  ND_CHECK(!socket_.tls || tls_ != nullptr, "a TLS socket would be served in the clear");
}

Listener::~Listener() {
  if (!socket_.path.empty()) ::unlink(socket_.path.c_str());
}

void Listener::start() {
  follow_keepalive();
  accepting_ = true;
  loops_.front()->ring().accept_multishot(accept_, socket_.fd.get());
}

void Listener::tick() {
  follow_keepalive();
  if (accepting_ || stopping_ || loops_.front()->now_ns() < retry_ns_) return;
  start();
}

void Listener::follow_keepalive() {
  const uint64_t wanted_s = loops_.front()->limits().tcp_keepalive_s.load();
  if (!socket_.path.empty() || std::exchange(keepalive_s_, wanted_s) == wanted_s) return;
  set_keepalive(socket_.fd.get(), wanted_s);
}

uint64_t Listener::deadline_ns() const {
  return accepting_ || stopping_ ? std::numeric_limits<uint64_t>::max() : retry_ns_;
}

void Listener::stop() {
  stopping_ = true;
  if (accepting_) loops_.front()->ring().cancel(accept_);
}

void Listener::on_accept(const Completion& completion) {
  if (!completion.more) accepting_ = false;
  if (completion.result >= 0) {
    Fd connection(completion.result);
    if (stopping_) return;
    Loop& first = *loops_.front();
    ClientLimits& limits = first.limits();
    if (limits.clients.load() >= limits.max_clients.load()) {
      first.stats().rejected.add(1);
      return refuse(connection);
    }
    limits.clients.fetch_add(1);
    Loop& chosen = *loops_[next_loop_++ % loops_.size()];
    Arrival arrival{std::move(connection), tls_ == nullptr ? nullptr : tls_->open()};
    if (&chosen == &first)
      first.add_connection(std::move(arrival));
    else
      chosen.give_connection(std::move(arrival), first);
    return;
  }
  const int error = -completion.result;
  if (error == ECANCELED || error == ECONNABORTED || error == EINTR) return;
  const uint64_t now_ns = loops_.front()->now_ns();
  retry_ns_ = now_ns + kRetryNs;
  // Once, not at every client that comes and goes meanwhile.
  if (now_ns < std::exchange(quiet_until_ns_, now_ns + kQuietNs)) return;
  log_warn("cannot accept more clients: {}; those connected are served, new ones wait{}",
           std::strerror(error), remedy_of(error));
}

}  // namespace number_dispenser
