// How much memory this process may use.
#pragma once

#include <cstdint>
#include <string>

namespace number_dispenser {

// In bytes: the machine's memory, or what its control group, or one above that, or RLIMIT_DATA
// leaves of it. Files that are not there limit nothing. `root`: of /proc and /sys, for tests.
uint64_t usable_memory_bytes(const std::string& root = "");

}  // namespace number_dispenser
