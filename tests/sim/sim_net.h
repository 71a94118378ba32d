// Connections in memory: what the kernel would hold of them. Owned by the simulation; outlives the
// server's process, whose descriptors end with it. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "world.h"

namespace number_dispenser::sim {

// Both ends of one connection.
struct Socket {
  int fd = -1;                   // at the server; -1: not accepted yet
  std::string to_server;         // arrived, not read yet
  bool client_ended = false;     // no more will arrive
  bool reset = false;            // by the client
  std::string to_client;         // sent, not read yet
  size_t client_room = 1 << 20;  // bytes that may wait there
  bool server_shut_read = false;
  bool server_ended = false;  // nothing more will be sent: what the client sees as the end
  bool closed = false;        // the server has given its descriptor back
  bool immune = false;        // no error is made up for it
  bool disturbed = false;     // an error was: the server may close it
};

using SocketPtr = std::shared_ptr<Socket>;

class SimNet {
 public:
  // Descriptors that no real one can equal: closing one by mistake does nothing.
  static constexpr int kListener = 1 << 28;
  static constexpr int kFirstFd = (1 << 28) + 1;

  explicit SimNet(World& world) : world_(world) {}

  // A client connects; refused (null) while no server listens.
  SocketPtr connect();
  void listen(bool on) { listening_ = on; }

  bool has_backlog() const { return !backlog_.empty(); }
  // The first waiting connection gets the lowest free descriptor, as in the kernel.
  int accept();
  Socket& at(int fd);
  void shutdown(int fd, int how);
  void close(int fd);
  // The server's process is gone.
  void end_process();

 private:
  World& world_;
  bool listening_ = false;
  std::deque<SocketPtr> backlog_;
  std::vector<SocketPtr> open_;  // by fd - kFirstFd
};

}  // namespace number_dispenser::sim
