// Which live counters are believed, on the real /dev/shm.
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <optional>

#include "number_dispenser/base/random.h"
#include "number_dispenser/state/live.h"
#include "small_mount.h"
#include "temporary_directory.h"

namespace number_dispenser {
namespace {

using testing_support::SmallMount;
using testing_support::TemporaryDirectory;

bool is_tmpfs(const std::string& path) {
  struct statfs where {};
  return ::statfs(path.c_str(), &where) == 0 && where.f_type == TMPFS_MAGIC;
}

template <class Run>
std::string logged(Run run) {
  testing::internal::CaptureStderr();
  run();
  return testing::internal::GetCapturedStderr();
}

class LiveDirectoryTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!is_tmpfs(folder.path())) GTEST_SKIP() << "/dev/shm is no tmpfs";
    random.fill(std::as_writable_bytes(std::span(id)));
  }
  layout::LiveSlot& slot(std::byte* base, size_t number) {
    return reinterpret_cast<layout::LiveSlot*>(base + sizeof(layout::LiveHeader))[number];
  }
  // A run that was killed: one counter stands at `next`.
  void leave_counters(uint64_t epoch, uint64_t next) {
    LiveDirectory live(folder.path());
    slot(live.create(id, epoch, kBytes).value(), 3).next = next;
    live.drop_previous();  // its epoch is durable
  }
  // The counter that a new run reads; nothing where it believes none.
  std::optional<uint64_t> read_back(uint64_t epoch) {
    LiveDirectory live(folder.path());
    const auto found = live.open_previous(id, epoch);
    if (found.empty()) return std::nullopt;
    layout::LiveSlot slot;
    std::memcpy(&slot, found.data() + sizeof(layout::LiveHeader) + 3 * sizeof slot, sizeof slot);
    return slot.next;
  }
  std::string only_file() const {
    for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
      return entry.path();
    return "";
  }
  size_t files() const {
    return static_cast<size_t>(
        std::distance(std::filesystem::directory_iterator(folder.path()), {}));
  }

  static constexpr uint64_t kBytes = layout::live_bytes(1);
  TemporaryDirectory folder{"/dev/shm"};
  KernelRandom random;
  layout::FileId id{};
};

TEST_F(LiveDirectoryTest, AKilledRunsCountersAreReadBack) {
  leave_counters(4, 77);
  EXPECT_EQ(read_back(4), 77U);
  struct stat found {};
  ASSERT_EQ(::stat(only_file().c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600U);
  EXPECT_GE(static_cast<uint64_t>(found.st_blocks) * 512, kBytes) << "allocated before use";
}

TEST_F(LiveDirectoryTest, AnotherEpochOrAnotherIdIsNotBelieved) {
  leave_counters(4, 77);
  EXPECT_EQ(read_back(3), std::nullopt);
  EXPECT_EQ(read_back(5), std::nullopt);
  id[0] ^= 1;
  EXPECT_EQ(read_back(4), std::nullopt);
}

TEST_F(LiveDirectoryTest, AFileUnderAnotherRunsNameIsNotBelieved) {
  leave_counters(4, 77);
  std::string renamed = only_file();
  renamed.replace(renamed.rfind("-4.live"), 7, "-5.live");
  std::filesystem::rename(only_file(), renamed);
  EXPECT_EQ(read_back(5), std::nullopt);
}

TEST_F(LiveDirectoryTest, AFileThatOthersMayWriteOrOwnIsNotBelieved) {
  leave_counters(4, 77);
  ASSERT_EQ(::chmod(only_file().c_str(), 0620), 0);
  EXPECT_EQ(read_back(4), std::nullopt);
  ASSERT_EQ(::chmod(only_file().c_str(), 0600), 0);
  EXPECT_EQ(read_back(4), 77U);
  if (::geteuid() != 0) GTEST_SKIP() << "cannot give a file away";
  ASSERT_EQ(::chown(only_file().c_str(), 12345, 12345), 0);
  EXPECT_EQ(read_back(4), std::nullopt);
}

TEST_F(LiveDirectoryTest, ALinkAndATruncatedFileAreNotBelieved) {
  leave_counters(4, 77);
  const std::string path = only_file();
  std::filesystem::rename(path, path + ".away");
  std::filesystem::create_symlink(path + ".away", path);
  EXPECT_EQ(read_back(4), std::nullopt);
  std::filesystem::remove(path);
  std::filesystem::rename(path + ".away", path);
  ASSERT_EQ(::truncate(path.c_str(), 63), 0);
  EXPECT_EQ(read_back(4), std::nullopt);
}

TEST_F(LiveDirectoryTest, APipeIsNotBelievedNorWaitedFor) {
  leave_counters(4, 77);
  const std::string path = only_file();
  std::filesystem::remove(path);
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(read_back(4), std::nullopt);
  std::filesystem::rename(path, path + ".new");
  EXPECT_EQ(read_back(4), std::nullopt);
}

TEST_F(LiveDirectoryTest, ARealDiskIsNotBelievedAndNotUsed) {
  const TemporaryDirectory disk;
  if (is_tmpfs(disk.path())) GTEST_SKIP() << "the temporary directory is a tmpfs";
  LiveDirectory live(disk.path());
  std::byte* base = nullptr;
  const std::string log = logged([&] { base = live.create(id, 1, kBytes).value(); });
  EXPECT_NE(log.find("is not on a tmpfs"), std::string::npos) << log;
  EXPECT_NE(log.find("SIGKILL will cost"), std::string::npos) << log;
  slot(base, 63).next = 1;  // plain memory serves
  EXPECT_TRUE(std::filesystem::is_empty(disk.path()));
}

TEST_F(LiveDirectoryTest, AMissingFolderIsAWarningAndARunOnPlainMemory) {
  LiveDirectory live(folder.path() + "/missing");
  std::byte* base = nullptr;
  EXPECT_NE(logged([&] { base = live.create(id, 1, kBytes).value(); }).find("no live counters"),
            std::string::npos);
  slot(base, 0).next = 1;
  EXPECT_FALSE(live.newer_exists(id, 0));
}

TEST_F(LiveDirectoryTest, GrowingKeepsTheCountersInPlace) {
  {
    LiveDirectory live(folder.path());
    std::byte* const base = live.create(id, 1, kBytes).value();
    slot(base, 3).next = 5;
    live.extend(layout::live_bytes(40));
    EXPECT_EQ(slot(base, 3).next, 5U);
    slot(base, 40 * 64 - 1).next = 6;
  }
  LiveDirectory live(folder.path());
  const auto found = live.open_previous(id, 1);
  ASSERT_GE(found.size(), layout::live_bytes(40));
  layout::LiveSlot last;
  std::memcpy(&last, found.data() + layout::live_bytes(40) - sizeof last, sizeof last);
  EXPECT_EQ(last.next, 6U);
  EXPECT_EQ(read_back(1), 5U);
}

TEST_F(LiveDirectoryTest, AFullTmpfsIsAWarningAndNeverASignal) {
  const SmallMount full(8);
  if (!full.mounted()) GTEST_SKIP() << "may not mount a tmpfs";
  LiveDirectory live(full.path());
  std::byte* base = nullptr;
  EXPECT_NE(logged([&] {
              base = live.create(id, 1, layout::live_bytes(16)).value();
            }).find("no live counters"),
            std::string::npos);
  for (size_t number = 0; number < 16 * 64; ++number) slot(base, number).next = number;
}

TEST_F(LiveDirectoryTest, ATmpfsThatFillsUpLaterKeepsTheFirstCountersAndWarns) {
  const SmallMount small(16);
  if (!small.mounted()) GTEST_SKIP() << "may not mount a tmpfs";
  {
    LiveDirectory live(small.path());
    std::byte* const base = live.create(id, 1, kBytes).value();
    slot(base, 3).next = 5;
    EXPECT_NE(
        logged([&] { live.extend(layout::live_bytes(64)); }).find("no room for more live counters"),
        std::string::npos);
    for (size_t number = 128; number < 64 * 64; ++number) slot(base, number).next = number;
    live.drop_previous();
  }
  LiveDirectory live(small.path());
  const auto found = live.open_previous(id, 1);
  ASSERT_GE(found.size(), kBytes);
  layout::LiveSlot kept;
  std::memcpy(&kept, found.data() + sizeof(layout::LiveHeader) + 3 * sizeof kept, sizeof kept);
  EXPECT_EQ(kept.next, 5U);
}

TEST_F(LiveDirectoryTest, TheyGrowToTheLargestSizeThereIs) {
  const SmallMount small(16);
  if (!small.mounted()) GTEST_SKIP() << "may not mount a tmpfs";
  LiveDirectory live(small.path());
  std::byte* const base = live.create(id, 1, kBytes).value();
  logged([&] { live.extend(layout::live_bytes(layout::kMaxExtents)); });
  slot(base, layout::kMaxExtents * layout::kSlotsPerExtent - 1).next = 7;
}

TEST_F(LiveDirectoryTest, NewerCountersAreSeen) {
  leave_counters(7, 1);
  LiveDirectory live(folder.path());
  EXPECT_TRUE(live.newer_exists(id, 6));
  EXPECT_FALSE(live.newer_exists(id, 7));
  id[5] ^= 1;
  EXPECT_FALSE(live.newer_exists(id, 0)) << "of another state file";
  id[5] ^= 1;
}

TEST_F(LiveDirectoryTest, WhatNoServerCanHaveMadeIsNoNewerRun) {
  leave_counters(7, 1);
  LiveDirectory live(folder.path());
  const std::string name = only_file();
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(name.c_str(), 65534, 65534), 0);
    EXPECT_TRUE(live.newer_exists(id, 6)) << "it ran as another user";
  }
  std::filesystem::remove(name);
  ASSERT_EQ(::mkfifo(name.c_str(), 0600), 0);
  EXPECT_FALSE(live.newer_exists(id, 6)) << "no file";
}

TEST_F(LiveDirectoryTest, AStartThatDidNotFinishIsNoNewerRun) {
  leave_counters(7, 1);
  ASSERT_TRUE(LiveDirectory(folder.path()).create(id, 8, kBytes));
  EXPECT_EQ(files(), 2U);
  EXPECT_FALSE(LiveDirectory(folder.path()).newer_exists(id, 7));
  EXPECT_EQ(read_back(7), 1U);
}

TEST_F(LiveDirectoryTest, ARunKilledBeforeItsFileWasNamedIsReadBackByItsEpoch) {
  {
    LiveDirectory live(folder.path());
    slot(live.create(id, 8, kBytes).value(), 3).next = 9;
  }
  EXPECT_EQ(read_back(8), 9U);
  EXPECT_EQ(read_back(7), std::nullopt);
}

TEST_F(LiveDirectoryTest, OldCountersGoWhenTheyAreNotNeeded) {
  leave_counters(1, 5);
  LiveDirectory live(folder.path());
  live.open_previous(id, 1);
  ASSERT_TRUE(live.create(id, 2, kBytes));
  EXPECT_EQ(files(), 2U);
  live.drop_previous();
  EXPECT_EQ(files(), 1U);
  live.drop_current();
  EXPECT_EQ(files(), 0U);
}

TEST_F(LiveDirectoryTest, AStartDropsWhatEarlierOnesThatWereKilledHaveLeft) {
  const auto exists = [&](const std::string& name) {
    return std::filesystem::exists(folder.path() + "/" + name);
  };
  leave_counters(7, 1);
  const std::string seven = std::filesystem::path(only_file()).filename();
  const std::string prefix = seven.substr(0, seven.size() - std::string("7.live").size());
  for (const char* name : {"3.live", "4.live.new", "9.live", "3.liver"})
    std::filesystem::copy_file(folder.path() + "/" + seven, folder.path() + "/" + prefix + name);
  leave_counters(8, 2);
  EXPECT_FALSE(exists(seven));
  EXPECT_FALSE(exists(prefix + "3.live"));
  EXPECT_FALSE(exists(prefix + "4.live.new"));
  EXPECT_TRUE(exists(prefix + "8.live"));
  EXPECT_TRUE(exists(prefix + "9.live")) << "tells that the state file is an older copy";
  EXPECT_TRUE(exists(prefix + "3.liver")) << "not ours";
}

}  // namespace
}  // namespace number_dispenser
