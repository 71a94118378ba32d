// A Ring that knows files only: each write and flush is done, with plain system calls, by the next
// run_once(). A write can be cut short or fail. One thread.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <functional>

#include "number_dispenser/base/check.h"
#include "number_dispenser/uring/ring.h"

namespace number_dispenser::testing_support {

class FileRing final : public Ring {
 public:
  void write(Operation& operation, int fd, std::span<const std::byte> bytes,
             uint64_t offset) override {
    start(operation, [=, this] {
      const ssize_t wrote = ::pwrite(fd, bytes.data(), std::min(bytes.size(), longest_write),
                                     static_cast<off_t>(offset));
      return static_cast<int>(wrote < 0 ? -errno : wrote);
    });
  }
  void flush(Operation& operation, int fd) override {
    start(operation, [=] { return ::fdatasync(fd) == 0 ? 0 : -errno; });
  }
  void run_once(uint64_t) override {
    for (std::deque<Started> due = std::exchange(started_, {}); !due.empty(); due.pop_front()) {
      const int done = due.front().run();
      const int result = fail_next != 0 ? -std::exchange(fail_next, 0) : done;
      due.front().operation->on_completion({.result = result});
    }
  }
  bool idle() const { return started_.empty(); }

  void accept_multishot(Operation&, int) override { unknown(); }
  void receive_multishot(Operation&, int) override { unknown(); }
  void receive_once(Operation&, int) override { unknown(); }
  void send(Operation&, int, std::string_view) override { unknown(); }
  void read(Operation&, int, std::span<char>) override { unknown(); }
  void cancel(Operation&) override { unknown(); }
  void shutdown(int, int) override { unknown(); }
  void close(int) override { unknown(); }
  bool has_unread(int) override { return false; }
  void wake(Ring&) override { unknown(); }

  size_t longest_write = ~size_t{0};
  int fail_next = 0;  // the errno of the next operation, which is done nevertheless

 private:
  struct Started {
    Operation* operation;
    std::function<int()> run;
  };
  void start(Operation& operation, std::function<int()> run) {
    started_.push_back({&operation, std::move(run)});
  }
  [[noreturn]] static void unknown() {
    check_failed(__FILE__, __LINE__, "a file's operation", "this ring knows files only");
  }

  std::deque<Started> started_;
};

}  // namespace number_dispenser::testing_support
