#include "memory_use.h"

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace number_dispenser {
namespace {

uint64_t page_bytes() {
  return static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

uint64_t resident_bytes() {
  unsigned long pages_total = 0;
  unsigned long pages = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "re")) {
    if (std::fscanf(file, "%lu %lu", &pages_total, &pages) != 2) pages = 0;
    std::fclose(file);
  }
  return pages * page_bytes();
}

}  // namespace

MemoryUse memory_use() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const struct mallinfo2 heap = ::mallinfo2();
  const uint64_t resident = resident_bytes();
  // The kernel keeps the peak less exactly than what is resident now.
  return {.resident_bytes = resident,
          .peak_bytes = std::max(resident, static_cast<uint64_t>(usage.ru_maxrss) * 1024),
          .heap_bytes = heap.uordblks + heap.hblkhd,
          .arena_bytes = heap.arena + heap.hblkhd};
}

uint64_t system_memory_bytes() {
  return static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) * page_bytes();
}

}  // namespace number_dispenser
