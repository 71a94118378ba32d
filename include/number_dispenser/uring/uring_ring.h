// The kernel's io_uring as a Ring. Descriptors given to it must be blocking ones (io_uring does the
// waiting).
//
// Made disabled on any thread, so that a refusal shows before threads start; the thread that runs
// it calls enable() first.
#pragma once

#include <liburing.h>

#include <memory>
#include <vector>

#include "number_dispenser/base/error.h"
#include "number_dispenser/uring/ring.h"

namespace number_dispenser {

class UringRing final : public Ring {
 public:
  // An error names the remedy where the kernel, its settings or a seccomp filter refuse io_uring.
  static Result<std::unique_ptr<UringRing>> create();
  ~UringRing() override;

  Result<void> enable();

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

 private:
  // A completion copied out of the queue before any is run.
  struct Reaped {
    Operation* operation;
    int result;
    uint32_t flags;
  };

  UringRing() = default;
  io_uring_sqe& next_sqe();
  Result<void> make_buffers();
  std::span<char> buffer(unsigned id);
  void reap();
  void run(const Reaped& reaped);

  io_uring ring_{};
  bool made_ = false;
  io_uring_buf_ring* buffer_ring_ = nullptr;
  std::unique_ptr<char[]> buffers_;
  int given_back_ = 0;  // buffers, not yet shown to the kernel
  std::vector<Reaped> reaped_;
  bool woken_ = false;
};

}  // namespace number_dispenser
