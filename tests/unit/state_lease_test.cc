// Leases in bound records: what recovery keeps of them, and which records are damage.
#include <gtest/gtest.h>

#include <functional>

#include "bare_state.h"
#include "number_dispenser/state/scan.h"

namespace number_dispenser {
namespace {

using layout::BoundSlot;
using testing_support::BareState;
using testing_support::read_at;
using testing_support::seal_at;

constexpr Definition kCounting{Kind::kIncrementing, 0, 0, 1};
constexpr Definition kTwoDigits{Kind::kFixedLength, 2, 0, 1};
constexpr Definition kRandom{Kind::kRandom, 6, 0, 0};
constexpr Lease kLease{.generation = 7, .end = 200, .next = {300, 400}, .skipped = 50};
constexpr BoundRecord kRecord{150, 120, 5, StrategyId::kPreBase, kLease};

class LeaseTest : public testing::Test {
 protected:
  void define(const BoundRecord& record) {
    slot = machine.define("n", kCounting, {.strategy = record.strategy});
    machine.state->write_bound(slot, record);
    machine.state->live_counter(slot).store(130);
    machine.flush();
  }
  BareState machine;
  uint32_t slot = 0;
};

TEST_F(LeaseTest, IsThereAfterAPowerCut) {
  define(kRecord);
  machine.cut_power();
  machine.start();
  EXPECT_EQ(machine.recovered(), (BoundRecord{150, 150, 35, StrategyId::kPreBase, kLease}));
}

TEST_F(LeaseTest, IsThereAfterAKill) {
  define(kRecord);
  machine.kill();
  machine.start();
  EXPECT_EQ(machine.recovered(), (BoundRecord{130, 130, 5, StrategyId::kPreBase, kLease}));
}

TEST_F(LeaseTest, IsThereAfterACleanStopAndStartsThatDoNothing) {
  define(kRecord);
  const BoundRecord exact{130, 130, 5, StrategyId::kPreBase, kLease};
  machine.state->write_bound(slot, exact);
  for (int starts = 0; starts < 3; ++starts) {
    machine.stop();
    machine.start();
    EXPECT_EQ(machine.recovered(), exact);
  }
}

TEST_F(LeaseTest, ACounterInASegmentThatIsNotWrittenYetGoesOnAtTheBound) {
  define(kRecord);
  machine.state->live_counter(slot).store(310);
  machine.kill();
  machine.start();
  EXPECT_EQ(machine.recovered(), (BoundRecord{150, 150, 5, StrategyId::kPreBase, kLease}));
  EXPECT_EQ(machine.state->last_end(), LastEnd::kCounted);
}

TEST_F(LeaseTest, AFirstRecordMayBeginAnywhere) {
  const BoundRecord first{
      40, 40, 0, StrategyId::kElegantClose, {.generation = 3, .end = 90, .skipped = 40}};
  slot = machine.define("n", kCounting, first);
  EXPECT_EQ(machine.state->live_counter(slot).load(), 40U);
  EXPECT_EQ(scan(machine.storage->durable())->tenants[0].record, first);
  machine.kill();
  machine.start();
  EXPECT_EQ(machine.recovered(), first);
}

TEST_F(LeaseTest, WithoutNeedForSegmentsOnlyTheGenerationIsKept) {
  const uint64_t live = 500;
  const BoundRecord memory{150, 120, 5, StrategyId::kMemory, kLease};
  EXPECT_EQ(recover(kCounting, memory, &live),
            (BoundRecord{0, 0, 0, StrategyId::kMemory, {.generation = 7}}));
  EXPECT_EQ(recover(kRandom, kRecord, &live),
            (BoundRecord{500, 500, 0, StrategyId::kPreBase, {.generation = 7}}));
  EXPECT_EQ(recover(kRandom, kRecord, nullptr),
            (BoundRecord{120, 120, 0, StrategyId::kPreBase, {.generation = 7}}));
}

// A file that is older than its counters.
TEST_F(LeaseTest, AnOlderRecordGoesOnAtTheCounterOnlyIfNothingWasLeased) {
  ScannedTenant tenant{.definition = kCounting, .record = kRecord, .sequence = 4};
  const layout::LiveSlot newer{.next = 350, .generation = 0, .sequence = 9};
  const BoundRecord by_record{150, 150, 35, StrategyId::kPreBase, kLease};
  EXPECT_EQ(recover(tenant, &newer, true), by_record);
  EXPECT_EQ(recover(tenant, &newer, false), by_record);
  tenant.record.lease = {};
  EXPECT_EQ(recover(tenant, &newer, true), (BoundRecord{150, 150, 35, StrategyId::kPreBase}));
  EXPECT_EQ(recover(tenant, &newer, false), (BoundRecord{350, 350, 5, StrategyId::kPreBase}));
  EXPECT_EQ(recover(tenant, nullptr, false), (BoundRecord{150, 150, 35, StrategyId::kPreBase}));
  tenant.sequence = 9;
  EXPECT_EQ(recover(tenant, &newer, false), (BoundRecord{150, 150, 5, StrategyId::kPreBase}));
}

// A record as the file has it, in both copies.
std::vector<std::byte> file_with(const Definition& definition, const BoundRecord& record) {
  BareState machine;
  const uint32_t slot = machine.define("n", definition, {.strategy = record.strategy});
  machine.state->write_bound(slot, record);
  return machine.copy();
}

bool is_good(const Definition& definition, const BoundRecord& record) {
  const auto found = scan(file_with(definition, record));
  if (!found) return false;
  EXPECT_TRUE(found->notes.empty());
  EXPECT_EQ(found->tenants[0].record, record);
  return true;
}

bool is_good(const std::function<void(BoundRecord&)>& change,
             const Definition& definition = kCounting) {
  BoundRecord record = kRecord;
  change(record);
  return is_good(definition, record);
}

TEST(LeaseRecord, DiffersInEachOfItsFields) {
  EXPECT_EQ(kLease, (Lease{7, 200, {300, 400}, 50}));
  for (const Lease& other :
       {Lease{8, 200, {300, 400}, 50}, Lease{7, 201, {300, 400}, 50}, Lease{7, 200, {301, 400}, 50},
        Lease{7, 200, {300, 401}, 50}, Lease{7, 200, {300, 400}, 51}}) {
    EXPECT_NE(other, kLease);
    EXPECT_NE((BoundRecord{150, 120, 5, StrategyId::kPreBase, other}), kRecord);
  }
}

TEST(LeaseRecord, WithinItsInvariantsIsRead) {
  EXPECT_TRUE(is_good([](auto&) {}));
  EXPECT_TRUE(is_good([](auto& r) { r.lease.next = {}; }));
  EXPECT_TRUE(is_good([](auto& r) { r.lease.next = {200, 201}; })) << "one behind the other";
  EXPECT_TRUE(is_good([](auto& r) { r.bound = 200; }));
  EXPECT_TRUE(is_good([](auto& r) { r.lease.skipped = 115; })) << "nothing was generated yet";
  EXPECT_TRUE(is_good([](auto& r) { r = {.strategy = r.strategy, .lease = {.generation = 7}}; }))
      << "nothing is leased yet";
  const BoundRecord full{50, 50, 0, StrategyId::kPreBase, {7, 60, {90, 100}, 0}};
  EXPECT_TRUE(is_good(kTwoDigits, full));
  EXPECT_TRUE(is_good(kTwoDigits, {99, 99, 0, StrategyId::kPreBase, {7, 100, {}, 0}}));
}

TEST(LeaseRecord, AnythingOfALeaseWithoutGenerationIsDamage) {
  const auto without = [](const Lease& lease) {
    return is_good(kCounting, {150, 120, 5, StrategyId::kPreBase, lease});
  };
  EXPECT_TRUE(without({}));
  EXPECT_FALSE(without({.end = 200}));
  EXPECT_FALSE(without({.next = {0, 400}}));
  EXPECT_FALSE(without({.next = {300, 0}}));
  EXPECT_FALSE(without({.skipped = 1}));
}

TEST(LeaseRecord, OutOfOrderIsDamage) {
  EXPECT_FALSE(is_good([](auto& r) { r.bound = 201; })) << "past the segment";
  EXPECT_FALSE(is_good([](auto& r) { r.lease.end = 0; })) << "a bound without a segment";
  EXPECT_FALSE(is_good([](auto& r) { r.lease.next.begin = 199; }));
  EXPECT_FALSE(is_good([](auto& r) { r.lease.next = {300, 300}; })) << "neither empty nor zero";
  EXPECT_FALSE(is_good([](auto& r) { r.lease.next = {300, 299}; }));
  EXPECT_FALSE(is_good([](auto& r) { r.lease.next = {0, 400}; }));
  const BoundRecord full{50, 50, 0, StrategyId::kPreBase, {7, 60, {90, 101}, 0}};
  EXPECT_FALSE(is_good(kTwoDigits, full)) << "past the last number";
  EXPECT_FALSE(is_good(kTwoDigits, {50, 50, 0, StrategyId::kPreBase, {7, 101, {}, 0}}));
}

TEST(LeaseRecord, MoreSkippedAndWastedThanPassedIsDamage) {
  EXPECT_FALSE(is_good([](auto& r) { r.lease.skipped = 116; }));
  EXPECT_FALSE(is_good([](auto& r) { r.lease.skipped = ~uint64_t{0} - 2; })) << "no overflow";
}

TEST(LeaseRecord, WithoutNeedForSegmentsTheBoundIsFree) {
  const Lease only_generation{.generation = 7};
  const BoundRecord memory{150, 120, 5, StrategyId::kMemory, only_generation};
  const BoundRecord random{150, 150, 0, StrategyId::kPreBase, only_generation};
  EXPECT_TRUE(is_good(kCounting, memory));
  EXPECT_TRUE(is_good(kRandom, random));
  EXPECT_FALSE(is_good(kTwoDigits, memory)) << "up to the last number";
  EXPECT_FALSE(is_good(kCounting, {150, 120, 5, StrategyId::kPreBase, only_generation}));
  for (const Lease& more :
       {Lease{.generation = 7, .next = {300, 400}}, Lease{.generation = 7, .skipped = 1}}) {
    EXPECT_FALSE(is_good(kCounting, {150, 120, 5, StrategyId::kMemory, more}));
    EXPECT_FALSE(is_good(kRandom, {150, 150, 0, StrategyId::kPreBase, more}));
  }
  EXPECT_TRUE(is_good(kCounting, {150, 120, 5, StrategyId::kMemory, kLease})) << "a segment too";
  EXPECT_FALSE(is_good(kCounting, {201, 120, 5, StrategyId::kMemory, kLease}));
}

// The power goes while a record is written: what is read is the one before or the one after.
TEST(LeaseRecord, TornAtAnyWordIsTheOldOneOrTheNewOne) {
  const BoundRecord after{160, 155, 6, StrategyId::kPreClose, {8, 210, {310, 410}, 60}};
  const auto old_file = file_with(kCounting, kRecord);
  const auto new_file = [&] {
    BareState machine;
    machine.restore(old_file);
    machine.start();
    machine.state->write_bound(0, after);
    return machine.copy();
  }();
  for (const unsigned copy : {0U, 1U})
    for (const bool front : {true, false})
      for (uint64_t split = 0; split <= sizeof(BoundSlot); split += 8) {
        // Copy one is torn before copy two is begun, and copy two once copy one is there.
        std::vector<std::byte> torn = copy == 0 ? old_file : new_file;
        const std::vector<std::byte>& other = copy == 0 ? new_file : old_file;
        const auto at = static_cast<ptrdiff_t>(layout::bound_offset(0, copy));
        const auto begin = at + static_cast<ptrdiff_t>(front ? 0 : split);
        const auto end = at + static_cast<ptrdiff_t>(front ? split : sizeof(BoundSlot));
        std::copy(other.begin() + begin, other.begin() + end, torn.begin() + begin);
        const auto found = scan(torn);
        ASSERT_TRUE(found) << found.error();
        const BoundRecord& record = found->tenants[0].record;
        // The first word, the generation, is the same in both.
        const bool whole = front ? split == sizeof(BoundSlot) : split <= 8;
        EXPECT_EQ(record, copy == 1 || whole ? after : kRecord) << split;
      }
}

TEST(LeaseRecord, OneGoodCopyIsEnough) {
  auto file = file_with(kCounting, kRecord);
  for (const unsigned copy : {0U, 1U}) {
    auto damaged = file;
    auto record = read_at<BoundSlot>(file, layout::bound_offset(0, copy));
    record.skipped = 116;
    seal_at(damaged, layout::bound_offset(0, copy), record);
    const auto found = scan(damaged);
    ASSERT_TRUE(found) << found.error();
    EXPECT_EQ(found->notes.size(), 1U);
    EXPECT_EQ(found->tenants[0].record, kRecord);
  }
}

}  // namespace
}  // namespace number_dispenser
