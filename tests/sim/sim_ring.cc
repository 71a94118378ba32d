#include "sim_ring.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "number_dispenser/base/check.h"

namespace number_dispenser::sim {
namespace {

constexpr size_t kBufferBytes = 8192;  // a receive delivers at most so much at once

constexpr int kAcceptErrors[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM, ECONNABORTED, EINTR};
// Of a connection that is gone.
constexpr int kLostErrors[] = {ECONNRESET, EPIPE, ETIMEDOUT, EHOSTUNREACH};

}  // namespace

void SimRing::start(InFlight operation) {
  const auto same = [&](const InFlight& other) { return other.operation == operation.operation; };
  const auto starting = [&](const Started& other) { return other.begun && same(*other.begun); };
  if (std::ranges::any_of(in_flight_, same) || std::ranges::any_of(started_, starting))
    world_.violate("an operation on fd {} was started while it is in flight",
                   operation.fd - SimNet::kFirstFd);
  started_.push_back({.begun = operation});
}

void SimRing::accept_multishot(Operation& operation, int listener) {
  start({Kind::kAccept, &operation, listener, {}});
}

void SimRing::receive_multishot(Operation& operation, int fd) {
  start({Kind::kReceive, &operation, fd, {}});
}

void SimRing::receive_once(Operation& operation, int fd) {
  start({.kind = Kind::kReceive, .operation = &operation, .fd = fd, .once = true});
}

void SimRing::send(Operation& operation, int fd, std::string_view bytes) {
  start({Kind::kSend, &operation, fd, bytes});
}

void SimRing::cancel(Operation& operation) {
  started_.push_back({.cancelled = &operation});
}

// The state file has a storage of its own here.
void SimRing::read(Operation&, int, std::span<char>) {
  ND_CHECK(false, "read");
}
void SimRing::write(Operation&, int, std::span<const std::byte>, uint64_t) {
  ND_CHECK(false, "write");
}
void SimRing::flush(Operation&, int) {
  ND_CHECK(false, "flush");
}

void SimRing::shutdown(int fd, int how) {
  net_.shutdown(fd, how);
}

void SimRing::close(int fd) {
  const auto uses = [fd](const InFlight& other) { return other.fd == fd; };
  const auto starts = [&](const Started& other) { return other.begun && uses(*other.begun); };
  if (std::ranges::any_of(in_flight_, uses) || std::ranges::any_of(started_, starts))
    world_.violate("fd {} was closed with an operation in flight", fd - SimNet::kFirstFd);
  net_.close(fd);
}

bool SimRing::has_unread(int fd) {
  return !net_.at(fd).to_server.empty();
}

void SimRing::wake(Ring& caller) {
  if (&caller == this) {
    woken_ = true;
    return;
  }
  static_cast<SimRing&>(caller).started_.push_back({.woken = this});
}

void SimRing::submit() {
  for (Started& started : std::exchange(started_, {})) {
    if (started.woken != nullptr) started.woken->woken_ = true;
    for (InFlight& operation : in_flight_)
      if (operation.operation == started.cancelled) operation.cancelled = true;
    if (!started.begun) continue;
    // A send may have happened long before its completion is seen, or only just before.
    if (started.begun->kind == Kind::kSend && world_.rng.coin() && is_ready(*started.begun))
      started.begun->result = transmit(*started.begun);
    in_flight_.push_back(*started.begun);
  }
}

bool SimRing::has_ready() const {
  return woken_ || !posted_.empty() ||
         std::ranges::any_of(in_flight_, [&](const InFlight& one) { return is_ready(one); });
}

bool SimRing::is_ready(const InFlight& operation) const {
  if (operation.cancelled || operation.result) return true;
  if (operation.kind == Kind::kAccept) return net_.has_backlog();
  const Socket& socket = net_.at(operation.fd);
  if (socket.reset) return true;
  if (operation.kind == Kind::kReceive)
    return !socket.to_server.empty() || socket.client_ended || socket.server_shut_read;
  return socket.server_ended || socket.to_client.size() < socket.client_room;
}

void SimRing::run_once(uint64_t) {
  submit();
  woken_ = false;
  std::vector<Done> done;
  for (size_t at = 0; at < in_flight_.size();) {
    if (is_ready(in_flight_[at]) && !world_.rng.chance(world_.faults.late_completion) &&
        complete(in_flight_[at], done)) {
      in_flight_[at] = in_flight_.back();
      in_flight_.pop_back();
    } else {
      ++at;
    }
  }
  for (size_t at = done.size(); at > 1; --at) std::swap(done[at - 1], done[world_.rng.below(at)]);
  // The disk's keep their order among themselves: one that has failed is known before a later one.
  const auto where = static_cast<std::ptrdiff_t>(world_.rng.below(done.size() + 1));
  std::vector<Done> posted = std::exchange(posted_, {});
  done.insert(done.begin() + where, std::make_move_iterator(posted.begin()),
              std::make_move_iterator(posted.end()));
  for (Done& one : done) {
    one.completion.data = one.data;
    one.operation->on_completion(one.completion);
  }
}

bool SimRing::finish(InFlight& operation, std::vector<Done>& done, int result) {
  done.push_back({operation.operation, {.result = result}, {}});
  return true;
}

// True: that was the operation's last completion.
bool SimRing::complete(InFlight& operation, std::vector<Done>& done) {
  if (operation.kind == Kind::kAccept) return complete_accept(operation, done);
  if (operation.kind == Kind::kReceive) return complete_receive(operation, done);
  if (!operation.result && operation.cancelled) return finish(operation, done, -ECANCELED);
  const int result = operation.result ? *operation.result : transmit(operation);
  world_.trace("loop {}: fd {} send of {} ends with {}", number_, operation.fd - SimNet::kFirstFd,
               operation.bytes.size(), result);
  return finish(operation, done, result);
}

bool SimRing::complete_accept(InFlight& operation, std::vector<Done>& done) {
  if (operation.cancelled) return finish(operation, done, -ECANCELED);
  if (world_.rng.chance(world_.faults.accept_error)) {
    const int error = world_.rng.one_of(kAcceptErrors);
    world_.trace("loop {}: accept fails with {}", number_, error);
    return finish(operation, done, -error);
  }
  const bool more = !world_.rng.chance(world_.faults.end_multishot);
  const int fd = net_.accept();
  world_.trace("loop {}: accepted fd {}", number_, fd - SimNet::kFirstFd);
  done.push_back({operation.operation, {.result = fd, .more = more}, {}});
  return !more;
}

bool SimRing::complete_receive(InFlight& operation, std::vector<Done>& done) {
  Socket& socket = net_.at(operation.fd);
  Rng& rng = world_.rng;
  // A cancellation races with what arrives.
  if (operation.cancelled && (socket.to_server.empty() || rng.coin()))
    return finish(operation, done, -ECANCELED);
  if (!socket.immune && rng.chance(world_.faults.connection_error)) {
    socket.disturbed = socket.reset = true;
    world_.trace("fd {} is disturbed", operation.fd - SimNet::kFirstFd);
  }
  if (socket.reset) return finish(operation, done, -rng.one_of(kLostErrors));
  if (socket.server_shut_read) return finish(operation, done, 0);
  if (rng.chance(world_.faults.interrupted)) return finish(operation, done, -EINTR);
  if (socket.to_server.empty()) return finish(operation, done, 0);
  if (rng.chance(world_.faults.no_buffers)) return finish(operation, done, -ENOBUFS);
  size_t bytes = std::min(socket.to_server.size(), kBufferBytes);
  if (rng.chance(world_.faults.short_receive)) bytes = rng.between(1, std::min(bytes, size_t{40}));
  const bool more =
      !operation.once && !operation.cancelled && !rng.chance(world_.faults.end_multishot);
  world_.trace("loop {}: fd {} receives {} of {} bytes{}", number_, operation.fd - SimNet::kFirstFd,
               bytes, socket.to_server.size(), more ? "" : ", the receive ends");
  done.push_back({operation.operation,
                  {.result = static_cast<int>(bytes), .more = more},
                  socket.to_server.substr(0, bytes)});
  socket.to_server.erase(0, bytes);
  return !more;
}

// Takes the bytes from the server's memory now; the result of the send.
int SimRing::transmit(const InFlight& operation) {
  Socket& socket = net_.at(operation.fd);
  Rng& rng = world_.rng;
  if (!socket.immune && rng.chance(world_.faults.connection_error))
    socket.disturbed = socket.reset = true;
  if (socket.reset) return -rng.one_of(kLostErrors);
  if (socket.server_ended) return -EPIPE;
  if (rng.chance(world_.faults.interrupted)) return rng.coin() ? -EINTR : -EAGAIN;
  size_t bytes = std::min(operation.bytes.size(), socket.client_room - socket.to_client.size());
  if (rng.chance(world_.faults.short_send)) bytes = rng.between(1, bytes);
  socket.to_client.append(operation.bytes.substr(0, bytes));
  return static_cast<int>(bytes);
}

}  // namespace number_dispenser::sim
