// Something that listens where etcd should, and is not etcd: it answers each request as it is told.
#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <list>
#include <string>
#include <thread>
#include <vector>

#include "number_dispenser/base/check.h"
#include "number_dispenser/base/fd.h"

namespace number_dispenser::testing_support {

class FakeEndpoint {
 public:
  // What to answer to the n-th request (from 1); nothing: the connection is closed.
  using Script = std::function<std::string(size_t n)>;

  // Without a script it accepts, reads and never answers.
  explicit FakeEndpoint(Script script = {}) : script_(std::move(script)) {
    listener_ = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    ND_CHECK(::bind(listener_.get(), generic, size) == 0, "bind");
    ND_CHECK(::listen(listener_.get(), 64) == 0, "listen");
    ND_CHECK(::getsockname(listener_.get(), generic, &size) == 0, "getsockname");
    port_ = ntohs(address.sin_port);
    stop_ = Fd(::eventfd(0, EFD_CLOEXEC));
    thread_ = std::thread([this] { run(); });
  }
  ~FakeEndpoint() {
    ND_CHECK(::eventfd_write(stop_.get(), 1) == 0, "eventfd");
    thread_.join();
  }
  FakeEndpoint(const FakeEndpoint&) = delete;
  FakeEndpoint& operator=(const FakeEndpoint&) = delete;

  std::string endpoint() const { return "http://127.0.0.1:" + std::to_string(port_); }
  size_t requests() const { return requests_; }

  static std::string http(int status, const std::string& body) {
    return "HTTP/1.1 " + std::to_string(status) + " Said\r\nContent-Type: application/json\r\n" +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }

 private:
  struct Peer {
    Fd socket;
    std::string received{};
  };

  void run() {
    std::list<Peer> peers;
    for (;;) {
      std::vector<pollfd> wanted = {{stop_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
      for (const Peer& peer : peers) wanted.push_back({peer.socket.get(), POLLIN, 0});
      ::poll(wanted.data(), wanted.size(), -1);
      if (wanted[0].revents != 0) return;
      auto peer = peers.begin();
      for (size_t i = 2; i < wanted.size(); ++i) {
        const auto each = peer++;
        if (wanted[i].revents != 0 && !serve(*each)) peers.erase(each);
      }
      if (wanted[1].revents != 0)
        peers.push_back({Fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC))});
    }
  }

  // False: the connection is done with.
  bool serve(Peer& peer) {
    char bytes[4096];
    const ssize_t got = ::recv(peer.socket.get(), bytes, sizeof bytes, 0);
    if (got <= 0) return false;
    peer.received.append(bytes, static_cast<size_t>(got));
    const size_t body = peer.received.find("\r\n\r\n");
    const size_t length = peer.received.find("Content-Length: ");
    if (body == std::string::npos || length == std::string::npos) return true;
    const size_t whole = body + 4 + std::stoul(peer.received.substr(length + 16));
    if (peer.received.size() < whole) return true;
    peer.received.erase(0, whole);
    const size_t n = ++requests_;
    if (!script_) return true;
    const std::string answer = script_(n);
    if (answer.empty()) return false;
    return ::send(peer.socket.get(), answer.data(), answer.size(), MSG_NOSIGNAL) > 0;
  }

  const Script script_;
  Fd listener_, stop_;
  int port_ = 0;
  std::atomic<size_t> requests_{0};
  std::thread thread_;
};

}  // namespace number_dispenser::testing_support
