// The state file's own life: starts, stops, growth, restored copies.
#include <gtest/gtest.h>

#include <cerrno>
#include <utility>

#include "machine.h"
#include "number_dispenser/base/log.h"
#include "state_bytes.h"

namespace number_dispenser {
namespace {

using testing_support::counting_from;
using testing_support::header_of;
using testing_support::Machine;
using testing_support::MemoryLive;
using testing_support::MemoryStorage;
using testing_support::SeededRandom;

// What the log says while `run` runs.
template <class Run>
std::string logged(Run run) {
  testing::internal::CaptureStderr();
  run();
  return testing::internal::GetCapturedStderr();
}

bool says(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST(StateFile, AFreshFileIsEmptyCleanAndHasAnIdOfItsOwn) {
  SeededRandom random(1);
  const auto one = StateFile::fresh_file(random);
  const auto other = StateFile::fresh_file(random);
  const auto found = scan(one);
  ASSERT_TRUE(found) << found.error();
  EXPECT_TRUE(found->tenants.empty());
  EXPECT_EQ(found->free_slots.size(), 1024U);
  EXPECT_EQ(found->header.ending, layout::Ending::kClean);
  EXPECT_EQ(found->header.epoch, 0U);
  EXPECT_NE(found->header.id, header_of(other).id);
}

TEST(StateFile, EveryStartMovesTheEpochDurablyAndTakesTheCleanMarkAway) {
  Machine machine(1);
  for (uint64_t start = 1; start <= 4; ++start) {
    const auto header = header_of(machine.storage.durable());
    EXPECT_EQ(header.epoch, start);
    EXPECT_EQ(header.ending, layout::Ending::kNot);
    if (start == 1) machine.kill();
    if (start == 2) machine.cut_power();
    if (start == 3) {
      machine.stop();
      EXPECT_EQ(header_of(machine.storage.durable()).ending, layout::Ending::kClean);
    }
    if (start < 4) machine.start();
  }
}

TEST(StateFile, ACleanStopLeavesNoLiveCountersAndAKillLeavesItsOwn) {
  Machine machine(1);
  EXPECT_EQ(machine.live.files(), 1U);
  machine.kill();
  machine.start();
  EXPECT_EQ(machine.live.files(), 1U) << "those of the killed process are not needed any more";
  machine.stop();
  EXPECT_EQ(machine.live.files(), 0U);
}

TEST(StateFile, LiveCountersOfAnotherEpochAreNotTrusted) {
  Machine machine(1);
  machine.define("n", counting_from(0), StrategyId::kElegantClose);
  machine.settle();
  const auto id = machine.state().id();
  machine.kill();
  machine.live.rename(id, 1, 9);  // counter 0: a duplicate for each number if it were believed
  machine.start();
  machine.draw_and_settle("n", 50);
  machine.kill();
  machine.live.rename(id, 2, 1);
  machine.start();
  EXPECT_EQ(machine.info("n").next, 50U);
}

// DESIGN.md: losing what is not on the disk must not let the mark vouch for it.
TEST(StateFile, TheCleanMarkIsNeverDurableBeforeTheRecords) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Machine machine(seed);
    machine.define("n", counting_from(0), StrategyId::kPreClose);
    machine.settle();
    for (int drawn = 0; drawn < 3000; ++drawn) machine.draw("n");
    machine.settle();
    machine.registry().close();
    machine.storage.fail_flush_now(EIO);
    EXPECT_FALSE(machine.state().close());
    machine.storage.fail_flush_now(0);
    EXPECT_EQ(header_of(machine.storage.bytes()).ending, layout::Ending::kNot);
    machine.cut_power();
    machine.start();
  }
}

TEST(StateFile, AStartWhoseFlushFailsIsRefusedAndKeepsTheLiveCounters) {
  Machine machine(1);
  machine.define("n", counting_from(0), StrategyId::kPreBase);
  machine.settle();
  for (int drawn = 0; drawn < 500; ++drawn) machine.draw_and_settle("n", 1);
  machine.kill();
  machine.storage.fail_flush_now(EIO);
  const auto refused = StateFile::open(machine.storage, machine.live, machine.clock, "memory");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().status, ExitStatus::kIoError);
  EXPECT_EQ(machine.live.files(), 1U) << "those of the run before, if the disk has only that";
  machine.storage.fail_flush_now(0);
  // The page cache still has what the failed start wrote, the new epoch too.
  machine.start();
  EXPECT_EQ(machine.info("n").next, 500U);
}

TEST(StateFile, ADamagedFileIsRefusedWithItsName) {
  Machine machine(1);
  machine.define("n", counting_from(0), StrategyId::kPreBase);
  machine.settle();
  machine.kill();
  machine.storage.data()[layout::descriptor_offset(0) + 20] ^= std::byte{1};
  const auto refused = StateFile::open(machine.storage, machine.live, machine.clock, "/x/y.state");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().status, ExitStatus::kIoError);
  EXPECT_TRUE(says(refused.error().message, "/x/y.state: slot 0 (offset 4096)"))
      << refused.error().message;
}

TEST(StateFile, ARottenCopyIsSaidAndRepairedByTheStart) {
  Machine machine(1);
  machine.define("n", counting_from(0), StrategyId::kElegantClose);
  machine.settle();
  machine.draw_and_settle("n", 30);
  machine.kill();
  machine.storage.data()[layout::bound_offset(0, 0) + 8] ^= std::byte{1};
  EXPECT_TRUE(says(logged([&] { machine.start(); }), "bound record copy 1"));
  EXPECT_EQ(machine.info("n").next, 30U);
  machine.kill();
  EXPECT_EQ(logged([&] { machine.start(); }), "");
}

TEST(StateFile, AnOlderCopyOfTheFileIsSaidAtTheStart) {
  Machine machine(1);
  machine.define("n", counting_from(0), StrategyId::kElegantClose);
  machine.settle();
  machine.stop();
  const std::vector<std::byte> backup(machine.storage.bytes().begin(),
                                      machine.storage.bytes().end());
  machine.start();
  EXPECT_EQ(logged([&] { machine.kill(), machine.start(); }), "") << "nothing is restored here";
  machine.kill();
  MemoryStorage restored(backup);
  const std::string log = logged(
      [&] { EXPECT_TRUE(StateFile::open(restored, machine.live, machine.clock, "memory")); });
  EXPECT_TRUE(says(log, "restored from a copy")) << log;
  EXPECT_TRUE(says(log, "DEL, then HSET with a higher starting")) << log;
}

TEST(StateFile, ACopyFromBeforeADefinitionIsSaidAtTheStart) {
  Machine machine(1);
  machine.define("n", counting_from(0), StrategyId::kElegantClose);
  machine.settle();
  MemoryStorage restored(
      std::vector<std::byte>(machine.storage.bytes().begin(), machine.storage.bytes().end()));
  machine.define("later", counting_from(0), StrategyId::kElegantClose);
  machine.settle();
  machine.kill();
  const std::string log = logged(
      [&] { EXPECT_TRUE(StateFile::open(restored, machine.live, machine.clock, "memory")); });
  EXPECT_TRUE(says(log,
                   "0 dispensers go on where the live counters were, up to 1 defined since are "
                   "missing"))
      << log;
}

// The counters of a copy that ran, and was killed, while this start waited for a lock.
class Waiting final : public MemoryLive {
 public:
  bool newer_exists(const layout::FileId& id, uint64_t epoch) override {
    return std::exchange(asked_, true) || MemoryLive::newer_exists(id, epoch);
  }

 private:
  bool asked_ = false;
};

TEST(StateFile, ACopyThatRanDuringTheStartIsSaid) {
  Waiting live;
  SeededRandom random(1);
  MemoryStorage storage(testing_support::small_file(random));
  ManualClock clock;
  const std::string log =
      logged([&] { EXPECT_TRUE(StateFile::open(storage, live, clock, "memory")); });
  EXPECT_TRUE(says(log, "does not come from a run whose live counters are there")) << log;
}

TEST(StateFile, AStartThatWasKilledIsNotTakenForARestoredCopy) {
  Machine machine(1);
  machine.define("n", counting_from(0), StrategyId::kElegantClose);
  machine.settle();
  machine.draw_and_settle("n", 5);
  const auto id = machine.state().id();
  machine.kill();
  machine.live.open_previous(id, 1);
  // Killed before it wrote the new epoch.
  ASSERT_TRUE(machine.live.create(id, 2, layout::live_bytes(1)));
  EXPECT_EQ(logged([&] { machine.start(); }), "");
  EXPECT_EQ(machine.info("n").next, 5U);
}

TEST(StateFile, LeftoversOfAnUnfinishedGrowthAreCleared) {
  Machine machine(1);
  machine.define("n", counting_from(0), StrategyId::kElegantClose);
  machine.settle();
  std::vector<std::byte> longer(machine.storage.bytes().begin(), machine.storage.bytes().end());
  machine.kill();
  // A definition in the new extent that was never acknowledged: the header does not know of it.
  const std::vector<std::byte> extent(longer.begin() + layout::kPageBytes, longer.end());
  longer.insert(longer.end(), extent.begin(), extent.end());
  MemoryStorage storage(longer);
  MemoryLive live;
  auto opened = StateFile::open(storage, live, machine.clock, "memory");
  ASSERT_TRUE(opened) << opened.error().message;
  Registry registry(**opened, machine.clock);
  EXPECT_EQ(registry.size(), 1U);
  EXPECT_TRUE((*opened)->before_flush()) << "the new slots are taken in at the next flush";
  EXPECT_EQ(scan(storage.bytes())->tenants.size(), 1U);
  EXPECT_EQ(header_of(storage.bytes()).extents, 2U);
}

}  // namespace
}  // namespace number_dispenser
