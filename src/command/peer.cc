#include "peer.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>

namespace number_dispenser {
namespace {

using Address = sockaddr_storage;

std::string text_of(const void* host, int family, in_port_t port) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(family, host, text.data(), text.size());
  return family == AF_INET6 ? fmt::format("[{}]:{}", text.data(), ntohs(port))
                            : fmt::format("{}:{}", text.data(), ntohs(port));
}

// An IPv4 client of a socket that serves both shows as what it is.
std::string text_of(const Address& address) {
  if (address.ss_family == AF_UNIX)
    return fmt::format("{}:0", reinterpret_cast<const sockaddr_un&>(address).sun_path);
  if (address.ss_family == AF_INET) {
    const auto& four = reinterpret_cast<const sockaddr_in&>(address);
    return text_of(&four.sin_addr, AF_INET, four.sin_port);
  }
  if (address.ss_family != AF_INET6) return "?:0";
  const auto& six = reinterpret_cast<const sockaddr_in6&>(address);
  if (IN6_IS_ADDR_V4MAPPED(&six.sin6_addr))
    return text_of(six.sin6_addr.s6_addr + 12, AF_INET, six.sin6_port);
  return text_of(&six.sin6_addr, AF_INET6, six.sin6_port);
}

bool is_loopback(const Address& address) {
  if (address.ss_family == AF_INET) {
    const auto& four = reinterpret_cast<const sockaddr_in&>(address);
    return ntohl(four.sin_addr.s_addr) >> 24 == 127;
  }
  if (address.ss_family != AF_INET6) return false;
  const auto& six = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(&six) || (IN6_IS_ADDR_V4MAPPED(&six) && six.s6_addr[12] == 127);
}

Address ask(int fd, int (*which)(int, sockaddr*, socklen_t*)) {
  Address address{};
  socklen_t length = sizeof address;
  if (which(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return Address{};
  return address;
}

}  // namespace

Peer peer_of(int fd) {
  const Address remote = ask(fd, ::getpeername);
  const Address local = ask(fd, ::getsockname);
  Peer peer;
  peer.is_unix = remote.ss_family == AF_UNIX;
  peer.is_local = peer.is_unix || is_loopback(remote);
  peer.local_address = text_of(local);
  // A client of a Unix socket has no name of its own.
  peer.address = peer.is_unix ? peer.local_address : text_of(remote);
  return peer;
}

}  // namespace number_dispenser
