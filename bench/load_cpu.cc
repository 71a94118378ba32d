#include "load_cpu.h"

#include <time.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace number_dispenser::bench {
namespace {

uint64_t clock_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace

std::expected<ThreadTimes, std::string> read_thread_times(pid_t pid) {
  // The kernel brings a running thread's figure up to date at each tick only, up to 10 ms late.
  // Asking for the process's CPU clock makes it do so now.
  clockid_t clock{};
  if (clock_getcpuclockid(pid, &clock) == 0) clock_ns(clock);

  ThreadTimes times;
  std::error_code error;
  const std::filesystem::path tasks = "/proc/" + std::to_string(pid) + "/task";
  for (std::filesystem::directory_iterator entry(tasks, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename();
    pid_t thread = 0;
    std::from_chars(name.data(), name.data() + name.size(), thread);
    CpuTime time;
    std::ifstream file(entry->path() / "schedstat");
    if (file >> time.run_ns >> time.wait_ns) times[thread] = time;  // else it has just ended
  }
  if (times.empty()) {
    return std::unexpected("no thread times of process " + std::to_string(pid) + " in " +
                           tasks.string());
  }
  return times;
}

CpuTime time_between(const ThreadTimes& start, const ThreadTimes& end) {
  CpuTime sum;
  for (const auto& [thread, time] : end) {
    const auto before = start.find(thread);
    const CpuTime base = before == start.end() ? CpuTime{} : before->second;
    sum.run_ns += time.run_ns - base.run_ns;
    sum.wait_ns += time.wait_ns - base.wait_ns;
  }
  return sum;
}

uint64_t own_cpu_ns() {
  return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

}  // namespace number_dispenser::bench
