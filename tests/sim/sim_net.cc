#include "sim_net.h"

#include <sys/socket.h>

#include <algorithm>

#include "number_dispenser/base/check.h"

namespace number_dispenser::sim {

SocketPtr SimNet::connect() {
  if (!listening_) return nullptr;
  auto socket = std::make_shared<Socket>();
  backlog_.push_back(socket);
  return socket;
}

int SimNet::accept() {
  SocketPtr socket = std::move(backlog_.front());
  backlog_.pop_front();
  auto free = std::ranges::find(open_, nullptr);
  if (free == open_.end()) free = open_.insert(open_.end(), nullptr);
  socket->fd = kFirstFd + static_cast<int>(free - open_.begin());
  *free = socket;
  return socket->fd;
}

Socket& SimNet::at(int fd) {
  const auto index = static_cast<size_t>(fd - kFirstFd);
  ND_CHECK(fd >= kFirstFd && index < open_.size() && open_[index] != nullptr,
           "the server used descriptor {}, which is closed", fd);
  return *open_[index];
}

void SimNet::shutdown(int fd, int how) {
  if (world_.death != Death::kNone) return;
  Socket& socket = at(fd);
  if (how == SHUT_RD || how == SHUT_RDWR) socket.server_shut_read = true;
  if (how == SHUT_WR || how == SHUT_RDWR) socket.server_ended = true;
}

void SimNet::close(int fd) {
  if (world_.death != Death::kNone) return;
  Socket& socket = at(fd);
  world_.trace("net: fd {} closed, {} bytes unread", fd - kFirstFd, socket.to_server.size());
  // Closed with input unread: a reset, which may overtake what is still on its way to the client.
  if (!socket.to_server.empty() && world_.rng.coin())
    socket.to_client.resize(world_.rng.below(socket.to_client.size() + 1));
  socket.closed = socket.server_ended = true;
  open_[static_cast<size_t>(fd - kFirstFd)] = nullptr;
}

void SimNet::end_process() {
  listening_ = false;
  for (const SocketPtr& socket : backlog_) socket->closed = socket->server_ended = true;
  backlog_.clear();
  for (SocketPtr& socket : open_) {
    if (!socket) continue;
    socket->closed = socket->server_ended = true;
    socket.reset();
  }
  open_.clear();
}

}  // namespace number_dispenser::sim
