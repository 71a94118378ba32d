// A simulated client: one connection at a time, a pipeline of requests, and a judge for every
// reply.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "oracle.h"
#include "sim_net.h"

namespace number_dispenser::sim {

class Client {
 public:
  // How it behaves, for a whole run of a server.
  struct Habits {
    unsigned depth = 1;     // requests it sends without waiting
    size_t room = 1 << 20;  // bytes it lets wait unread
    unsigned reads = 900;   // per mille of its turns
    unsigned resets = 0;
    unsigned half_closes = 0;
    unsigned quits = 0;  // also by a malformed request
    bool waits_for_changes = false;
  };

  Client(World& world, SimNet& net, Oracle& oracle, unsigned id, std::vector<unsigned> owned)
      : world_(world), net_(net), oracle_(oracle), id_(id), owned_(std::move(owned)) {}

  void set_habits(const Habits& habits) { habits_ = habits; }
  // The server may hang up now: it is stopping, its state file has failed, or time has made a leap.
  void may_be_hung_up_on() { excused_ = true; }

  // Connects, sends, receives, or goes away. `asks`: may think of new requests.
  void act(bool asks);
  // Bytes are on their way, without a new request.
  void move(bool everything);
  // The server's process is gone: takes what had arrived.
  void server_died();
  // For the start of a run: asks for every name, and nothing goes wrong on this connection.
  void verify_all();

  bool waiting() const { return !pending_.empty(); }
  bool connected() const { return socket_ != nullptr; }
  unsigned id() const { return id_; }

 private:
  void connect();
  void ask();
  void ask_one();
  bool ask_change();
  void transaction();
  void leave();
  void pass(size_t bytes);
  void receive(size_t bytes);
  void ended();
  void forget();
  void expect(std::string_view request, std::string_view reply);

  World& world_;
  SimNet& net_;
  Oracle& oracle_;
  const unsigned id_;
  const std::vector<unsigned> owned_;
  Habits habits_;
  SocketPtr socket_;
  std::string out_;  // not yet passed to the network
  std::string in_;   // of a reply that is not whole
  std::deque<Request> pending_;
  std::vector<Oracle::Top> tops_;
  std::vector<unsigned> unsettled_;  // names with changes that a lost connection has left open
  std::vector<SocketPtr> lost_;      // those connections: the server may still run their requests
  bool speaks_resp3_ = false;
  bool closing_ = false;  // has sent its last request
  bool half_closes_ = false;
  bool excused_ = false;  // being hung up on is no surprise
  uint64_t unread_since_ns_ = 0;
  uint64_t messages_ = 0;
};

}  // namespace number_dispenser::sim
