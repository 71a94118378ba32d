// Where a dispenser goes on, from its record and its live counter.
#include <gtest/gtest.h>

#include <optional>
#include <span>

#include "machine.h"
#include "number_dispenser/state/scan.h"

namespace number_dispenser {
namespace {

using testing_support::counting_from;

TEST(Recover, TheBoundRulesWithoutALiveCounterAndTheDifferenceIsWaste) {
  const BoundRecord record{200, 120, 5, StrategyId::kPreBase};
  EXPECT_EQ(recover(counting_from(0), record, nullptr),
            (BoundRecord{200, 200, 85, StrategyId::kPreBase}));
}

TEST(Recover, ALiveCounterIsExactUpToTheBound) {
  const BoundRecord record{200, 120, 5, StrategyId::kPreBase};
  const auto with = [&](uint64_t live) { return recover(counting_from(0), record, &live); };
  EXPECT_EQ(with(150), (BoundRecord{150, 150, 5, StrategyId::kPreBase}));
  EXPECT_EQ(with(120), (BoundRecord{120, 120, 5, StrategyId::kPreBase}));
  EXPECT_EQ(with(200), (BoundRecord{200, 200, 5, StrategyId::kPreBase}));
  EXPECT_EQ(with(900), (BoundRecord{200, 200, 5, StrategyId::kPreBase})) << "700 never left";
  EXPECT_EQ(with(119), (BoundRecord{200, 200, 85, StrategyId::kPreBase})) << "it cannot be ours";
}

TEST(Recover, MemoryStartsAnewAndRandomKeepsItsStatistics) {
  const uint64_t live = 500;
  EXPECT_EQ(recover(counting_from(0), {200, 120, 5, StrategyId::kMemory}, &live),
            (BoundRecord{0, 0, 0, StrategyId::kMemory}));
  const Definition random{Kind::kRandom, 3, 0, 0};
  EXPECT_EQ(recover(random, {200, 200, 0, StrategyId::kPreBase}, &live),
            (BoundRecord{500, 500, 0, StrategyId::kPreBase}));
  EXPECT_EQ(recover(random, {200, 200, 0, StrategyId::kPreBase}, nullptr),
            (BoundRecord{200, 200, 0, StrategyId::kPreBase}));
}

TEST(RecoverOlder, AFileOlderThanItsCountersGoesOnPastEverythingDrawn) {
  const ScannedTenant tenant{.record = {3, 3, 0, StrategyId::kPreClose}, .sequence = 4};
  const layout::LiveSlot same{.next = 3, .generation = 0, .sequence = 4};
  const layout::LiveSlot newer{.next = 504, .generation = 0, .sequence = 9};
  EXPECT_FALSE(is_older(tenant, &same));
  EXPECT_FALSE(is_older(tenant, nullptr));
  ASSERT_TRUE(is_older(tenant, &newer));
  EXPECT_EQ(recover_older(tenant.record, newer.next),
            (BoundRecord{504, 504, 0, StrategyId::kPreClose}));
}

TEST(FindLive, ACounterBelongsToItsTenantAndItsSlot) {
  struct {
    layout::LiveHeader header{};
    layout::LiveSlot slots[2] = {{.next = 5, .generation = 1}, {.next = 6, .generation = 2}};
  } memory;
  const auto bytes = std::as_bytes(std::span(&memory, 1));
  const auto next_of = [&](uint32_t slot, uint64_t generation) -> std::optional<uint64_t> {
    const layout::LiveSlot* line = find_live(bytes, {.slot = slot, .generation = generation});
    return line == nullptr ? std::nullopt : std::optional(line->next);
  };
  EXPECT_EQ(next_of(0, 1), 5U);
  EXPECT_EQ(next_of(1, 2), 6U);
  EXPECT_EQ(next_of(1, 1), std::nullopt) << "of an earlier tenant";
  EXPECT_EQ(next_of(2, 0), std::nullopt) << "past the end";
  EXPECT_EQ(find_live({}, {.slot = 0, .generation = 0}), nullptr);
}

}  // namespace
}  // namespace number_dispenser
