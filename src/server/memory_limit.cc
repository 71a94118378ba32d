#include "memory_limit.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace number_dispenser {
namespace {

// A number in a file; "max" is none.
uint64_t limit_in(const std::string& path) {
  uint64_t limit = 0;
  std::ifstream file(path);
  return file >> limit ? limit : UINT64_MAX;
}

// The least of `file` in the group and those above it, up to the mount. A container may see its own
// group as the mount and still be told the path from outside: then only the mount has the file.
uint64_t least_upwards(const std::string& mount, std::string group, const std::string& file) {
  uint64_t least = UINT64_MAX;
  for (;; group.resize(group.rfind('/'))) {
    least = std::min(least, limit_in(mount + group + file));
    if (group.find('/') == std::string::npos) return least;
  }
}

uint64_t group_limit(const std::string& root) {
  uint64_t least = UINT64_MAX;
  std::ifstream groups(root + "/proc/self/cgroup");
  // number:controllers:path; version 2 has the number 0 and no controllers.
  for (std::string line; std::getline(groups, line);) {
    const size_t slash = line.find('/');
    if (slash == std::string::npos) continue;
    std::string group = line.substr(slash);
    if (group == "/") group.clear();
    const std::string mount = root + "/sys/fs/cgroup";
    if (line.starts_with("0::"))
      least = std::min(least, least_upwards(mount, group, "/memory.max"));
    else if (line.find(":memory:") != std::string::npos)
      least = std::min(least, least_upwards(mount + "/memory", group, "/memory.limit_in_bytes"));
  }
  return least;
}

}  // namespace

uint64_t usable_memory_bytes(const std::string& root) {
  const uint64_t machine = static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                           static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  rlimit data{};
  const bool limited = ::getrlimit(RLIMIT_DATA, &data) == 0;
  return std::min({machine, group_limit(root), limited ? uint64_t{data.rlim_cur} : UINT64_MAX});
}

}  // namespace number_dispenser
