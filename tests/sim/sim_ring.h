// A Ring over SimNet: operations complete when chance says so, in any order, with any error that
// io_uring may give; descriptors, operations and the bytes of a send are watched for the rules of
// uring/ring.h.
//
// As with io_uring, nothing that a tick starts has happened before submit(): a process that dies in
// its tick has not sent. One thread.
#pragma once

#include <optional>
#include <vector>

#include "number_dispenser/uring/ring.h"
#include "sim_net.h"

namespace number_dispenser::sim {

class SimRing final : public Ring {
 public:
  SimRing(World& world, SimNet& net, unsigned number) : world_(world), net_(net), number_(number) {}

  void accept_multishot(Operation& operation, int listener) override;
  void receive_multishot(Operation& operation, int fd) override;
  void receive_once(Operation& operation, int fd) override;
  void send(Operation& operation, int fd, std::string_view bytes) override;
  void read(Operation& operation, int fd, std::span<char> into) override;
  void write(Operation& operation, int fd, std::span<const std::byte> bytes,
             uint64_t offset) override;
  void flush(Operation& operation, int fd) override;
  void cancel(Operation& operation) override;
  void shutdown(int fd, int how) override;
  void close(int fd) override;
  bool has_unread(int fd) override;
  void run_once(uint64_t timeout_ns) override;
  void wake(Ring& caller) override;

  // What run_once() began to wait for, were this a thread of its own.
  void submit();
  // run_once() would return before its time is over.
  bool has_ready() const;
  // A completion that comes from elsewhere: the disk's.
  void post(Operation& operation, int result) { posted_.push_back({&operation, {result}}); }

 private:
  enum class Kind { kAccept, kReceive, kSend };
  struct InFlight {
    Kind kind;
    Operation* operation;
    int fd;
    std::string_view bytes;
    bool cancelled = false;
    bool once = false;
    std::optional<int> result;  // of a send that has happened already
  };
  struct Done {
    Operation* operation;
    Completion completion;
    std::string data;
  };
  struct Started {
    std::optional<InFlight> begun;
    Operation* cancelled = nullptr;
    SimRing* woken = nullptr;
  };

  void start(InFlight operation);
  bool is_ready(const InFlight& operation) const;
  bool complete(InFlight& operation, std::vector<Done>& done);
  bool complete_accept(InFlight& operation, std::vector<Done>& done);
  bool complete_receive(InFlight& operation, std::vector<Done>& done);
  int transmit(const InFlight& operation);
  bool finish(InFlight& operation, std::vector<Done>& done, int result);

  World& world_;
  SimNet& net_;
  const unsigned number_;
  std::vector<Started> started_;
  std::vector<InFlight> in_flight_;
  std::vector<Done> posted_;
  bool woken_ = false;
};

}  // namespace number_dispenser::sim
