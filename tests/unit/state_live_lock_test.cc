// Of two servers with copies of one state file and one folder of live counters, at most one runs.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <filesystem>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "memory_storage.h"
#include "number_dispenser/base/clock.h"
#include "number_dispenser/state/live.h"
#include "number_dispenser/state/state_file.h"
#include "seeded_random.h"
#include "small_mount.h"
#include "state_bytes.h"
#include "temporary_directory.h"

namespace number_dispenser {
namespace {

using testing_support::MemoryStorage;
using testing_support::SeededRandom;
using testing_support::small_file;
using testing_support::SmallMount;
using testing_support::TemporaryDirectory;

std::set<std::string> names_in(const std::string& folder) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    names.insert(entry.path().filename());
  return names;
}

class LiveLockTest : public testing::Test {
 protected:
  std::unique_ptr<LiveDirectory> open() { return std::make_unique<LiveDirectory>(folder.path()); }
  // A server that runs with this epoch.
  std::unique_ptr<LiveDirectory> run(uint64_t epoch) {
    auto live = open();
    EXPECT_TRUE(live->create(id, epoch, kBytes));
    live->drop_previous();
    return live;
  }
  void expect_refusal(uint64_t epoch) {
    const auto before = names();
    const auto refused = open()->create(id, epoch, kBytes);
    ASSERT_FALSE(refused) << "epoch " << epoch;
    EXPECT_EQ(refused.error().status, ExitStatus::kTemporary);
    EXPECT_NE(refused.error().message.find("copy of this state file"), std::string::npos);
    EXPECT_NE(refused.error().message.find(folder.path()), std::string::npos);
    EXPECT_EQ(names(), before);
  }
  std::set<std::string> names() const { return names_in(folder.path()); }

  static constexpr uint64_t kBytes = layout::live_bytes(1);
  TemporaryDirectory folder{"/dev/shm"};
  layout::FileId id{9};
};

TEST_F(LiveLockTest, ACopyOfWhateverEpochIsRefusedWhileTheOriginalRuns) {
  auto original = run(5);
  for (const uint64_t epoch : {2, 5, 6, 9}) expect_refusal(epoch);
  original->drop_current();
  original = nullptr;
  EXPECT_TRUE(open()->create(id, 6, kBytes));
}

TEST_F(LiveLockTest, AnotherStateFileIsNotRefused) {
  const auto original = run(5);
  id[0] ^= 1;
  EXPECT_TRUE(open()->create(id, 5, kBytes));
}

TEST_F(LiveLockTest, AStartThatIsNotDoneIsSeenAsWell) {
  const auto starting = open();
  ASSERT_TRUE(starting->create(id, 5, kBytes));
  for (const uint64_t epoch : {4, 5, 6}) expect_refusal(epoch);
}

TEST_F(LiveLockTest, OfManyThatStartAtOnceAtMostOneIsNotRefused) {
  constexpr unsigned kStarts = 4;
  for (unsigned round = 0; round < 4; ++round) {
    // Left over, so that they also get into each other's way where they remove it.
    ASSERT_TRUE(open()->create(id, 5, kBytes));
    std::barrier at_once(kStarts);
    std::barrier all_done(kStarts);
    std::atomic<unsigned> running{0};
    std::vector<std::thread> starts;
    for (unsigned number = 0; number < kStarts; ++number)
      starts.emplace_back([&, number] {
        LiveDirectory live(folder.path());
        at_once.arrive_and_wait();
        // Of the same epoch, and of others.
        if (live.create(id, 5 + (round % 2) * number, kBytes)) ++running;
        all_done.arrive_and_wait();
      });
    for (std::thread& start : starts) start.join();
    EXPECT_LE(running, 1U) << "round " << round;
  }
}

TEST_F(LiveLockTest, APipeIsNoRunningServer) {
  const std::string name = [&] {
    const auto killed = run(5);
    return folder.path() + "/" + *names().begin();
  }();
  std::filesystem::remove(name);
  ASSERT_EQ(::mkfifo(name.c_str(), 0600), 0);
  EXPECT_TRUE(open()->create(id, 6, kBytes));
}

TEST_F(LiveLockTest, TheLockOutlivesAGrowthThatFails) {
  const SmallMount small(16);
  if (!small.mounted()) GTEST_SKIP() << "may not mount a tmpfs";
  LiveDirectory original(small.path());
  ASSERT_TRUE(original.create(id, 5, kBytes));
  original.drop_previous();
  original.extend(layout::live_bytes(64));
  const auto refused = LiveDirectory(small.path()).create(id, 6, kBytes);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().status, ExitStatus::kTemporary);
}

TEST_F(LiveLockTest, WhoHasNoRoomForCountersIsSeenAndRefusedAsWell) {
  const SmallMount small(12);
  if (!small.mounted()) GTEST_SKIP() << "may not mount a tmpfs";
  ASSERT_TRUE(LiveDirectory(small.path()).create(id, 6, kBytes));
  ASSERT_EQ(names_in(small.path()).size(), 1U);
  for (const uint64_t room : {layout::live_bytes(64), kBytes}) {
    LiveDirectory original(small.path());
    ASSERT_TRUE(original.create(id, 5, room));
    const auto refused = LiveDirectory(small.path()).create(id, 6, layout::live_bytes(64));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().status, ExitStatus::kTemporary);
    original.drop_current();
    EXPECT_TRUE(names_in(small.path()).empty());
  }
}

TEST_F(LiveLockTest, NobodysNamesAreRemovedWhileTheyAreLocked) {
  const auto original = open();
  ASSERT_TRUE(original->create(id, 5, kBytes));
  // Two that are refused, but not gone yet: as they have them between their lock and their look.
  const auto hold = [&](uint64_t epoch) {
    const std::string name = *names().begin();
    const std::string path =
        folder.path() + "/" + name.substr(0, name.rfind('-') + 1) + std::to_string(epoch) + ".live";
    std::filesystem::copy_file(folder.path() + "/" + name, path);
    Fd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    struct flock lock {};
    lock.l_type = F_WRLCK;
    EXPECT_EQ(::fcntl(fd.get(), F_OFD_SETLK, &lock), 0);
    return fd;
  };
  const Fd older = hold(4);
  const Fd newer = hold(6);
  original->drop_previous();
  original->drop_newer();
  EXPECT_EQ(names().size(), 3U);
}

class Files : public LiveLockTest {
 protected:
  auto start(MemoryStorage& storage, LiveDirectory& live) {
    return StateFile::open(storage, live, clock, "memory");
  }

  SeededRandom random{1};
  ManualClock clock;
};

TEST_F(Files, ARefusedStartWritesNothingAndTheOriginalRecoversExactly) {
  MemoryStorage storage(small_file(random));
  uint32_t slot = 0;
  std::vector<std::byte> copy;
  {
    const auto live = open();
    const auto original = start(storage, *live);
    ASSERT_TRUE(original) << original.error().message;
    slot = (*original)->take_slot().value();
    (*original)->write_pending(slot, "n", {.step = 1},
                               {.bound = 100, .strategy = StrategyId::kPreBase});
    (*original)->write_live(slot);
    (*original)->live_counter(slot) = 77;
    copy.assign(storage.bytes().begin(), storage.bytes().end());
    // Damage, which a start would repair; and more than the header knows of, which it would clear.
    copy[layout::bound_offset(slot, 0) + 8] ^= std::byte{1};
    copy.resize(copy.size() + layout::kExtentBytes, std::byte{5});
    MemoryStorage copied(copy);
    const auto files = names();
    const auto refused = start(copied, *open());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().status, ExitStatus::kTemporary);
    EXPECT_TRUE(std::ranges::equal(copied.bytes(), copy));
    EXPECT_EQ(copied.flushes(), 0U);
    EXPECT_EQ(names(), files);
    storage.forget_operations();
  }
  const auto live = open();
  const auto again = start(storage, *live);
  ASSERT_TRUE(again) << again.error().message;
  const auto tenants = (*again)->tenants();
  ASSERT_EQ(tenants.size(), 1U);
  EXPECT_EQ(tenants[0].record.position, 77U);
  EXPECT_EQ(tenants[0].record.wasted, 0U);
}

TEST_F(Files, AStartWhoseRepairFailsLeavesNoCounters) {
  std::vector<std::byte> bytes = small_file(random);
  bytes[layout::kHeaderCopyOffset + 40] ^= std::byte{1};
  MemoryStorage storage(bytes);
  storage.fail_flush_now(EIO);
  const auto live = open();
  const auto refused = start(storage, *live);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().status, ExitStatus::kIoError);
  EXPECT_TRUE(names().empty());
}

}  // namespace
}  // namespace number_dispenser
