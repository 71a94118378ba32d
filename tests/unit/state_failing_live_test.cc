// Every system call of the live counters fails once, and what another start does just before it.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "failing_calls.h"
#include "number_dispenser/base/fd.h"
#include "number_dispenser/state/live.h"
#include "temporary_directory.h"

namespace number_dispenser {
namespace {

using testing_support::before_call;
using testing_support::Call;
using testing_support::fail_call;
using testing_support::stop_failing;
using testing_support::TemporaryDirectory;

class FailingLive : public testing::Test {
 protected:
  ~FailingLive() override { EXPECT_FALSE(stop_failing()) << "a failure was not met"; }

  static constexpr uint64_t kBytes = layout::live_bytes(1);
  layout::FileId id{7};
  // Named, as a run leaves it.
  void leave(uint64_t epoch) {
    LiveDirectory live(shm.path());
    ASSERT_TRUE(live.create(id, epoch, kBytes));
    live.drop_previous();
  }
  // What a start with this epoch says; empty where it goes on.
  std::string refusal(uint64_t epoch) {
    LiveDirectory live(shm.path());
    const auto counters = live.create(id, epoch, kBytes);
    if (counters) return "";
    EXPECT_FALSE(counters.error().message.empty());
    return counters.error().message;
  }
  // What it warns of.
  std::string warning(uint64_t epoch) {
    testing::internal::CaptureStderr();
    EXPECT_EQ(refusal(epoch), "");
    return testing::internal::GetCapturedStderr();
  }
  bool found(uint64_t epoch) {
    LiveDirectory live(shm.path());
    return !live.open_previous(id, epoch).empty();
  }
  std::string path(uint64_t epoch) {
    for (const auto& entry : std::filesystem::directory_iterator(shm.path()))
      if (entry.path().string().ends_with("-" + std::to_string(epoch) + ".live"))
        return entry.path();
    return "";
  }

  // The names of an epoch's counters, also where they are not there.
  std::string name(uint64_t epoch) {
    std::string digits;
    for (const uint8_t byte : id) digits += fmt::format("{:02x}", byte);
    return fmt::format("{}/number-dispenser-{}-{}.live", shm.path(), digits, epoch);
  }
  static Fd lock(const std::string& path) {
    Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    struct flock lock {};
    lock.l_type = F_WRLCK;
    EXPECT_EQ(::fcntl(fd.get(), F_OFD_SETLK, &lock), 0) << path;
    return fd;
  }

  TemporaryDirectory shm{"/dev/shm"};
  static constexpr std::string_view kInUse = "another number-dispenser runs with a copy";
};

TEST_F(FailingLive, CountersThatCannotBeLookedAtAreNotTrusted) {
  leave(1);
  ASSERT_TRUE(found(1));
  fail_call(Call::kFstat, EIO);
  EXPECT_FALSE(found(1));
  fail_call(Call::kFstat, EIO, 1);
  EXPECT_FALSE(found(1));
  fail_call(Call::kFstat, EIO, 2);
  EXPECT_FALSE(found(1));
  fail_call(Call::kFstatfs, EIO);
  EXPECT_FALSE(found(1));
  fail_call(Call::kMmap, ENOMEM);
  EXPECT_FALSE(found(1));
  EXPECT_TRUE(found(1));
}

TEST_F(FailingLive, CountersOfAnotherOwnerOrOpenToOthersOrNoFileAreNotTrusted) {
  leave(1);
  ASSERT_EQ(::chmod(path(1).c_str(), 0644), 0);
  EXPECT_FALSE(found(1));
  ASSERT_EQ(::chmod(path(1).c_str(), 0600), 0);
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(path(1).c_str(), 65534, 65534), 0);
    EXPECT_FALSE(found(1));
  }
  const std::string name = path(1);
  std::filesystem::remove(name);
  std::filesystem::create_directory(name);
  EXPECT_FALSE(found(1));
}

TEST_F(FailingLive, CountersWithAnotherHeaderAreNotTrusted) {
  leave(1);
  const std::string name = path(1);
  for (const uint64_t offset :
       {offsetof(layout::LiveHeader, magic), offsetof(layout::LiveHeader, id),
        offsetof(layout::LiveHeader, epoch)}) {
    std::fstream file(name, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(offset));
    const char old = static_cast<char>(file.get());
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(static_cast<char>(old ^ 1)).flush();
    EXPECT_FALSE(found(1)) << offset;
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(old).flush();
  }
  EXPECT_TRUE(found(1));
}

TEST_F(FailingLive, CountersThatCannotGetTheirNameAreFoundUnderTheFirst) {
  fail_call(Call::kRename, EIO);
  leave(3);
  EXPECT_EQ(path(3), "");
  EXPECT_TRUE(found(3));
}

TEST_F(FailingLive, WithoutAFileThereIsNothingToNameOrRemove) {
  LiveDirectory live("/dev/shm/number-dispenser-test-that-is-not-there");
  std::byte* counters = live.create(id, 1, kBytes).value();
  counters[kBytes - 1] = std::byte{1};
  live.extend(kBytes);
  live.drop_previous();
  live.drop_current();
}

TEST_F(FailingLive, WithoutAddressSpaceAStartIsRefused) {
  fail_call(Call::kMmap, ENOMEM);
  EXPECT_NE(refusal(1).find("raise its limit"), std::string::npos);
  EXPECT_TRUE(std::filesystem::is_empty(shm.path()));
}

TEST_F(FailingLive, WhetherCountersThatCannotBeOpenedAreOfARunningServerIsNotKnown) {
  leave(7);
  fail_call(Call::kOpen, EACCES, 2);
  EXPECT_NE(warning(1).find(name(7) + ", cannot be opened"), std::string::npos);
  EXPECT_EQ(warning(2), "");
}

TEST_F(FailingLive, CountersThatGoWhileTheyAreLookedForAreOfNoRunningServer) {
  leave(7);
  before_call(
      Call::kOpen, [&] { std::filesystem::remove(name(7)); }, 2);
  EXPECT_EQ(warning(1), "");
}

TEST_F(FailingLive, OnlyWhatIsLockedIsRemoved) {
  leave(1);
  LiveDirectory live(shm.path());
  ASSERT_TRUE(live.create(id, 2, kBytes));
  fail_call(Call::kFcntl, ENOLCK);
  live.drop_previous();
  EXPECT_NE(path(1), "");
}

TEST_F(FailingLive, NewerCountersThatCannotBeRemovedAreSaid) {
  leave(7);
  LiveDirectory live(shm.path());
  ASSERT_TRUE(live.create(id, 1, kBytes));
  fail_call(Call::kOpen, EACCES);
  testing::internal::CaptureStderr();
  live.drop_newer();
  EXPECT_NE(testing::internal::GetCapturedStderr().find(name(7) + " cannot be removed"),
            std::string::npos);
  live.drop_newer();
  EXPECT_EQ(path(7), "");
}

TEST_F(FailingLive, CountersThatCannotBeLockedAreNotUsed) {
  fail_call(Call::kFcntl, ENOLCK);
  EXPECT_NE(warning(1).find("no live counters"), std::string::npos);
  EXPECT_TRUE(std::filesystem::is_empty(shm.path()));
}

TEST_F(FailingLive, WhatIsNotAFileUnderTheNameIsNoRunningServer) {
  std::filesystem::create_directory(name(1) + ".new");
  EXPECT_NE(warning(1).find("no live counters"), std::string::npos);
}

TEST_F(FailingLive, AnothersFileUnderTheNameIsNoRunningServer) {
  if (::geteuid() != 0) GTEST_SKIP() << "cannot give a file away";
  const std::string anothers = name(1) + ".new";
  std::ofstream(anothers).close();
  ASSERT_EQ(::chown(anothers.c_str(), 65534, 65534), 0);
  ASSERT_EQ(::chmod(anothers.c_str(), 0666), 0);
  EXPECT_NE(warning(1).find("no live counters"), std::string::npos);
  // One that only its owner can lock may be a server's.
  ASSERT_EQ(::chmod(anothers.c_str(), 0600), 0);
  fail_call(Call::kOpen, EACCES);
  EXPECT_NE(refusal(1).find(kInUse), std::string::npos);
}

TEST_F(FailingLive, AFileThatAnybodyMayLockIsNoRunningServer) {
  if (::geteuid() != 0) GTEST_SKIP() << "cannot give a file away";
  const std::string open_to_all = name(1);
  const Fd locked = lock(open_to_all);
  EXPECT_NE(refusal(2).find(kInUse), std::string::npos);
  ASSERT_EQ(::chown(open_to_all.c_str(), 65534, 65534), 0);
  ASSERT_EQ(::chmod(open_to_all.c_str(), 0666), 0);
  EXPECT_EQ(refusal(2), "");
}

// What another start does in between.
TEST_F(FailingLive, AStartWhoseFileIsMadeByAnotherIsRefused) {
  before_call(
      Call::kOpen, [&] { std::ofstream(name(1) + ".new").close(); }, 1);
  EXPECT_NE(refusal(1).find(kInUse), std::string::npos);
  // Nor can it be opened.
  fail_call(Call::kOpen, EEXIST, 0, 3);
  EXPECT_NE(refusal(1).find(kInUse), std::string::npos);
}

TEST_F(FailingLive, AStartWhoseFileIsMadeByAnotherThatIsGoneAgainIsRefused) {
  fail_call(Call::kOpen, EEXIST, 1);
  EXPECT_NE(refusal(1).find(kInUse), std::string::npos);
}

TEST_F(FailingLive, AStartWhoseFileIsLockedByAnotherIsRefused) {
  Fd other;
  before_call(Call::kFcntl, [&] { other = lock(name(1) + ".new"); });
  EXPECT_NE(refusal(1).find(kInUse), std::string::npos);
  EXPECT_TRUE(std::filesystem::exists(name(1) + ".new")) << "it is the other one's now";
}

TEST_F(FailingLive, AFileThatIsMadeAndLockedWhereThereWasNoneLeftOverIsNotRemoved) {
  const Fd other = lock(name(1) + ".new");
  fail_call(Call::kOpen, ENOENT);
  EXPECT_NE(refusal(1).find(kInUse), std::string::npos);
  EXPECT_TRUE(std::filesystem::exists(name(1) + ".new")) << "it is the other one's";
}

TEST_F(FailingLive, AStartWhoseFileIsRemovedByAnotherIsRefused) {
  before_call(Call::kFcntl, [&] { std::filesystem::remove(name(1) + ".new"); });
  EXPECT_NE(refusal(1).find(kInUse), std::string::npos);
}

TEST_F(FailingLive, AFileThatHasTakenTheNameOfARemovedOneIsNotRemoved) {
  leave(1);
  const auto drop_previous = [&](Call call, const std::function<void()>& other, unsigned passed) {
    LiveDirectory live(shm.path());
    ASSERT_TRUE(live.create(id, 2, kBytes));
    other ? before_call(call, other, passed) : fail_call(call, EIO, passed);
    live.drop_previous();
    EXPECT_TRUE(std::filesystem::exists(name(1)));
    live.drop_current();
  };
  drop_previous(
      Call::kFcntl,
      [&] {
        std::filesystem::remove(name(1));
        std::ofstream(name(1)).close();
      },
      0);
  // Nor where that cannot be told.
  drop_previous(Call::kFstat, nullptr, 1);
}

}  // namespace
}  // namespace number_dispenser
