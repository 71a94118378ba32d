// Power cuts during starts: each tears one sector, and none makes the next start refuse.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "machine.h"
#include "memory_live.h"
#include "state_bytes.h"

namespace number_dispenser {
namespace {

using testing_support::counting_from;
using testing_support::Machine;
using testing_support::MemoryLive;

using Bytes = std::vector<std::byte>;

// A disk whose power may go in any flush: `cut` is shown what may then be on it.
class CuttableDisk final : public Storage {
 public:
  explicit CuttableDisk(Bytes initial) : memory_(initial), disk_(std::move(initial)) {}

  std::byte* data() override { return memory_.data(); }
  uint64_t size() const override { return memory_.size(); }
  uint64_t place() const override { return 1; }
  Result<void> flush_now() override {
    if (fails) return fail_errno(ExitStatus::kIoError, "flush", EIO);
    for (uint64_t sector = 0; cut && sector < disk_.size(); sector += kSectorBytes) tear(sector);
    disk_ = memory_;
    return {};
  }
  void start_flush(Operation&) override { FAIL() << "no loop runs"; }
  void start_growth(Operation&, uint64_t) override { FAIL() << "no loop runs"; }

  std::function<void(const Bytes&)> cut;
  bool fails = false;

 private:
  static constexpr uint64_t kSectorBytes = 512;

  // Of all that the flush was to write, the first or last words of one sector are there.
  void tear(uint64_t sector) {
    if (std::equal(&disk_[sector], &disk_[sector] + kSectorBytes, &memory_[sector])) return;
    for (uint64_t split = 8; split < kSectorBytes; split += 8)
      for (const bool first : {true, false}) {
        Bytes image = disk_;
        const uint64_t begin = sector + (first ? 0 : split);
        std::copy_n(&memory_[begin], first ? split : kSectorBytes - split, &image[begin]);
        cut(image);
      }
  }

  Bytes memory_;
  Bytes disk_;
};

// As a power cut has left it: two dispensers, the second of which was at work.
Bytes file_after_power_cut() {
  Machine machine(5);
  for (const char* name : {"a", "b"}) {
    machine.define(name, counting_from(0), StrategyId::kElegantClose);
    machine.settle();
    machine.draw_and_settle(name, 3);
  }
  const auto bytes = machine.storage.bytes();
  Bytes file(bytes.begin(), bytes.end());
  machine.kill();
  return file;
}

Result<std::unique_ptr<StateFile>> start(Storage& disk) {
  MemoryLive live;
  ManualClock clock;
  return StateFile::open(disk, live, clock, "memory");
}

void expect_next_starts_work(const Bytes& image, int more_cuts) {
  CuttableDisk disk(image);
  // All of them, twice over, would take minutes.
  size_t cuts = 0;
  if (more_cuts > 0)
    disk.cut = [&](const Bytes& torn) {
      if (++cuts % 5 == 0) expect_next_starts_work(torn, more_cuts - 1);
    };
  const auto started = start(disk);
  ASSERT_TRUE(started.has_value()) << started.error().message;
}

TEST(Repair, PowerCutsInTwoStartsInARowAreSurvived) {
  expect_next_starts_work(file_after_power_cut(), 2);
}

TEST(Repair, ATornCopyIsGoodAndDurableBeforeTheOtherIsWritten) {
  for (const unsigned torn : {0u, 1u}) {
    Bytes file = file_after_power_cut();
    file[layout::bound_offset(0, torn) + 8] ^= std::byte{1};
    CuttableDisk disk(std::move(file));
    disk.cut = [](const Bytes& image) {
      const auto found = scan(image);
      EXPECT_TRUE(found.has_value()) << found.error();
    };
    EXPECT_TRUE(start(disk).has_value());
  }
}

TEST(Repair, ATornHeaderIsGoodAndDurableBeforeTheOtherIsWritten) {
  for (const uint64_t torn : {uint64_t{0}, uint64_t{layout::kHeaderCopyOffset}}) {
    Bytes file = file_after_power_cut();
    file[torn + offsetof(layout::Header, epoch)] ^= std::byte{1};
    CuttableDisk disk(std::move(file));
    disk.cut = [](const Bytes& image) {
      const auto found = scan(image);
      EXPECT_TRUE(found.has_value()) << found.error();
    };
    EXPECT_TRUE(start(disk).has_value());
  }
}

TEST(Repair, ARepairThatCannotBeFlushedIsRefused) {
  Bytes file = file_after_power_cut();
  file[layout::bound_offset(0, 1)] ^= std::byte{1};
  CuttableDisk disk(std::move(file));
  disk.fails = true;
  const auto refused = start(disk);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().status, ExitStatus::kIoError);
}

}  // namespace
}  // namespace number_dispenser
