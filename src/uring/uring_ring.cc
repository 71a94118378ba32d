#include "number_dispenser/uring/uring_ring.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "number_dispenser/base/check.h"

namespace number_dispenser {
namespace {

constexpr unsigned kSubmissions = 1024;
// A multishot operation ends when the queue is full: roomy enough for a burst from thousands of
// clients.
constexpr unsigned kCompletions = 16384;

// Buffers that receives share. 8 KiB hold a pipeline of some 300 requests.
constexpr unsigned kBuffers = 256;
constexpr size_t kBufferBytes = 8192;
constexpr int kBufferGroup = 0;
constexpr size_t kBufferRingBytes = kBuffers * sizeof(io_uring_buf);

std::unexpected<Error> refused(int error) {
  switch (error) {
    case EPERM:
      return fail(
          ExitStatus::kNoPermission,
          "the kernel refuses io_uring (EPERM): allow it with `sysctl "
          "kernel.io_uring_disabled=0`, or, in a container, with a seccomp profile that has "
          "io_uring_setup, io_uring_enter and io_uring_register (contrib/docker/seccomp.json)");
    case ENOSYS:
      return fail(
          ExitStatus::kNoPermission,
          "this system has no io_uring (ENOSYS): run Linux 6.1 or newer, or, in a container, "
          "use a seccomp profile that has io_uring_setup, io_uring_enter and "
          "io_uring_register (contrib/docker/seccomp.json)");
    case EINVAL:
      return fail(ExitStatus::kConfiguration,
                  "this kernel's io_uring is too old (EINVAL): run Linux 6.1 or newer");
    case ENOMEM:
      return fail(
          ExitStatus::kConfiguration,
          "no memory for io_uring (ENOMEM): raise the memory limit, or the locked-memory limit "
          "(LimitMEMLOCK, ulimit -l)");
    default:
      return fail(ExitStatus::kConfiguration, fmt::format("io_uring: {}", std::strerror(error)));
  }
}

}  // namespace

Result<std::unique_ptr<UringRing>> UringRing::create() {
  std::unique_ptr<UringRing> made(new UringRing);
  io_uring_params params{};
  params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED |
                 IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP;
  params.cq_entries = kCompletions;
  if (const int result = ::io_uring_queue_init_params(kSubmissions, &made->ring_, &params);
      result < 0)
    return refused(-result);
  made->made_ = true;
  ::io_uring_ring_dontfork(&made->ring_);
  if (auto buffers = made->make_buffers(); !buffers) return std::unexpected(buffers.error());
  return made;
}

UringRing::~UringRing() {
  if (made_) ::io_uring_queue_exit(&ring_);
  if (buffer_ring_ != nullptr) ::munmap(buffer_ring_, kBufferRingBytes);
}

Result<void> UringRing::make_buffers() {
  void* memory =
      ::mmap(nullptr, kBufferRingBytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
  if (memory == MAP_FAILED) return refused(errno);
  buffer_ring_ = static_cast<io_uring_buf_ring*>(memory);
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<uint64_t>(memory);
  registration.ring_entries = kBuffers;
  registration.bgid = kBufferGroup;
  if (const int result = ::io_uring_register_buf_ring(&ring_, &registration, 0); result < 0)
    return refused(-result);
  ::io_uring_buf_ring_init(buffer_ring_);
  buffers_ = std::make_unique_for_overwrite<char[]>(kBuffers * kBufferBytes);
  for (unsigned id = 0; id < kBuffers; ++id)
    ::io_uring_buf_ring_add(buffer_ring_, buffer(id).data(), kBufferBytes,
                            static_cast<uint16_t>(id), ::io_uring_buf_ring_mask(kBuffers),
                            static_cast<int>(id));
  ::io_uring_buf_ring_advance(buffer_ring_, kBuffers);
  return {};
}

Result<void> UringRing::enable() {
  if (const int result = ::io_uring_enable_rings(&ring_); result < 0) return refused(-result);
  // Workers (flushes run on them) stay on the processors that this thread was given.
  cpu_set_t processors;
  if (::sched_getaffinity(0, sizeof processors, &processors) == 0)
    ::io_uring_register_iowq_aff(&ring_, sizeof processors, &processors);
  return {};
}

std::span<char> UringRing::buffer(unsigned id) {
  return {buffers_.get() + id * kBufferBytes, kBufferBytes};
}

io_uring_sqe& UringRing::next_sqe() {
  io_uring_sqe* sqe = ::io_uring_get_sqe(&ring_);
  while (sqe == nullptr) {
    // -EBUSY: the completion queue has overflowed; the entries stay queued for the next call.
    const int result = ::io_uring_submit(&ring_);
    ND_CHECK(result >= 0 || result == -EBUSY || result == -EINTR || result == -EAGAIN,
             "io_uring_submit: {}", std::strerror(-result));
    if (result < 0) reap();
    sqe = ::io_uring_get_sqe(&ring_);
  }
  return *sqe;
}

void UringRing::accept_multishot(Operation& operation, int listener) {
  io_uring_sqe& sqe = next_sqe();
  ::io_uring_prep_multishot_accept(&sqe, listener, nullptr, nullptr, SOCK_CLOEXEC);
  ::io_uring_sqe_set_data(&sqe, &operation);
}

void UringRing::receive_multishot(Operation& operation, int fd) {
  io_uring_sqe& sqe = next_sqe();
  ::io_uring_prep_recv_multishot(&sqe, fd, nullptr, 0, 0);
  sqe.flags |= IOSQE_BUFFER_SELECT;
  sqe.buf_group = kBufferGroup;
  ::io_uring_sqe_set_data(&sqe, &operation);
}

void UringRing::receive_once(Operation& operation, int fd) {
  io_uring_sqe& sqe = next_sqe();
  ::io_uring_prep_recv(&sqe, fd, nullptr, kBufferBytes, 0);
  sqe.flags |= IOSQE_BUFFER_SELECT;
  sqe.buf_group = kBufferGroup;
  ::io_uring_sqe_set_data(&sqe, &operation);
}

void UringRing::send(Operation& operation, int fd, std::string_view bytes) {
  io_uring_sqe& sqe = next_sqe();
  ::io_uring_prep_send(&sqe, fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  ::io_uring_sqe_set_data(&sqe, &operation);
}

void UringRing::read(Operation& operation, int fd, std::span<char> into) {
  io_uring_sqe& sqe = next_sqe();
  ::io_uring_prep_read(&sqe, fd, into.data(), static_cast<unsigned>(into.size()), 0);
  ::io_uring_sqe_set_data(&sqe, &operation);
}

void UringRing::write(Operation& operation, int fd, std::span<const std::byte> bytes,
                      uint64_t offset) {
  io_uring_sqe& sqe = next_sqe();
  ::io_uring_prep_write(&sqe, fd, bytes.data(), static_cast<unsigned>(bytes.size()), offset);
  // File writes may block: on a worker, never on the loop.
  sqe.flags |= IOSQE_ASYNC;
  ::io_uring_sqe_set_data(&sqe, &operation);
}

void UringRing::flush(Operation& operation, int fd) {
  io_uring_sqe& sqe = next_sqe();
  // The whole file: only pages that were stored into since the last flush are dirty.
  ::io_uring_prep_fsync(&sqe, fd, IORING_FSYNC_DATASYNC);
  ::io_uring_sqe_set_data(&sqe, &operation);
}

void UringRing::cancel(Operation& operation) {
  io_uring_sqe& sqe = next_sqe();
  ::io_uring_prep_cancel(&sqe, &operation, 0);
  ::io_uring_sqe_set_data(&sqe, nullptr);
}

void UringRing::shutdown(int fd, int how) {
  ::shutdown(fd, how);
}

void UringRing::close(int fd) {
  ::close(fd);
}

bool UringRing::has_unread(int fd) {
  int bytes = 0;
  return ::ioctl(fd, FIONREAD, &bytes) == 0 && bytes > 0;
}

void UringRing::wake(Ring& caller) {
  if (&caller == this) {
    woken_ = true;
    return;
  }
  io_uring_sqe& sqe = static_cast<UringRing&>(caller).next_sqe();
  ::io_uring_prep_msg_ring(&sqe, ring_.ring_fd, 0, 0, 0);
  ::io_uring_sqe_set_data(&sqe, nullptr);
  sqe.flags |= IOSQE_CQE_SKIP_SUCCESS;
}

void UringRing::run_once(uint64_t timeout_ns) {
  // What next_sqe() had to reap waits to be run.
  if (std::exchange(woken_, false) || !reaped_.empty()) timeout_ns = 0;
  io_uring_cqe* first = nullptr;
  __kernel_timespec timeout{};
  timeout.tv_sec = static_cast<int64_t>(timeout_ns / 1'000'000'000);
  timeout.tv_nsec = static_cast<int64_t>(timeout_ns % 1'000'000'000);
  const int result = ::io_uring_submit_and_wait_timeout(&ring_, &first, 1, &timeout, nullptr);
  ND_CHECK(
      result >= 0 || result == -ETIME || result == -EINTR || result == -EBUSY || result == -EAGAIN,
      "io_uring_enter: {}", std::strerror(-result));
  reap();
  // By index: running one may start operations, and that may reap more.
  for (size_t at = 0; at < reaped_.size(); ++at) run(Reaped(reaped_[at]));
  reaped_.clear();
  if (given_back_ > 0) ::io_uring_buf_ring_advance(buffer_ring_, std::exchange(given_back_, 0));
}

void UringRing::reap() {
  io_uring_cqe* cqe = nullptr;
  unsigned head = 0;
  unsigned seen = 0;
  io_uring_for_each_cqe(&ring_, head, cqe) {
    reaped_.push_back(
        {static_cast<Operation*>(::io_uring_cqe_get_data(cqe)), cqe->res, cqe->flags});
    ++seen;
  }
  ::io_uring_cq_advance(&ring_, seen);
}

void UringRing::run(const Reaped& reaped) {
  // Wake-ups and cancellations need no answer: returning from run_once is one.
  if (reaped.operation == nullptr) return;
  Completion completion{.result = reaped.result, .more = (reaped.flags & IORING_CQE_F_MORE) != 0};
  if ((reaped.flags & IORING_CQE_F_BUFFER) == 0) return reaped.operation->on_completion(completion);
  const unsigned id = reaped.flags >> IORING_CQE_BUFFER_SHIFT;
  if (reaped.result > 0) completion.data = {buffer(id).data(), static_cast<size_t>(reaped.result)};
  reaped.operation->on_completion(completion);
  ::io_uring_buf_ring_add(buffer_ring_, buffer(id).data(), kBufferBytes, static_cast<uint16_t>(id),
                          ::io_uring_buf_ring_mask(kBuffers), given_back_++);
}

}  // namespace number_dispenser
