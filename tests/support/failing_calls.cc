#include "failing_calls.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <optional>
#include <utility>

namespace number_dispenser::testing_support {
namespace {

struct Plan {
  int error;
  unsigned passed;
  unsigned times;
  std::function<void()> other;
};
std::array<std::optional<Plan>, static_cast<size_t>(Call::kCount)> plans;
long shown_type = 0;

// What the call returns instead; nothing where it is to be made.
std::optional<int> intercept(Call call) {
  auto& plan = plans[static_cast<size_t>(call)];
  if (!plan) return std::nullopt;
  if (plan->passed > 0) {
    --plan->passed;
    return std::nullopt;
  }
  const Plan met = *plan;
  if (--plan->times == 0) plan.reset();
  if (met.other) {
    met.other();
    return std::nullopt;
  }
  if (met.error == 0) return 0;
  errno = met.error;
  return -1;
}

}  // namespace

void fail_call(Call call, int error, unsigned passed, unsigned times) {
  plans[static_cast<size_t>(call)] = {error, passed, times, {}};
}

void before_call(Call call, std::function<void()> other, unsigned passed) {
  plans[static_cast<size_t>(call)] = {0, passed, 1, std::move(other)};
}

void show_file_system(long type) {
  shown_type = type;
}

bool stop_failing() {
  bool left = false;
  for (auto& plan : plans) {
    left = left || plan;
    plan.reset();
  }
  shown_type = 0;
  return left;
}

}  // namespace number_dispenser::testing_support

using number_dispenser::testing_support::Call;
using number_dispenser::testing_support::intercept;
using number_dispenser::testing_support::shown_type;

// The linker's names; Meson has file offsets of 64 bits.
extern "C" {
int __real_fcntl64(int fd, int command, ...);
int __real_fdatasync(int fd);
int __real_fstat64(int fd, struct stat* to);
int __real_fstatfs64(int fd, struct statfs* to);
int __real_fsync(int fd);
int __real_ftruncate64(int fd, off_t length);
int __real_ioctl(int fd, unsigned long request, ...);
int __real_mkdir(const char* path, mode_t mode);
void* __real_mmap64(void* at, size_t length, int protection, int flags, int fd, off_t offset);
int __real_open64(const char* path, int flags, ...);
ssize_t __real_pwrite64(int fd, const void* bytes, size_t length, off_t offset);
int __real_rename(const char* from, const char* to);
int __real_statx(int fd, const char* path, int flags, unsigned mask, struct statx* to);

int __wrap_fcntl64(int fd, int command, void* argument) {
  if (const auto result = intercept(Call::kFcntl)) return *result;
  return __real_fcntl64(fd, command, argument);
}
int __wrap_fdatasync(int fd) {
  if (const auto result = intercept(Call::kFdatasync)) return *result;
  return __real_fdatasync(fd);
}
int __wrap_fstat64(int fd, struct stat* to) {
  if (const auto result = intercept(Call::kFstat)) return *result;
  return __real_fstat64(fd, to);
}
int __wrap_fstatfs64(int fd, struct statfs* to) {
  if (const auto result = intercept(Call::kFstatfs)) return *result;
  const int result = __real_fstatfs64(fd, to);
  if (shown_type != 0) to->f_type = shown_type;
  return result;
}
int __wrap_fsync(int fd) {
  if (const auto result = intercept(Call::kFsync)) return *result;
  return __real_fsync(fd);
}
int __wrap_ftruncate64(int fd, off_t length) {
  if (const auto result = intercept(Call::kFtruncate)) return *result;
  return __real_ftruncate64(fd, length);
}
int __wrap_ioctl(int fd, unsigned long request, void* argument) {
  if (const auto result = intercept(Call::kIoctl)) return *result;
  return __real_ioctl(fd, request, argument);
}
int __wrap_mkdir(const char* path, mode_t mode) {
  if (const auto result = intercept(Call::kMkdir)) return *result;
  return __real_mkdir(path, mode);
}
void* __wrap_mmap64(void* at, size_t length, int protection, int flags, int fd, off_t offset) {
  if (intercept(Call::kMmap)) return MAP_FAILED;
  return __real_mmap64(at, length, protection, flags, fd, offset);
}
int __wrap_open64(const char* path, int flags, mode_t mode) {
  if (const auto result = intercept(Call::kOpen)) return *result;
  return __real_open64(path, flags, mode);
}
ssize_t __wrap_pwrite64(int fd, const void* bytes, size_t length, off_t offset) {
  if (const auto result = intercept(Call::kPwrite)) return *result;
  return __real_pwrite64(fd, bytes, length, offset);
}
int __wrap_rename(const char* from, const char* to) {
  if (const auto result = intercept(Call::kRename)) return *result;
  return __real_rename(from, to);
}
int __wrap_statx(int fd, const char* path, int flags, unsigned mask, struct statx* to) {
  if (const auto result = intercept(Call::kStatx)) return *result;
  return __real_statx(fd, path, flags, mask, to);
}
}
