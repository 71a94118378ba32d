// Listening sockets, and the accepting of connections on the first loop, which hands them round the
// loops in turn. (One listener a loop with SO_REUSEPORT would spread few connections unevenly, and
// could silently share a port that another server already has.)
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "number_dispenser/base/error.h"
#include "number_dispenser/base/fd.h"
#include "number_dispenser/base/listen_address.h"
#include "number_dispenser/net/loop.h"
#include "number_dispenser/tls/context.h"

namespace number_dispenser {

struct ListenSocket {
  Fd fd;
  std::string path;  // of a Unix socket
  bool tls = false;
};

// Of a Unix socket's file.
struct UnixAccess {
  unsigned mode = 0;  // 0: as the umask has it
  std::string group;  // empty: this process's
};

// Binds and listens: one socket for each address that the name stands for. A port that a process
// just killed still holds is waited for briefly; one that is in use is an error that says so.
Result<std::vector<ListenSocket>> listen_on(const ListenAddress& address,
                                            const UnixAccess& access = {});

// Used on the first loop's thread.
class Listener {
 public:
  // `tls`: for the connections of a socket that has TLS; may be replaced while it runs.
  Listener(ListenSocket socket, const std::vector<Loop*>& loops, const TlsContext* tls = nullptr);
  // Removes a Unix socket's file.
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  void start();
  // Accepts again after it had to stop because descriptors or memory ran out; once a tick.
  void tick();
  // When tick() is to be called next even if nothing happens; UINT64_MAX: never.
  uint64_t deadline_ns() const;
  // No more connections. The socket closes when the last operation has ended: see stopped().
  void stop();
  bool stopped() const { return stopping_ && !accepting_; }

 private:
  void on_accept(const Completion& completion);
  void follow_keepalive();

  ListenSocket socket_;
  const std::vector<Loop*>& loops_;
  const TlsContext* const tls_;  // null: plain
  MemberOperation<Listener, &Listener::on_accept> accept_{*this};
  size_t next_loop_ = 0;
  bool accepting_ = false;
  bool stopping_ = false;
  uint64_t keepalive_s_ = 0;     // of the sockets it accepts
  uint64_t retry_ns_ = 0;        // not before
  uint64_t quiet_until_ns_ = 0;  // it has been said that clients have to wait
};

}  // namespace number_dispenser
