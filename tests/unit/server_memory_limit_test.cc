#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "../../src/server/memory_limit.h"
#include "temporary_directory.h"

namespace number_dispenser {
namespace {

using testing_support::TemporaryDirectory;

class MemoryLimitTest : public testing::Test {
 protected:
  void write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = directory_.path() + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  uint64_t usable() { return usable_memory_bytes(directory_.path()); }

  TemporaryDirectory directory_;
};

TEST_F(MemoryLimitTest, WithoutGroupsTheMachineIsTheLimit) {
  EXPECT_GT(usable(), 64u << 20);
}

TEST_F(MemoryLimitTest, TheLeastOfAGroupAndThoseAboveItCounts) {
  write("/proc/self/cgroup", "0::/a/b/c\n");
  write("/sys/fs/cgroup/a/memory.max", "5000\n");
  write("/sys/fs/cgroup/a/b/memory.max", "4000\n");
  write("/sys/fs/cgroup/a/b/c/memory.max", "max\n");
  EXPECT_EQ(usable(), 4000u);
}

TEST_F(MemoryLimitTest, InAContainerTheMountItselfIsTheGroup) {
  write("/proc/self/cgroup", "0::/../elsewhere\n");
  write("/sys/fs/cgroup/memory.max", "6000\n");
  EXPECT_EQ(usable(), 6000u);
}

TEST_F(MemoryLimitTest, VersionOneHasAMountOfItsOwn) {
  write("/proc/self/cgroup", "5:devices:/x\n4:memory:/x/y\n0::/\n");
  write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  write("/sys/fs/cgroup/memory/x/y/memory.limit_in_bytes", "7000\n");
  EXPECT_EQ(usable(), 7000u);
}

}  // namespace
}  // namespace number_dispenser
