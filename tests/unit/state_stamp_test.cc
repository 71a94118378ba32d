// A cluster's stamp in the header, and how the state file says the run before has ended.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "bare_state.h"

namespace number_dispenser {
namespace {

using testing_support::BareState;
using testing_support::header_of;

constexpr Definition kCounting{Kind::kIncrementing, 0, 0, 1};
constexpr ClusterStamp kFirst{
    .cluster_id = 5, .mark = 11, .previous_mark = 10, .place = 3, .confirmed_mark = 9};
constexpr ClusterStamp kSecond{.cluster_id = 5, .mark = 12, .previous_mark = 11, .place = 3};

class StampTest : public testing::Test {
 protected:
  void set(const ClusterStamp& stamp) {
    machine.state->set_stamp(stamp);
    machine.flush();
  }
  BareState machine;
};

TEST_F(StampTest, AFreshFileHasNone) {
  EXPECT_EQ(machine.state->stamp(), ClusterStamp{});
  EXPECT_FALSE(is_in_cluster(header_of(machine.storage->bytes())));
}

TEST_F(StampTest, DiffersInEachOfItsFields) {
  constexpr ClusterStamp kStamp{5, 11, 10, 3, 7, 9};
  EXPECT_EQ(kStamp, (ClusterStamp{5, 11, 10, 3, 7, 9}));
  for (const ClusterStamp& other :
       {ClusterStamp{6, 11, 10, 3, 7, 9}, ClusterStamp{5, 12, 10, 3, 7, 9},
        ClusterStamp{5, 11, 9, 3, 7, 9}, ClusterStamp{5, 11, 10, 4, 7, 9},
        ClusterStamp{5, 11, 10, 3, 8, 9}, ClusterStamp{5, 11, 10, 3, 7, 8}}) {
    EXPECT_NE(other, kStamp);
    set(kStamp);
    set(other);
    machine.kill();
    machine.start();
    EXPECT_EQ(machine.state->stamp(), other) << "each is kept in the file";
  }
}

TEST_F(StampTest, IsWrittenByTheNextBatchOnce) {
  machine.state->set_stamp(kFirst);
  EXPECT_EQ(machine.state->stamp(), kFirst);
  EXPECT_EQ(header_of(machine.storage->bytes()).mark, 0U);
  EXPECT_TRUE(machine.state->before_flush());
  const auto header = header_of(machine.storage->bytes());
  EXPECT_EQ((ClusterStamp{header.cluster_id, header.mark, header.previous_mark, header.place, 0,
                          header.confirmed_mark}),
            kFirst);
  EXPECT_TRUE(is_in_cluster(header));
  EXPECT_FALSE(machine.state->before_flush());
}

TEST_F(StampTest, IsWrittenWhicheverOfItsFieldsMoves) {
  set(kFirst);
  for (const ClusterStamp& stamp :
       {ClusterStamp{6, 11, 10, 3}, ClusterStamp{6, 12, 10, 3}, ClusterStamp{6, 12, 11, 3},
        ClusterStamp{6, 12, 11, 4}, ClusterStamp{6, 12, 11, 4, 7, 9}}) {
    machine.state->set_stamp(stamp);
    EXPECT_TRUE(machine.state->before_flush());
    machine.flush();
    machine.kill();
    machine.start();
    EXPECT_EQ(machine.state->stamp(), stamp);
  }
}

TEST_F(StampTest, IsDurableOnlyAfterAFlush) {
  set(kFirst);
  machine.state->set_stamp(kSecond);
  machine.cut_power();
  machine.start();
  EXPECT_EQ(machine.state->stamp(), kFirst) << "no batch had begun";
  machine.state->set_stamp(kSecond);
  machine.state->before_flush();
  EXPECT_EQ(header_of(machine.storage->durable()).mark, kFirst.mark) << "not flushed";
  machine.flush();
  machine.cut_power();
  machine.start();
  EXPECT_EQ(machine.state->stamp(), kSecond);
}

TEST_F(StampTest, SurvivesACleanStopAndAKill) {
  set(kFirst);
  machine.stop();
  machine.start();
  EXPECT_EQ(machine.state->stamp(), kFirst);
  set(kSecond);
  machine.kill();
  machine.start();
  EXPECT_EQ(machine.state->stamp(), kSecond);
  EXPECT_FALSE(machine.state->before_flush());
}

TEST_F(StampTest, ThatIsStillToBeWrittenIsWrittenByTheStop) {
  machine.state->set_stamp(kFirst);
  machine.stop();
  machine.start();
  EXPECT_EQ(machine.state->stamp(), kFirst);
}

TEST_F(StampTest, GoesTogetherWithAGrowth) {
  struct : Operation {
    void on_completion(const Completion&) override {}
  } told;
  machine.storage->start_growth(told, layout::file_bytes(2));
  machine.storage->end_growth();
  machine.state->set_stamp(kFirst);
  machine.flush();
  const auto header = header_of(machine.storage->durable());
  EXPECT_EQ(header.extents, 2U);
  EXPECT_EQ(header.mark, kFirst.mark);
}

class LastEndTest : public testing::Test {
 protected:
  static constexpr BoundRecord kRecord{9, 5, 0, StrategyId::kPreBase};

  void define() {
    slot = machine.define("n", kCounting, {.strategy = StrategyId::kPreBase});
    write(kRecord, 7);
  }
  void write(const BoundRecord& record, uint64_t next) {
    machine.state->write_bound(slot, record);
    machine.state->live_counter(slot).store(next);
    machine.flush();
  }
  void join_cluster() {
    machine.state->set_stamp(kFirst);
    machine.flush();
  }
  // What the start says in the log.
  std::string start() {
    testing::internal::CaptureStderr();
    machine.start();
    return testing::internal::GetCapturedStderr();
  }
  // A copy of the file in the place of the one that a killed run has left since.
  std::vector<std::byte> put_back_older() {
    auto backup = machine.copy();
    write({20, 12, 0, StrategyId::kPreBase}, 15);
    machine.kill();
    machine.restore(backup);
    return backup;
  }
  // A flush fails in it.
  void fail_to_start() {
    machine.storage->fail_flush_now(EIO);
    EXPECT_FALSE(StateFile::open(*machine.storage, machine.live, machine.clock, "memory"));
    machine.storage->fail_flush_now(0);
  }
  LastEnd last_end() const { return machine.state->last_end(); }

  BareState machine;
  uint32_t slot = 0;
};

TEST_F(LastEndTest, AFreshFileAndACleanStopAreClean) {
  EXPECT_EQ(last_end(), LastEnd::kClean);
  define();
  machine.stop();
  machine.start();
  EXPECT_EQ(last_end(), LastEnd::kClean);
}

TEST_F(LastEndTest, AKillIsCounted) {
  machine.kill();
  machine.start();
  EXPECT_EQ(last_end(), LastEnd::kCounted) << "also without dispensers";
  define();
  machine.kill();
  machine.start();
  EXPECT_EQ(last_end(), LastEnd::kCounted);
  EXPECT_EQ(machine.recovered().position, 7U);
}

TEST_F(LastEndTest, APowerCutIsUnknown) {
  define();
  machine.cut_power();
  machine.start();
  EXPECT_EQ(last_end(), LastEnd::kUnknown);
}

TEST_F(LastEndTest, AKillWhoseCountersAreLostIsUnknown) {
  define();
  machine.kill();
  machine.live.lose();
  machine.start();
  EXPECT_EQ(last_end(), LastEnd::kUnknown);
}

TEST_F(LastEndTest, CountersOfAnotherRunAreUnknown) {
  define();
  machine.kill();
  auto header = header_of(machine.storage->bytes());
  header.run ^= 1;  // as a copy that was started somewhere else
  testing_support::put_header({machine.storage->data(), machine.storage->size()}, header);
  machine.start();
  EXPECT_EQ(last_end(), LastEnd::kUnknown);
}

TEST_F(LastEndTest, AnOlderCopyOfTheSameRunIsUnknown) {
  define();
  put_back_older();
  EXPECT_NE(start().find("restored from a copy"), std::string::npos);
  EXPECT_EQ(last_end(), LastEnd::kUnknown);
  EXPECT_EQ(machine.recovered().position, 15U) << "alone, everything drawn counts as issued";
}

TEST_F(LastEndTest, InAClusterAnOlderCopyGoesByItsRecordAndSaysNothing) {
  define();
  join_cluster();
  put_back_older();
  EXPECT_EQ(start(), "");
  EXPECT_EQ(last_end(), LastEnd::kUnknown);
  EXPECT_EQ(machine.recovered(), (BoundRecord{9, 9, 4, StrategyId::kPreBase}));
  EXPECT_NE(machine.state->stamp().mark, kFirst.mark) << "a later start must not trust it either";
}

TEST_F(LastEndTest, AnOlderCopyStaysOneWhereItsStartDies) {
  define();
  join_cluster();
  const auto backup = put_back_older();
  fail_to_start();
  // It died before it stored into the header's page.
  std::copy_n(backup.begin(), layout::kPageBytes, machine.storage->data());
  start();
  EXPECT_EQ(last_end(), LastEnd::kUnknown);
  EXPECT_NE(machine.state->stamp().mark, kFirst.mark);
}

TEST_F(LastEndTest, TheMarkOfAnOlderCopyDoesNotComeBackWithTheSecondStart) {
  define();
  join_cluster();
  const auto backup = machine.copy();
  // Two runs more: also behind the failed start, which moves the epoch, there are newer counters.
  for (int run = 0; run < 2; ++run) {
    machine.kill();
    machine.start();
  }
  machine.kill();
  machine.restore(backup);
  fail_to_start();
  start();
  EXPECT_EQ(last_end(), LastEnd::kUnknown);
  EXPECT_NE(machine.state->stamp().mark, kFirst.mark);
  EXPECT_NE(machine.state->stamp().previous_mark, kFirst.previous_mark);
  EXPECT_NE(machine.state->stamp().confirmed_mark, kFirst.confirmed_mark);
}

TEST_F(LastEndTest, AnOlderCopyOfAnIdThatWasNeverClaimedStaysOneThatWasNot) {
  define();
  machine.state->set_stamp({.cluster_id = 5, .mark = 11, .place = 3});
  machine.flush();
  put_back_older();
  machine.start();
  EXPECT_NE(machine.state->stamp().mark, 11U);
  EXPECT_EQ(machine.state->stamp().previous_mark, 0U);
}

TEST_F(LastEndTest, ARunThatIsNotStampedChangesNothing) {
  define();
  join_cluster();
  machine.kill();
  for (const bool stops : {true, false, true}) {
    machine.start();
    EXPECT_EQ(last_end(), LastEnd::kCounted);
    EXPECT_EQ(machine.recovered().position, 7U);
    stops ? machine.stop() : machine.kill();
  }
  machine.start();
  join_cluster();
  machine.stop();
  for (const bool stops : {false, true, false}) {
    machine.start();
    EXPECT_EQ(last_end(), LastEnd::kClean);
    stops ? machine.stop() : machine.kill();
  }
}

TEST_F(LastEndTest, WhatIsUnknownStaysSoUntilARunIsStamped) {
  define();
  join_cluster();
  machine.kill();
  machine.live.lose();
  for (const bool stops : {false, true, false}) {
    machine.start();
    EXPECT_EQ(last_end(), LastEnd::kUnknown);
    stops ? machine.stop() : machine.kill();
  }
  machine.start();
  join_cluster();
  machine.kill();
  machine.start();
  EXPECT_EQ(last_end(), LastEnd::kCounted);
}

TEST_F(LastEndTest, ACopyFromBeforeTheLastStartIsUnknownHoweverItHadStopped) {
  define();
  join_cluster();
  machine.stop();
  const auto backup = machine.copy();
  machine.start();
  EXPECT_EQ(last_end(), LastEnd::kClean);
  machine.kill();
  machine.restore(backup);
  EXPECT_EQ(start(), "") << "in a cluster, nothing is issued again";
  EXPECT_EQ(last_end(), LastEnd::kUnknown);
}

TEST_F(LastEndTest, ACopyFromBeforeAStartThatWasKilledIsUnknown) {
  define();
  const auto backup = machine.copy();
  machine.kill();
  machine.start();
  machine.kill();
  machine.restore(backup);
  EXPECT_NE(start().find("restored from a copy"), std::string::npos);
  EXPECT_EQ(last_end(), LastEnd::kUnknown);
}

TEST_F(LastEndTest, ACopyThatHasRunWithTheSameEpochIsSaid) {
  define();
  machine.stop();
  const auto copy = machine.copy();
  machine.start();
  machine.stop();
  const auto original = machine.copy();
  machine.restore(copy);
  machine.clock.advance_ms(1);
  machine.start();
  machine.kill();
  machine.restore(original);
  EXPECT_NE(start().find("a copy of it has run"), std::string::npos);
  EXPECT_EQ(last_end(), LastEnd::kUnknown);
}

TEST_F(LastEndTest, ADispenserWithoutItsCounterIsUnknown) {
  define();
  const auto backup = machine.copy();
  machine.state->write_tombstone(slot);
  machine.flush();
  machine.state->give_slot(slot);
  ASSERT_EQ(machine.define("other", kCounting, {}), slot);
  machine.kill();
  machine.restore(backup);
  machine.start();
  EXPECT_EQ(last_end(), LastEnd::kUnknown);
}

TEST_F(LastEndTest, ACounterBehindItsRecordIsUnknown) {
  define();
  machine.state->live_counter(slot).store(4);
  machine.kill();
  machine.start();
  EXPECT_EQ(last_end(), LastEnd::kUnknown);
  EXPECT_EQ(machine.recovered().position, 9U);
}

TEST_F(LastEndTest, DispensersThatAreNotDurableNeedNoCounter) {
  slot = machine.define("n", kCounting, {.strategy = StrategyId::kMemory});
  write({.bound = 5, .position = 5, .strategy = StrategyId::kMemory}, 3);
  machine.kill();
  machine.start();
  EXPECT_EQ(last_end(), LastEnd::kCounted) << "though one is behind its record";
}

TEST_F(LastEndTest, ACopyFromBeforeASwitchToADurableStrategyIsUnknown) {
  slot = machine.define("n", kCounting, {.strategy = StrategyId::kMemory});
  const auto backup = machine.copy();
  write({.bound = 100, .position = 0, .strategy = StrategyId::kElegantClose}, 42);
  machine.kill();
  machine.restore(backup);
  EXPECT_NE(start().find("older than its live counters"), std::string::npos);
  EXPECT_EQ(last_end(), LastEnd::kUnknown);
  EXPECT_EQ(machine.recovered().position, 42U);
}

}  // namespace
}  // namespace number_dispenser
