#include <fmt/format.h>
#include <isa-l/crc.h>
#include <sys/random.h>
#include <time.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "number_dispenser/base/check.h"
#include "number_dispenser/base/clock.h"
#include "number_dispenser/base/crc32c.h"
#include "number_dispenser/base/error.h"
#include "number_dispenser/base/random.h"

namespace number_dispenser {

void check_failed(const char* file, int line, const char* condition, std::string_view seen) {
  fmt::print(stderr, "number-dispenser: broken invariant at {}:{}: {}: {}\n", file, line, condition,
             seen);
  std::abort();
}

std::unexpected<Error> fail_errno(ExitStatus status, std::string_view what, int errno_value) {
  if (errno_value == EACCES || errno_value == EPERM || errno_value == EROFS)
    status = ExitStatus::kNoPermission;
  return fail(status, fmt::format("{}: {}", what, std::strerror(errno_value)));
}

uint64_t SystemClock::monotonic_ns() const {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

int64_t SystemClock::unix_us() const {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1'000'000 + now.tv_nsec / 1'000;
}

uint64_t RandomSource::next() {
  if (left_ == 0) {
    fill(std::as_writable_bytes(std::span(pool_)));
    left_ = pool_.size();
  }
  // A number that was drawn must not stay readable in memory.
  return std::exchange(pool_[--left_], 0);
}

uint64_t RandomSource::below(uint64_t limit) {
  ND_CHECK(limit > 0, "limit {}", limit);
  using Wide = unsigned __int128;
  Wide product = Wide{next()} * limit;
  if (static_cast<uint64_t>(product) < limit) {
    const uint64_t biased = (0 - limit) % limit;
    while (static_cast<uint64_t>(product) < biased) product = Wide{next()} * limit;
  }
  return static_cast<uint64_t>(product >> 64);
}

void KernelRandom::fill(std::span<std::byte> out) {
  // Up to 256 bytes are never cut short once the pool is initialised; larger reads and a signal
  // are.
  while (!out.empty()) {
    const ssize_t got = ::getrandom(out.data(), out.size(), 0);
    ND_CHECK(got > 0 || errno == EINTR, "getrandom: {}", std::strerror(errno));
    if (got > 0) out = out.subspan(static_cast<size_t>(got));
  }
}

uint32_t crc32c(std::span<const std::byte> bytes) {
  // isa-l takes a non-const pointer but only reads.
  auto* data = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(bytes.data()));
  return ~crc32_iscsi(data, static_cast<int>(bytes.size()), ~0U);
}

}  // namespace number_dispenser
