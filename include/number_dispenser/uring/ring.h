// The ring seam: asynchronous I/O as the loop uses it. UringRing is the kernel's io_uring; tests
// and the simulator bring rings of their own.
//
// A ring belongs to one thread; only wake() may be called by others. Every operation started ends
// with one completion whose `more` is false, whatever happens to its descriptor; until then the
// Operation, and the memory given to it, must stay. Starting never fails: what cannot start
// completes with an error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace number_dispenser {

// How an operation ended, or, with `more`, that it has delivered something and goes on.
struct Completion {
  int result = 0;         // what the system call would return; -errno for an error
  bool more = false;      // a multishot operation is still armed
  std::string_view data;  // of a receive; good until on_completion returns
};

// Embedded in its owner. One at a time may be in flight.
class Operation {
 public:
  virtual void on_completion(const Completion& completion) = 0;

 protected:
  ~Operation() = default;
};

// An operation that calls a member function of its owner.
template <class Owner, void (Owner::*Member)(const Completion&)>
class MemberOperation final : public Operation {
 public:
  explicit MemberOperation(Owner& owner) : owner_(owner) {}
  void on_completion(const Completion& completion) override { (owner_.*Member)(completion); }

 private:
  Owner& owner_;
};

class Ring {
 public:
  virtual ~Ring() = default;

  // Descriptors of new connections, until cancelled or ended by an error.
  virtual void accept_multishot(Operation& operation, int listener) = 0;
  // Whatever arrives, in completions with `data`; result 0 is the end of the stream. -ENOBUFS: data
  // is waiting but no buffer was free; re-arm on a later tick, when buffers have been given back.
  virtual void receive_multishot(Operation& operation, int fd) = 0;
  // The same for one completion. Many armed this way share the buffers evenly.
  virtual void receive_once(Operation& operation, int fd) = 0;
  // May send less than all.
  virtual void send(Operation& operation, int fd, std::string_view bytes) = 0;
  virtual void read(Operation& operation, int fd, std::span<char> into) = 0;
  virtual void write(Operation& operation, int fd, std::span<const std::byte> bytes,
                     uint64_t offset) = 0;
  // fdatasync(2): covers stores and writes made before it is submitted.
  virtual void flush(Operation& operation, int fd) = 0;
  // Ends `operation`, with -ECANCELED if it was still waiting.
  virtual void cancel(Operation& operation) = 0;

  // At once, no completion.
  virtual void shutdown(int fd, int how) = 0;
  virtual void close(int fd) = 0;
  // Bytes have arrived that no receive has taken.
  virtual bool has_unread(int fd) = 0;

  // Submits what was started, waits until a completion is there, wake() is called or `timeout_ns`
  // has passed, then runs the completions. Nothing runs inside a starting call.
  virtual void run_once(uint64_t timeout_ns) = 0;

  // Makes this ring's run_once() return. Called by the thread that runs `caller`, which may be this
  // ring.
  virtual void wake(Ring& caller) = 0;
};

}  // namespace number_dispenser
