// What the kernel and the allocator say of this process.
#pragma once

#include <cstdint>

namespace number_dispenser {

struct MemoryUse {
  uint64_t resident_bytes = 0;
  uint64_t peak_bytes = 0;   // resident, ever
  uint64_t heap_bytes = 0;   // allocated
  uint64_t arena_bytes = 0;  // taken from the kernel for that
};
MemoryUse memory_use();

uint64_t system_memory_bytes();

}  // namespace number_dispenser
