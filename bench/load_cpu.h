// CPU time that a process and its threads have used.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <expected>
#include <map>
#include <string>

namespace number_dispenser::bench {

struct CpuTime {
  uint64_t run_ns = 0;   ///< on a CPU, in user space or in the kernel
  uint64_t wait_ns = 0;  ///< runnable, but another thread had the CPU
};

/// CPU time of each thread of a process since the thread began. io_uring workers are threads of
/// their process; kernel threads (the journal's, the disk's) are not.
using ThreadTimes = std::map<pid_t, CpuTime>;

/// Reads /proc/PID/task/*/schedstat. The error says which process could not be read.
std::expected<ThreadTimes, std::string> read_thread_times(pid_t pid);

/// What all threads used between two readings. A thread that ended in between counts as nothing.
CpuTime time_between(const ThreadTimes& start, const ThreadTimes& end);

/// CPU time of this process, in nanoseconds.
uint64_t own_cpu_ns();

}  // namespace number_dispenser::bench
