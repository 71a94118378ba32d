// FileStorage on a real file system, its ring's operations done by plain system calls.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "file_ring.h"
#include "number_dispenser/base/random.h"
#include "number_dispenser/state/file_storage.h"
#include "number_dispenser/state/state_file.h"
#include "small_mount.h"
#include "temporary_directory.h"

namespace number_dispenser {
namespace {

using testing_support::FileRing;
using testing_support::SmallMount;
using testing_support::TemporaryDirectory;

class Told final : public Operation {
 public:
  void on_completion(const Completion& completion) override {
    ++times;
    result = completion.result;
  }
  int times = 0;
  int result = 0;
};

class FileStorageTest : public testing::Test {
 protected:
  Result<std::unique_ptr<FileStorage>> open() {
    return FileStorage::open(directory.path(), initial);
  }
  std::string path() const { return directory.path() + "/dispensers.state"; }
  static uint64_t file_size(const std::string& path) {
    struct stat found {};
    return ::stat(path.c_str(), &found) == 0 ? static_cast<uint64_t>(found.st_size) : 0;
  }
  // Runs the ring until the operation has ended.
  void run(const Told& told) {
    for (int turn = 0; turn < 10'000 && told.times == 0; ++turn) ring.run_once(0);
    EXPECT_EQ(told.times, 1);
    EXPECT_TRUE(ring.idle());
  }

  KernelRandom random;
  std::vector<std::byte> initial = StateFile::fresh_file(random);
  TemporaryDirectory directory;
  FileRing ring;
};

TEST_F(FileStorageTest, ANewDirectoryGetsAWholeFileThatOthersCannotRead) {
  const std::string deep = directory.path() + "/a/b";
  {
    const auto storage = FileStorage::open(deep, initial);
    ASSERT_TRUE(storage) << storage.error().message;
    EXPECT_TRUE((*storage)->created());
    EXPECT_EQ((*storage)->size(), initial.size());
    EXPECT_TRUE(std::equal(initial.begin(), initial.end(), (*storage)->data()));
  }
  struct stat found {};
  ASSERT_EQ(::stat((deep + "/dispensers.state").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 007, 0U);
  EXPECT_EQ(file_size(deep + "/dispensers.state.new"), 0U);
}

TEST_F(FileStorageTest, WhatIsStoredIsThereAtTheNextOpen) {
  {
    const auto storage = open();
    (*storage)->data()[5000] = std::byte{7};
    ASSERT_TRUE((*storage)->flush_now());
    (*storage)->attach(ring);
    (*storage)->data()[6000] = std::byte{8};
    Told told;
    (*storage)->start_flush(told);
    run(told);
    EXPECT_EQ(told.result, 0);
  }
  const auto storage = open();
  ASSERT_TRUE(storage);
  EXPECT_FALSE((*storage)->created());
  EXPECT_EQ((*storage)->data()[5000], std::byte{7});
  EXPECT_EQ((*storage)->data()[6000], std::byte{8});
}

TEST_F(FileStorageTest, ASecondServerIsRefusedAsTemporary) {
  const auto first = open();
  ASSERT_TRUE(first);
  const auto second = open();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().status, ExitStatus::kTemporary);
  EXPECT_NE(second.error().message.find("another number-dispenser holds"), std::string::npos);
  EXPECT_NE(second.error().message.find("--data"), std::string::npos);
}

TEST_F(FileStorageTest, TheLockGoesWithItsOwner) {
  { ASSERT_TRUE(open()); }
  EXPECT_TRUE(open());
}

TEST_F(FileStorageTest, SomethingElseInTheFilesPlaceIsRefused) {
  ASSERT_EQ(::mkdir(path().c_str(), 0700), 0);
  const auto storage = open();
  ASSERT_FALSE(storage);
  EXPECT_NE(storage.error().message.find(path()), std::string::npos) << storage.error().message;
}

TEST_F(FileStorageTest, APlaceIsTheFilesOwnForAsLongAsItIsThere) {
  uint64_t place = 0;
  {
    const auto storage = open();
    place = (*storage)->place();
    EXPECT_NE(place, 0U);
    (*storage)->data()[5000] = std::byte{7};
    ASSERT_TRUE((*storage)->flush_now());
  }
  EXPECT_EQ((*open())->place(), place);
  std::filesystem::rename(path(), path() + ".old");
  std::filesystem::rename(path() + ".old", path());
  EXPECT_EQ((*open())->place(), place);
}

TEST_F(FileStorageTest, ACopyHasAnotherPlaceAndAnOverwrittenFileHasNot) {
  const uint64_t place = (*open())->place();
  std::filesystem::copy_file(path(), path() + ".copy");
  // Written over the file itself: nothing tells that from the server's own writes.
  std::filesystem::copy_file(path() + ".copy", path(),
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ((*open())->place(), place);
  std::filesystem::rename(path() + ".copy", path());
  const uint64_t copy = (*open())->place();
  EXPECT_NE(copy, place);
  EXPECT_NE(copy, 0U);
}

TEST_F(FileStorageTest, GrowthAppendsZerosInPlaceHoweverShortTheWrites) {
  const auto storage = open();
  (*storage)->attach(ring);
  std::byte* const before = (*storage)->data();
  ring.longest_write = 10'000;
  Told told;
  const uint64_t grown = initial.size() + 20 * layout::kExtentBytes;
  (*storage)->start_growth(told, grown);
  run(told);
  EXPECT_EQ(told.result, 0);
  EXPECT_EQ((*storage)->size(), grown);
  EXPECT_EQ(file_size(path()), grown);
  EXPECT_EQ((*storage)->data(), before);
  EXPECT_TRUE(std::all_of(before + initial.size(), before + grown,
                          [](std::byte byte) { return byte == std::byte{0}; }));
  before[grown - 1] = std::byte{1};  // mapped to its end
  ASSERT_TRUE((*storage)->flush_now());
}

TEST_F(FileStorageTest, GrowthTriesAgainWhatASignalStopped) {
  const auto storage = open();
  (*storage)->attach(ring);
  ring.fail_next = EINTR;
  Told told;
  (*storage)->start_growth(told, initial.size() + layout::kExtentBytes);
  run(told);
  EXPECT_EQ(told.result, 0);
}

TEST_F(FileStorageTest, AFailedFlushInAGrowthIsAFailedFlush) {
  const auto storage = open();
  (*storage)->attach(ring);
  Told told;
  (*storage)->start_growth(told, initial.size() + layout::kExtentBytes);
  ring.run_once(0);  // the zeros; then the flush
  // Whatever its reason: a flush speaks for the whole file, so this one is not "no room".
  ring.fail_next = ENOSPC;
  run(told);
  EXPECT_EQ(told.result, -EIO);
  EXPECT_EQ((*storage)->size(), initial.size());
}

TEST_F(FileStorageTest, AGrowthCutOffInAPageIsIgnoredAtTheNextOpen) {
  { ASSERT_TRUE(open()); }
  ASSERT_EQ(::truncate(path().c_str(), static_cast<off_t>(initial.size() + 1000)), 0);
  const auto storage = open();
  ASSERT_TRUE(storage);
  EXPECT_EQ((*storage)->size(), initial.size());
}

TEST_F(FileStorageTest, AFullDiskStopsTheGrowthAndGivesTheSpaceBack) {
  const SmallMount disk(static_cast<unsigned>(initial.size() / 1024 + 64));
  if (!disk.mounted()) GTEST_SKIP() << "may not mount a tmpfs";
  const auto storage = FileStorage::open(disk.path(), initial);
  ASSERT_TRUE(storage) << storage.error().message;
  (*storage)->attach(ring);
  const std::string file = disk.path() + "/dispensers.state";
  Told told;
  (*storage)->start_growth(told, initial.size() + 16 * layout::kExtentBytes);
  run(told);
  EXPECT_EQ(told.result, -ENOSPC);
  EXPECT_EQ((*storage)->size(), initial.size());
  EXPECT_EQ(file_size(file), initial.size());
  (*storage)->data()[initial.size() - 1] = std::byte{1};
  EXPECT_TRUE((*storage)->flush_now());
  // A smaller growth still fits, with the space that was given back.
  Told again;
  (*storage)->start_growth(again, initial.size() + layout::kExtentBytes);
  run(again);
  EXPECT_EQ(again.result, 0);
}

TEST_F(FileStorageTest, NoRoomForANewFileIsAnErrorAndLeavesNoHalfFile) {
  const SmallMount disk(64);
  if (!disk.mounted()) GTEST_SKIP() << "may not mount a tmpfs";
  const auto storage = FileStorage::open(disk.path(), initial);
  ASSERT_FALSE(storage);
  EXPECT_EQ(storage.error().status, ExitStatus::kIoError);
  EXPECT_NE(storage.error().message.find("No space left"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(disk.path() + "/dispensers.state"));
}

}  // namespace
}  // namespace number_dispenser
