#include "client.h"

#include <algorithm>
#include <utility>

namespace number_dispenser::sim {
namespace {

// The server gives up on a client that takes nothing for a minute.
constexpr uint64_t kPatienceNs = 59'000 * kNsPerMs;

}  // namespace

void Client::connect() {
  socket_ = net_.connect();
  if (!socket_) return;
  socket_->client_room = habits_.room;
  closing_ = half_closes_ = excused_ = speaks_resp3_ = false;
  tops_.clear();
  unread_since_ns_ = world_.clock.monotonic_ns();
  // What a lost connection left open: once the server has closed it, INFO says which changes were
  // run.
  if (std::ranges::all_of(lost_, [](const SocketPtr& lost) { return lost->closed; })) {
    for (const unsigned name : unsettled_)
      pending_.push_back(oracle_.info(name, Request::What::kResolve, out_));
    lost_.clear();
  }
}

void Client::verify_all() {
  connect();
  socket_->immune = true;
  for (unsigned name = 0; name < oracle_.names().size(); ++name)
    pending_.push_back(oracle_.info(name, Request::What::kVerify, out_));
}

void Client::act(bool asks) {
  if (!socket_) {
    if (!asks) return;
    connect();
    if (!socket_) return;
  }
  if (asks && world_.rng.chance(habits_.resets)) {
    world_.trace("client {}: resets", id_);
    socket_->reset = true;
    return forget();
  }
  if (asks && !closing_ && pending_.size() < habits_.depth) ask();
  if (asks && !closing_ && world_.rng.chance(habits_.half_closes + habits_.quits)) leave();
  move(false);
}

void Client::move(bool everything) {
  if (!socket_) return;
  if (!out_.empty())
    pass(everything || world_.rng.coin() ? out_.size() : world_.rng.below(out_.size()));
  if (half_closes_ && out_.empty()) socket_->client_ended = true;
  if (everything || world_.rng.chance(habits_.reads)) {
    const size_t there = socket_->to_client.size();
    receive(everything || world_.rng.coin() ? there : world_.rng.below(there + 1));
  }
  if (socket_ && socket_->server_ended && socket_->to_client.empty()) ended();
}

void Client::pass(size_t bytes) {
  if (socket_->closed || socket_->client_ended) return;
  socket_->to_server.append(out_, 0, bytes);
  out_.erase(0, bytes);
}

void Client::receive(size_t bytes) {
  const uint64_t now_ns = world_.clock.monotonic_ns();
  if (bytes == 0 && !socket_->to_client.empty()) return;
  // A minute in which the server could send nothing is the end of its patience.
  if (now_ns - std::exchange(unread_since_ns_, now_ns) >= kPatienceNs) excused_ = true;
  in_.append(socket_->to_client, 0, bytes);
  socket_->to_client.erase(0, bytes);
  Reply reply;
  size_t done = 0;
  size_t taken = 0;
  Read outcome = Read::kPartial;
  while ((outcome = read_reply(std::string_view(in_).substr(done), reply, taken)) == Read::kWhole) {
    done += taken;
    world_.trace("client {}: reads '{}{}'", id_, reply.is_error() ? "-" : "",
                 reply.text.substr(0, 60));
    if (pending_.empty())
      return world_.violate("a reply that nobody has asked for: {}", reply.text);
    const Request request = std::move(pending_.front());
    pending_.pop_front();
    oracle_.judge(request, reply, tops_);
    if (request.what == Request::What::kResolve) std::erase(unsettled_, request.name);
  }
  if (outcome == Read::kMalformed) world_.violate("a malformed reply: {}", in_.substr(done, 60));
  in_.erase(0, done);
}

// The server has sent its last.
void Client::ended() {
  const bool excused = excused_ || socket_->disturbed || socket_->reset;
  world_.trace("client {}: the server has hung up, {} replies are missing", id_, pending_.size());
  if (!excused && (!pending_.empty() || !closing_))
    world_.violate("client {} was hung up on with {} requests unanswered", id_, pending_.size());
  socket_->client_ended = true;
  forget();
}

// The connection is over; what was sent may still be run.
void Client::forget() {
  for (const unsigned name : owned_) {
    const bool open = std::ranges::any_of(pending_, [&](const Request& request) {
      return request.name == name && request.what == Request::What::kChange;
    });
    if (open && std::ranges::find(unsettled_, name) == unsettled_.end()) unsettled_.push_back(name);
  }
  if (!unsettled_.empty()) lost_.push_back(socket_);
  socket_.reset();
  pending_.clear();
  out_.clear();
  in_.clear();
}

void Client::server_died() {
  excused_ = true;
  if (socket_) receive(socket_->to_client.size());
  if (socket_) forget();
  unsettled_.clear();
  lost_.clear();
}

void Client::expect(std::string_view request, std::string_view reply) {
  out_ += request;
  pending_.push_back({.what = Request::What::kExact, .expected = std::string(reply)});
}

void Client::ask() {
  for (uint64_t more = world_.rng.between(1, habits_.depth); more > 0; --more) ask_one();
}

void Client::ask_one() {
  Rng& rng = world_.rng;
  const auto name = static_cast<unsigned>(rng.below(oracle_.names().size()));
  const uint64_t chosen = rng.below(100);
  if (chosen < 72) {
    pending_.push_back(oracle_.get(name, out_));
  } else if (chosen < 74) {
    pending_.push_back(oracle_.get_many(out_));
  } else if (chosen < 80) {
    pending_.push_back(oracle_.info(name, Request::What::kInfo, out_));
  } else if (chosen < 90) {
    if (!ask_change()) expect("PING\r\n", "PONG");
  } else if (chosen < 94) {
    const std::string message = fmt::format("c{}m{}", id_, ++messages_);
    expect(rng.coin() ? fmt::format("PING {}\r\n", message)
                      : fmt::format("*2\r\n$4\r\necho\r\n${}\r\n{}\r\n", message.size(), message),
           message);
  } else if (chosen < 96) {
    transaction();
  } else if (chosen < 98) {
    out_ += rng.coin() ? "GET nobody\r\n" : "\r\n*0\r\nHSET\r\n";
    pending_.push_back({.what = Request::What::kError, .expected = "ERR "});
  } else if (!speaks_resp3_) {
    speaks_resp3_ = true;
    out_ += "HELLO 3\r\n";
    pending_.push_back({.what = Request::What::kExact});
  }
}

// False: there is nothing that it may change now.
bool Client::ask_change() {
  if (owned_.empty()) return false;
  const unsigned name = owned_[world_.rng.below(owned_.size())];
  if (std::ranges::find(unsettled_, name) != unsettled_.end()) return false;
  if (habits_.waits_for_changes && !oracle_.settled(name)) return false;
  pending_.push_back(world_.rng.chance(150) ? oracle_.refused_change(name, out_)
                                            : oracle_.change(name, out_));
  return true;
}

void Client::transaction() {
  expect("MULTI\r\n", "OK");
  Request all{.what = Request::What::kExec};
  for (uint64_t more = world_.rng.between(0, 3); more > 0; --more) {
    const auto name = static_cast<unsigned>(world_.rng.below(oracle_.names().size()));
    all.inner.push_back(world_.rng.coin() ? oracle_.get(name, out_)
                                          : oracle_.info(name, Request::What::kInfo, out_));
    pending_.push_back({.what = Request::What::kExact, .expected = "QUEUED"});
  }
  out_ += "EXEC\r\n";
  pending_.push_back(std::move(all));
}

// Says that it will send no more: in words, by a mistake, or by ending its half.
void Client::leave() {
  closing_ = true;
  const uint64_t chosen = world_.rng.below(habits_.quits + habits_.half_closes);
  half_closes_ = chosen >= habits_.quits;
  if (half_closes_) return;
  if (world_.rng.coin()) return expect("QUIT\r\n", "OK");
  out_ += "*1\r\n!GET\r\n";
  pending_.push_back(
      {.what = Request::What::kError, .expected = "ERR Protocol error: expected '$'"});
}

}  // namespace number_dispenser::sim
