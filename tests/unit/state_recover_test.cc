// Where a dispenser goes on, from its record and its live counter.
#include <gtest/gtest.h>

#include <optional>
#include <span>

#include "machine.h"
#include "number_dispenser/state/scan.h"
#include "state_bytes.h"

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
  const ScannedTenant tenant{
      .definition = counting_from(0), .record = {3, 3, 0, StrategyId::kPreClose}, .sequence = 4};
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

TEST(Recover, AFileIsOlderThanItsCountersWhateverTheStrategy) {
  const layout::LiveSlot live{.next = 9, .generation = 1, .sequence = 5, .reserved = {}};
  ScannedTenant tenant{
      .definition = counting_from(0), .record = {.strategy = StrategyId::kPreBase}, .sequence = 4};
  EXPECT_TRUE(is_older(tenant, &live));
  EXPECT_FALSE(is_older(tenant, nullptr));
  // It may have been another since.
  tenant.record.strategy = StrategyId::kMemory;
  EXPECT_TRUE(is_older(tenant, &live));
  EXPECT_EQ(recover(tenant, &live, false).position, 9U);
}

TEST(Recover, ACounterPastTheLastNumberMakesNoFileOlder) {
  layout::LiveSlot live{.next = 101, .generation = 1, .sequence = 5, .reserved = {}};
  const ScannedTenant tenant{.definition = {Kind::kFixedLength, 2, 0, 1},
                             .record = {.strategy = StrategyId::kPreBase},
                             .sequence = 4};
  EXPECT_FALSE(is_older(tenant, &live));
  live.next = 100;
  EXPECT_TRUE(is_older(tenant, &live));
}

TEST(Recover, AFileOlderThanItsCountersGoesOnWhereTheyAre) {
  testing_support::SeededRandom random(1);
  testing_support::MemoryLive live;
  ManualClock clock;
  testing_support::MemoryStorage storage(testing_support::small_file(random));
  std::vector<std::byte> copy;
  {
    const auto state = std::move(*StateFile::open(storage, live, clock, "memory"));
    Registry registry(*state, clock);
    const auto view = registry.make_view();
    registry.define(*view, "a", counting_from(0), StrategyId::kElegantClose);
    for (int draws = 0; draws < 9; ++draws) {
      Cell& cell = *view->find("a");
      cell.draw(1);
      registry.want_raise(cell);
      while (registry.begin_flush()) registry.end_flush();
      if (draws == 4) copy.assign(storage.bytes().begin(), storage.bytes().end());
    }
  }
  testing_support::MemoryStorage restored(copy);
  const auto state = std::move(*StateFile::open(restored, live, clock, "memory"));
  const auto tenants = state->tenants();
  ASSERT_EQ(tenants.size(), 1U);
  EXPECT_EQ(tenants[0].record, (BoundRecord{9, 9, 0, StrategyId::kElegantClose}));
}

}  // namespace
}  // namespace number_dispenser
