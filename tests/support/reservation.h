// Zeroed memory at an address of its own that takes up no room until it is stored into. Owns the
// mapping.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

#include "number_dispenser/base/check.h"

namespace number_dispenser::testing_support {

class Reservation {
 public:
  explicit Reservation(uint64_t bytes) : bytes_(bytes) {
    void* mapped = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ND_CHECK(mapped != MAP_FAILED, "mmap of {} bytes", bytes);
    data_ = static_cast<std::byte*>(mapped);
  }
  ~Reservation() { ::munmap(data_, bytes_); }
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;

  std::byte* data() const { return data_; }
  uint64_t bytes() const { return bytes_; }

 private:
  std::byte* data_ = nullptr;
  uint64_t bytes_;
};

}  // namespace number_dispenser::testing_support
