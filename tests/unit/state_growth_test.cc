// A state file that runs out of slots and grows.
#include <gtest/gtest.h>

#include <cerrno>

#include "machine.h"

namespace number_dispenser {
namespace {

using testing_support::counting_from;
using testing_support::MemoryLive;
using testing_support::MemoryStorage;
using testing_support::SeededRandom;

class GrowingTest : public testing::Test {
 protected:
  class Told final : public Operation {
   public:
    void on_completion(const Completion& completion) override { result = completion.result; }
    int result = 1;
  };
  static constexpr uint64_t kDispensers = 1'000'000;
  static constexpr uint64_t kCapacityBytes = uint64_t{1} << 30;

  SeededRandom random{9};
  ManualClock clock;
  MemoryStorage storage{StateFile::fresh_file(random), kCapacityBytes,
                        MemoryStorage::Memory::kForgetful};
  MemoryLive live{128 << 20};
};

TEST_F(GrowingTest, AMillionDispensersAreDefinedFoundAgainAndKept) {
  int growths = 0;
  {
    auto state = std::move(StateFile::open(storage, live, clock, "memory").value());
    Registry registry(*state, clock);
    const auto view = registry.make_view();
    Told told;
    const auto tick = [&] {
      if (state->wants_growth()) {
        storage.start_growth(told, state->growth_bytes());
        storage.end_growth();
        ++growths;
      }
      registry.adopt(*view);
      if (registry.begin_flush()) registry.end_flush();
      registry.announce(*view);
    };
    uint64_t made = 0;
    for (uint64_t ticks = 0; made < kDispensers && ticks < 20'000; ++ticks) {
      for (int batch = 0; batch < 256 && made < kDispensers; ++batch) {
        const std::string name = "d" + std::to_string(made);
        const auto change = registry.define(*view, name, counting_from(made), std::nullopt);
        if (change.outcome == Registry::Outcome::kNoRoom) break;
        ASSERT_EQ(change.outcome, Registry::Outcome::kDone);
        ++made;
      }
      tick();
    }
    ASSERT_EQ(made, kDispensers);
    for (int ticks = 0; ticks < 4; ++ticks) tick();
    for (int drawn = 0; drawn < 3; ++drawn) view->find("d999999")->draw(1);
    registry.want_raise(*view->find("d999999"));
    tick();
    EXPECT_EQ(view->find("d999999")->durable_bound.load(), 3U);
  }
  auto again = StateFile::open(storage, live, clock, "memory");
  ASSERT_TRUE(again) << again.error().message;
  const Registry registry(**again, clock);
  EXPECT_EQ(registry.size(), kDispensers);
  EXPECT_EQ(registry.info("d0")->definition, counting_from(0));
  EXPECT_EQ(registry.info("d999999")->next, 3U);
  // Each waits for the disk, so they become larger with the file, and few.
  RecordProperty("growths", growths);
  EXPECT_LE(growths, 40);
}

TEST_F(GrowingTest, SlotsRunOutOnlyBeforeTheGrowthIsTakenIn) {
  auto state = std::move(StateFile::open(storage, live, clock, "memory").value());
  EXPECT_FALSE(state->wants_growth());
  uint64_t slots = 0;
  while (state->take_slot()) ++slots;
  EXPECT_EQ(slots, 1024U);
  EXPECT_TRUE(state->wants_growth());
  Told told;
  storage.start_growth(told, state->growth_bytes());
  storage.end_growth(-ENOSPC);
  EXPECT_EQ(told.result, -ENOSPC);
  EXPECT_FALSE(state->before_flush());
  EXPECT_EQ(state->take_slot(), std::nullopt);
  storage.start_growth(told, state->growth_bytes());
  storage.end_growth();
  EXPECT_EQ(state->take_slot(), std::nullopt) << "its flush's batch has not begun";
  EXPECT_TRUE(state->before_flush());
  EXPECT_EQ(state->take_slot(), 1024U);
}

}  // namespace
}  // namespace number_dispenser
