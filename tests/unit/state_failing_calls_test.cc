// Every system call of the state file fails once: what is said, and that the next try works.
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "failing_calls.h"
#include "file_ring.h"
#include "memory_live.h"
#include "number_dispenser/state/file_storage.h"
#include "number_dispenser/state/state_file.h"
#include "seeded_random.h"
#include "temporary_directory.h"

namespace number_dispenser {
namespace {

using testing_support::Call;
using testing_support::fail_call;
using testing_support::FileRing;
using testing_support::MemoryLive;
using testing_support::SeededRandom;
using testing_support::show_file_system;
using testing_support::stop_failing;
using testing_support::TemporaryDirectory;

class FailingCalls : public testing::Test {
 protected:
  ~FailingCalls() override { EXPECT_FALSE(stop_failing()) << "a failure was not met"; }

  auto open(const std::string& path) { return FileStorage::open(path, initial); }
  // The error's text; empty where it opens.
  std::string refusal(const std::string& path) {
    const auto opened = open(path);
    return opened ? "" : opened.error().message;
  }
  void expect_refusal(const std::string& path, std::string_view part) {
    const std::string text = refusal(path);
    EXPECT_NE(text.find(part), std::string::npos) << "'" << text << "' says nothing of " << part;
    EXPECT_FALSE(stop_failing()) << "a failure was not met";
    EXPECT_EQ(refusal(path), "") << "the next try fails as well";
  }

  TemporaryDirectory directory;
  const std::string data = directory.path() + "/one/two";
  SeededRandom random{1};
  const std::vector<std::byte> initial = StateFile::fresh_file(random);
};

TEST_F(FailingCalls, ADirectoryThatCannotBeMadeIsNamed) {
  fail_call(Call::kMkdir, EACCES, 2);
  expect_refusal(data, "cannot create the data directory");
}

TEST_F(FailingCalls, ADirectoryWhoseParentCannotBeFlushedIsRefused) {
  fail_call(Call::kFsync, EIO);
  expect_refusal(data, "cannot flush the directory");
}

TEST_F(FailingCalls, ADirectoryThatCannotBeOpenedForItsFlushIsRefused) {
  fail_call(Call::kOpen, EMFILE);
  expect_refusal(data, "cannot flush the directory");
}

TEST_F(FailingCalls, ANameWithoutAFolderIsInTheCurrentOne) {
  const std::string before = std::filesystem::current_path();
  std::filesystem::current_path(directory.path());
  EXPECT_EQ(refusal("here"), "");
  std::filesystem::current_path(before);
  EXPECT_TRUE(std::filesystem::exists(directory.path() + "/here/dispensers.state"));
}

TEST_F(FailingCalls, AFolderOfTheRootIsFlushedThere) {
  // As if it had been made: the lock is then not to be had.
  fail_call(Call::kMkdir, 0);
  EXPECT_NE(refusal("/number-dispenser-test-that-is-not-there").find("cannot write"),
            std::string::npos);
}

TEST_F(FailingCalls, ALockFileThatCannotBeOpenedIsNamed) {
  ASSERT_EQ(refusal(data), "");
  fail_call(Call::kOpen, EACCES);
  expect_refusal(data, "cannot write");
}

TEST_F(FailingCalls, ALockThatTheFileSystemRefusesIsNoOtherServer) {
  fail_call(Call::kFcntl, ENOLCK);
  expect_refusal(data, "cannot lock");
  fail_call(Call::kFcntl, ENOLCK, 1);
  expect_refusal(data, "dispensers.state");
}

TEST_F(FailingCalls, ALockThatIsHeldForAMomentIsWaitedFor) {
  fail_call(Call::kFcntl, EACCES);
  EXPECT_EQ(refusal(data), "");
}

TEST_F(FailingCalls, AStateFileThatCannotBeMadeIsNamed) {
  ASSERT_EQ(::mkdir((directory.path() + "/made").c_str(), 0700), 0);
  const std::string made = directory.path() + "/made";
  fail_call(Call::kOpen, ENOSPC, 2);
  expect_refusal(made, "cannot create");
}

TEST_F(FailingCalls, AStateFileThatCannotBeWrittenOrFlushedOrNamedIsRefused) {
  fail_call(Call::kPwrite, ENOSPC);
  expect_refusal(data, "write");
  fail_call(Call::kFsync, EIO, 2);
  expect_refusal(directory.path() + "/three/four", "cannot flush");
  fail_call(Call::kRename, EIO);
  expect_refusal(directory.path() + "/five", "cannot rename");
  fail_call(Call::kFsync, EIO, 2);
  expect_refusal(directory.path() + "/six", "cannot flush the directory");
  fail_call(Call::kFsync, EIO);
  expect_refusal(directory.path() + "/six", "cannot flush the directory");
}

TEST_F(FailingCalls, AnInterruptedWriteGoesOn) {
  fail_call(Call::kPwrite, EINTR);
  EXPECT_EQ(refusal(data), "");
}

TEST_F(FailingCalls, FileSystemsOfAnotherKindAreOnlyWarnedOf) {
  for (const long type : {long{BTRFS_SUPER_MAGIC}, long{NFS_SUPER_MAGIC}, long{TMPFS_MAGIC}}) {
    show_file_system(type);
    EXPECT_EQ(refusal(directory.path() + "/" + std::to_string(type)), "");
  }
  show_file_system(BTRFS_SUPER_MAGIC);
  fail_call(Call::kIoctl, 0);
  EXPECT_EQ(refusal(directory.path() + "/switched"), "");
  fail_call(Call::kIoctl, ENOTTY);
  EXPECT_EQ(refusal(directory.path() + "/not-switched"), "");
  fail_call(Call::kFstatfs, EIO);
  EXPECT_EQ(refusal(directory.path() + "/unknown"), "");
  fail_call(Call::kFstatfs, EIO);
  EXPECT_EQ(refusal(directory.path() + "/unknown"), "");
}

TEST_F(FailingCalls, AStateFileThatCannotBeOpenedIsNamed) {
  ASSERT_EQ(refusal(data), "");
  fail_call(Call::kOpen, EMFILE, 1);
  expect_refusal(data, "cannot open");
  fail_call(Call::kOpen, EMFILE, 2);
  expect_refusal(data, "cannot open");
  fail_call(Call::kFstat, EIO);
  expect_refusal(data, "cannot open");
}

TEST_F(FailingCalls, AStateFileThatIsAPipeIsRefused) {
  ASSERT_EQ(::mkfifo((directory.path() + "/dispensers.state").c_str(), 0600), 0);
  EXPECT_NE(refusal(directory.path()).find("not a regular file"), std::string::npos);
}

TEST_F(FailingCalls, AnEmptyStateFileIsOpenedForTheScanToRefuse) {
  std::ofstream(directory.path() + "/dispensers.state").close();
  const auto opened = open(directory.path());
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ((*opened)->size(), 0U);
}

TEST_F(FailingCalls, AddressSpaceThatIsNotThereIsAnError) {
  fail_call(Call::kMmap, ENOMEM);
  expect_refusal(data, "cannot reserve");
  fail_call(Call::kMmap, ENOMEM, 1);
  expect_refusal(data, "cannot map");
}

TEST_F(FailingCalls, ABlockingFlushThatFailsIsAnError) {
  const auto opened = open(data);
  ASSERT_TRUE(opened.has_value());
  fail_call(Call::kFdatasync, EIO);
  EXPECT_FALSE((*opened)->flush_now().has_value());
  EXPECT_TRUE((*opened)->flush_now().has_value());
}

TEST_F(FailingCalls, AStartOrAStopWhoseFlushFailsIsAnErrorAndTheNextStartWorks) {
  const auto storage = std::move(*open(data));
  ManualClock clock;
  MemoryLive live;
  const auto start = [&] { return StateFile::open(*storage, live, clock, "dispensers.state"); };
  fail_call(Call::kFdatasync, EIO);
  EXPECT_FALSE(start().has_value());
  for (const unsigned good : {0u, 1u}) {
    const auto state = start();
    ASSERT_TRUE(state.has_value()) << state.error().message;
    fail_call(Call::kFdatasync, EIO, good);
    EXPECT_FALSE((*state)->close().has_value());
  }
  EXPECT_TRUE(start().has_value());
}

// What the place is made of may be missing: the rest still tells.
TEST_F(FailingCalls, APlaceIsMadeOfWhatIsThere) {
  const auto place = [&] { return (*open(data))->place(); };
  const uint64_t whole = place();
  EXPECT_EQ(place(), whole);
  constexpr unsigned kOpensBefore = 4;  // the lock, the state file twice, the folder
  fail_call(Call::kOpen, ENOENT, kOpensBefore);
  EXPECT_NE(place(), 0U);
  fail_call(Call::kOpen, ENOENT, kOpensBefore, 2);
  EXPECT_NE(place(), whole) << "of any machine";
  fail_call(Call::kStatx, EPERM);
  const uint64_t without_birth = place();
  EXPECT_NE(without_birth, 0U);
  fail_call(Call::kStatx, 0);  // a file system without times of birth
  EXPECT_EQ(place(), without_birth);
  EXPECT_EQ(place(), whole);
}

TEST_F(FailingCalls, OnBtrfsTheSubvolumeIsAPartOfThePlace) {
  const auto place = [&] { return (*open(data))->place(); };
  const uint64_t whole = place();
  show_file_system(BTRFS_SUPER_MAGIC);
  EXPECT_NE(place(), whole);
  fail_call(Call::kFstatfs, EIO, 1);  // after the one for the warnings
  EXPECT_EQ(place(), whole);
}

class FailingGrowth : public FailingCalls {
 protected:
  struct Result final : Operation {
    void on_completion(const Completion& completion) override { result = completion.result; }
    std::optional<int> result;
  };

  // The growth's result, with whatever was told to fail.
  int grow() {
    auto storage = std::move(*open(data));
    storage->attach(ring);
    Result result;
    storage->start_growth(result, storage->size() + layout::kExtentBytes);
    for (int steps = 0; steps < 16 && !result.result; ++steps) ring.run_once(0);
    return result.result.value_or(1);
  }

  FileRing ring;
};

TEST_F(FailingGrowth, AWriteThatIsToBeTriedAgainIs) {
  ring.fail_next = EAGAIN;
  EXPECT_EQ(grow(), 0);
  ring.fail_next = EINTR;
  EXPECT_EQ(grow(), 0);
}

TEST_F(FailingGrowth, AWriteOfNothingMeansNoRoom) {
  ring.longest_write = 0;
  EXPECT_EQ(grow(), -ENOSPC);
}

TEST_F(FailingGrowth, ALateMappingThatFailsMeansNoMemory) {
  // The reservation, the file, and then what has grown.
  fail_call(Call::kMmap, ENOMEM, 2);
  EXPECT_EQ(grow(), -ENOMEM);
}

TEST_F(FailingGrowth, SpaceThatCannotBeGivenBackIsOnlyWarnedOf) {
  ring.fail_next = ENOSPC;
  fail_call(Call::kFtruncate, EIO);
  EXPECT_EQ(grow(), -ENOSPC);
}

}  // namespace
}  // namespace number_dispenser
