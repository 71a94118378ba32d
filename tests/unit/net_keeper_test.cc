// The keeper, one flush at a time, on a disk in memory.
#include <gtest/gtest.h>

#include <cerrno>
#include <vector>

#include "machine.h"
#include "number_dispenser/net/keeper.h"

namespace number_dispenser {
namespace {

class KeeperTest : public testing::Test {
 protected:
  KeeperTest() {
    keeper = std::make_unique<Keeper>(machine.registry(), machine.state(), machine.storage,
                                      machine.clock);
  }

  testing_support::Machine machine{1};
  std::unique_ptr<Keeper> keeper;
};

TEST_F(KeeperTest, TheWatcherHearsHowLongEachFlushTook) {
  std::vector<uint64_t> heard;
  keeper->watch_flushes([&](uint64_t took_ns) { heard.push_back(took_ns); });
  for (const uint64_t took_ms : {30, 0, 7}) {
    machine.registry().request_flush();
    keeper->tick();
    ASSERT_TRUE(machine.storage.flushing());
    machine.clock.advance_ms(took_ms);
    keeper->tick();
    machine.storage.end_flush();
  }
  EXPECT_EQ(heard, (std::vector<uint64_t>{30'000'000, 0, 7'000'000}));
}

TEST_F(KeeperTest, AFlushThatFailedIsNotHeardOfAndIsTheLast) {
  int heard = 0;
  keeper->watch_flushes([&](uint64_t) { ++heard; });
  machine.registry().request_flush();
  keeper->tick();
  machine.storage.end_flush(-EIO);
  EXPECT_EQ(heard, 0);
  EXPECT_TRUE(keeper->failed());
  EXPECT_FALSE(machine.registry().issuing());
  machine.registry().request_flush();
  keeper->tick();
  EXPECT_FALSE(machine.storage.flushing());
}

}  // namespace
}  // namespace number_dispenser
