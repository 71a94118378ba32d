#include "number_dispenser/net/listener.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "number_dispenser/base/log.h"

namespace number_dispenser {
namespace {

constexpr int kBacklog = 4096;
constexpr uint64_t kRetryNs = 100'000'000;
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
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const int idle_s = 300;
  const int interval_s = 100;
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
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
  if (!made && (made.error() == EAFNOSUPPORT || made.error() == EADDRNOTAVAIL)) {
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
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    auto made = listen_tcp(at->ai_family, at->ai_addr, at->ai_addrlen, false);
    if (!made) return listen_error(where, made.error());
    sockets.push_back(std::move(*made));
  }
  return sockets;
}

// Somebody answers on this socket; if not, its file is left over and may go.
bool is_served(const sockaddr_un& address) {
  const Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
         errno != ECONNREFUSED;
}

Result<std::vector<ListenSocket>> listen_unix(const std::string& path, const std::string& where) {
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
  if (const int error = bind_patiently(made.fd.get(), reinterpret_cast<const sockaddr*>(&address),
                                       sizeof address);
      error != 0)
    return listen_error(where, error);
  std::vector<ListenSocket> sockets;
  sockets.push_back(std::move(made));
  return sockets;
}

}  // namespace

Result<std::vector<ListenSocket>> listen_on(const ListenAddress& address) {
  if (address.kind == ListenAddress::Kind::kUnix)
    return listen_unix(address.path, "unix:" + address.path);
  const std::string where = fmt::format("{}:{}", address.host, address.port);
  auto sockets =
      address.host.empty() ? listen_everywhere(address.port, where) : listen_host(address, where);
  if (sockets)
    for (ListenSocket& socket : *sockets) socket.tls = address.tls;
  return sockets;
}

Listener::Listener(ListenSocket socket, const std::vector<Loop*>& loops, const TlsContext* tls)
    : socket_(std::move(socket)), loops_(loops), tls_(socket_.tls ? tls : nullptr) {}

Listener::~Listener() {
  if (!socket_.path.empty()) ::unlink(socket_.path.c_str());
}

void Listener::start() {
  accepting_ = true;
  loops_.front()->ring().accept_multishot(accept_, socket_.fd.get());
}

void Listener::tick() {
  if (accepting_ || stopping_ || loops_.front()->now_ns() < retry_ns_) return;
  start();
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
  log_warn("cannot accept more clients: {}; those connected are served, new ones wait. {}",
           std::strerror(error),
           error == EMFILE ? "Raise the limit of open files (LimitNOFILE, ulimit -n)." : "");
}

}  // namespace number_dispenser
