// What scan() and recover() make of any bytes.
#include <gtest/gtest.h>

#include "machine.h"
#include "state_bytes.h"

namespace number_dispenser {
namespace {

using layout::BoundSlot;
using layout::Descriptor;
using testing_support::counting_from;
using testing_support::header_of;
using testing_support::Machine;
using testing_support::put_header;
using testing_support::read_at;
using testing_support::seal_at;

using Bytes = std::vector<std::byte>;

// A file with dispensers in slots 0 to 2, as a killed process left it.
class ScanTest : public testing::Test {
 protected:
  ScanTest() {
    Machine machine(3);
    machine.define("first", counting_from(0), StrategyId::kPreBase);
    machine.define("second", counting_from(10, 3), StrategyId::kElegantClose);
    machine.define("third", {Kind::kRandom, 6, 0, 0}, StrategyId::kMemory);
    machine.settle();
    for (const char* name : {"first", "second", "third"}) machine.draw_and_settle(name, 40);
    file.assign(machine.storage.bytes().begin(), machine.storage.bytes().end());
    machine.kill();
  }
  void flip(uint64_t offset, unsigned bit = 0) { file[offset] ^= std::byte{1} << bit; }
  // The refusal's text.
  std::string refusal() const {
    const auto found = scan(file);
    EXPECT_FALSE(found.has_value());
    return found ? "" : found.error();
  }
  void expect_refusal(std::initializer_list<std::string_view> parts) const {
    const std::string text = refusal();
    for (const std::string_view part : parts)
      EXPECT_NE(text.find(part), std::string::npos) << part << " is not in: " << text;
  }
  // One note, and all three dispensers.
  void expect_survived(std::string_view part) const {
    const auto found = scan(file);
    ASSERT_TRUE(found) << found.error();
    EXPECT_EQ(found->tenants.size(), 3U);
    ASSERT_EQ(found->notes.size(), 1U);
    EXPECT_NE(found->notes[0].find(part), std::string::npos) << found->notes[0];
  }
  static constexpr std::string_view kRemedy = "restore the data directory from a backup";

  Bytes file;
};

TEST_F(ScanTest, FindsWhatWasDefined) {
  const auto found = scan(file);
  ASSERT_TRUE(found) << found.error();
  ASSERT_EQ(found->tenants.size(), 3U);
  EXPECT_EQ(found->tenants[1].name, "second");
  EXPECT_EQ(found->tenants[1].definition, counting_from(10, 3));
  EXPECT_EQ(found->tenants[1].record, (BoundRecord{40, 40, 0, StrategyId::kElegantClose}));
  EXPECT_EQ(found->free_slots.size(), 61U);
  EXPECT_TRUE(found->notes.empty());
}

TEST_F(ScanTest, TruncatedAtAnyInterestingLengthIsRefused) {
  const Bytes whole = file;
  for (const uint64_t length :
       {uint64_t{0}, uint64_t{1}, uint64_t{127}, uint64_t{128}, uint64_t{2048}, uint64_t{2176},
        uint64_t{4095}, uint64_t{4096}, uint64_t{4097}, layout::descriptor_offset(1),
        layout::bound_offset(0, 0), layout::bound_offset(0, 1), whole.size() - 4096,
        whole.size() - 512, whole.size() - 1}) {
    file.assign(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length));
    expect_refusal({"truncated", std::to_string(length) + " bytes", kRemedy});
  }
}

TEST_F(ScanTest, LongerThanItsHeaderSaysIsAnUnfinishedGrowth) {
  file.resize(file.size() + layout::kExtentBytes, std::byte{0xff});
  const auto found = scan(file);
  ASSERT_TRUE(found) << found.error();
  EXPECT_EQ(found->tenants.size(), 3U);
}

TEST_F(ScanTest, ForeignBytesAreRefused) {
  std::fill(file.begin(), file.begin() + 4096, std::byte{0});
  expect_refusal({"not a number-dispenser state file"});
}

TEST_F(ScanTest, AnotherVersionNamesBoth) {
  layout::Header header = header_of(file);
  header.version = 1;
  put_header(file, header);
  expect_refusal({"layout version 1", "reads version 2", "run the version"});
}

TEST_F(ScanTest, TheOtherByteOrderIsSaidAsSuch) {
  layout::Header header = header_of(file);
  header.byte_order = __builtin_bswap32(header.byte_order);
  header.version = __builtin_bswap32(header.version);
  put_header(file, header);
  expect_refusal({"the other byte order"});
}

TEST_F(ScanTest, SizesOfAnotherLayoutAreRefused) {
  for (int field = 0; field < 4; ++field) {
    layout::Header header = header_of(file);
    (field == 0   ? header.page_bytes
     : field == 1 ? header.slots_per_extent
     : field == 2 ? header.descriptor_bytes
                  : header.bound_bytes) *= 2;
    Bytes changed = file;
    put_header(changed, header);
    EXPECT_FALSE(scan(changed));
  }
  layout::Header header = header_of(file);
  header.extents = ~uint64_t{0} / layout::kExtentBytes;  // its size would overflow
  put_header(file, header);
  EXPECT_FALSE(scan(file));
}

TEST_F(ScanTest, OneHeaderCopyIsEnough) {
  const Bytes whole = file;
  flip(offsetof(layout::Header, epoch));
  expect_survived("header copy 1 (offset 0)");
  file = whole;
  flip(layout::kHeaderCopyOffset + offsetof(layout::Header, id));
  expect_survived("header copy 2 (offset 2048)");
  flip(offsetof(layout::Header, epoch));
  expect_refusal({"header (offsets 0 and 2048): wrong checksum", kRemedy});
}

TEST_F(ScanTest, TheNewerHeaderCopyIsTaken) {
  layout::Header header = header_of(file);
  header.epoch += 5;
  ++header.sequence;
  seal_at(std::span(file), layout::kHeaderCopyOffset, header);
  EXPECT_EQ(scan(file)->header.epoch, header.epoch);
}

TEST_F(ScanTest, AFlippedStateWordIsRefusedWithSlotOffsetAndRemedy) {
  flip(layout::descriptor_offset(1), 3);
  expect_refusal({"slot 1 (offset 4352)", "state word is damaged", kRemedy});
  flip(layout::descriptor_offset(1), 3);
  flip(layout::descriptor_offset(60), 7);
  expect_refusal({"slot 60 (offset 19456)", "state word"});
}

TEST_F(ScanTest, AFlippedDescriptorIsRefusedWithSlotOffsetAndRemedy) {
  flip(layout::descriptor_offset(2) + offsetof(Descriptor, name) + 1);
  expect_refusal({"slot 2 (offset 4608)", "definition is damaged", kRemedy});
}

TEST_F(ScanTest, AWellSealedDefinitionThatNoHsetMakesIsRefused) {
  auto descriptor = read_at<Descriptor>(file, layout::descriptor_offset(0));
  descriptor.step = 0;
  seal_at(std::span(file), layout::descriptor_offset(0), descriptor, sizeof descriptor.state);
  expect_refusal({"slot 0", "definition is damaged"});
}

TEST_F(ScanTest, AWellSealedNameOfNoLengthOrTooMuchIsRefused) {
  const uint64_t offset = layout::descriptor_offset(1);
  for (const uint8_t bytes : {uint8_t{0}, uint8_t{129}, uint8_t{255}}) {
    auto descriptor = read_at<Descriptor>(file, offset);
    descriptor.name_bytes = bytes;
    seal_at(file, offset, descriptor, sizeof descriptor.state);
    expect_refusal({"slot 1", "definition is damaged"});
  }
}

TEST_F(ScanTest, AWellSealedNameThatNoHsetTakesIsRefused) {
  const uint64_t offset = layout::descriptor_offset(1);
  auto descriptor = read_at<Descriptor>(file, offset);
  descriptor.name[2] = '\n';
  seal_at(file, offset, descriptor, sizeof descriptor.state);
  expect_refusal({"slot 1", "definition is damaged"});
}

TEST_F(ScanTest, OneDamagedBoundCopyIsSurvivedAndSaid) {
  const Bytes whole = file;
  for (const unsigned copy : {0U, 1U}) {
    file = whole;
    flip(layout::bound_offset(1, copy) + offsetof(BoundSlot, bound));
    expect_survived("slot 1 (second): bound record copy " + std::to_string(copy + 1) + " (offset " +
                    std::to_string(layout::bound_offset(1, copy)) + ")");
    EXPECT_EQ(scan(file)->tenants[1].record.bound, 40U);
  }
}

TEST_F(ScanTest, BothBoundCopiesDamagedIsRefused) {
  flip(layout::bound_offset(1, 0) + offsetof(BoundSlot, bound));
  flip(layout::bound_offset(1, 1) + offsetof(BoundSlot, wasted));
  expect_refusal({"slot 1 (offset " + std::to_string(layout::bound_offset(1, 0)) + ")",
                  "both bound records of dispenser second are damaged", kRemedy});
}

TEST_F(ScanTest, TheLargerValidBoundIsTakenWhicheverCopyHasIt) {
  for (const unsigned copy : {0U, 1U}) {
    Bytes changed = file;
    auto record = read_at<BoundSlot>(file, layout::bound_offset(1, copy));
    record.bound += 100;
    --record.sequence;  // also where it is the older one: a retraction was under way
    seal_at(std::span(changed), layout::bound_offset(1, copy), record);
    const auto found = scan(changed);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->tenants[1].record.bound, 140U) << copy;
    EXPECT_EQ(found->tenants[1].record.position, 40U) << copy;
  }
}

TEST_F(ScanTest, BetweenEqualBoundsTheLaterRecordIsTaken) {
  for (const unsigned copy : {0U, 1U}) {
    Bytes changed = file;
    auto record = read_at<BoundSlot>(file, layout::bound_offset(1, copy));
    record.wasted = 7;
    ++record.sequence;
    seal_at(std::span(changed), layout::bound_offset(1, copy), record);
    EXPECT_EQ(scan(changed)->tenants[1].record.wasted, 7U) << copy;
  }
}

TEST_F(ScanTest, ABoundRecordOfAnEarlierTenantIsNotTaken) {
  auto record = read_at<BoundSlot>(file, layout::bound_offset(1, 0));
  --record.generation;
  record.bound += 1000;
  seal_at(std::span(file), layout::bound_offset(1, 0), record);
  expect_survived("slot 1");
  EXPECT_EQ(scan(file)->tenants[1].record.bound, 40U);
}

TEST_F(ScanTest, ARecordThatBreaksItsInvariantsIsDamage) {
  const auto good = read_at<BoundSlot>(file, layout::bound_offset(1, 0));
  auto wasted = good, position = good, strategy = good, beyond = good;
  wasted.wasted = good.position + 1;
  position.position = good.bound + 1;
  strategy.strategy = 5;
  beyond.bound = kMaxNumber;
  for (const BoundSlot& record : {wasted, position, strategy, beyond}) {
    seal_at(std::span(file), layout::bound_offset(1, 0), record);
    expect_survived("slot 1");
  }
}

TEST_F(ScanTest, ANameInTwoSlotsIsRefused) {
  for (const uint64_t offset :
       {layout::descriptor_offset(0), layout::bound_offset(0, 0), layout::bound_offset(0, 1)}) {
    const bool descriptor = offset == layout::descriptor_offset(0);
    const uint64_t bytes = descriptor ? layout::kDescriptorBytes : layout::kBoundBytes;
    std::copy_n(file.begin() + static_cast<ptrdiff_t>(offset), bytes,
                file.begin() + static_cast<ptrdiff_t>(offset + 9 * bytes));
  }
  expect_refusal({"slot 9", "dispenser first is also in slot 0", kRemedy});
}

// Whatever single bit rots: refused with a reason, or everything is there with no bound lower than
// before.
TEST_F(ScanTest, EverySingleFlippedBitIsRefusedOrHarmless) {
  const auto before = scan(file);
  uint64_t refused = 0;
  for (uint64_t offset = 0; offset < file.size(); ++offset) {
    // Free slots are alike: one of them stands for all.
    if (offset >= layout::descriptor_offset(4) && offset < layout::bound_offset(0, 0)) continue;
    for (unsigned bit = 0; bit < 8; ++bit) {
      flip(offset, bit);
      const auto found = scan(file);
      flip(offset, bit);
      if (!found) {
        ++refused;
        ASSERT_NE(found.error().find("slot "), std::string::npos)
            << offset << ": " << found.error();
        ASSERT_NE(found.error().find("offset "), std::string::npos) << found.error();
        ASSERT_NE(found.error().find(kRemedy), std::string::npos) << found.error();
        continue;
      }
      ASSERT_EQ(found->tenants.size(), before->tenants.size()) << offset;
      for (size_t at = 0; at < found->tenants.size(); ++at) {
        ASSERT_EQ(found->tenants[at].definition, before->tenants[at].definition);
        ASSERT_EQ(found->tenants[at].generation, before->tenants[at].generation);
        ASSERT_GE(found->tenants[at].record.bound, before->tenants[at].record.bound) << offset;
      }
      ASSERT_EQ(found->header.epoch, before->header.epoch);
    }
  }
  // Three descriptors in use, and one state word.
  EXPECT_EQ(refused, 8 * (3 * layout::kDescriptorBytes + sizeof(uint64_t)));
}

TEST_F(ScanTest, CountersOfMoreThanTheFileHasAreOfMissingDispensers) {
  const auto found = scan(file);
  ASSERT_TRUE(found) << found.error();
  const uint64_t slots = found->header.extents * layout::kSlotsPerExtent;
  Bytes counters(layout::live_bytes(found->header.extents + 1));
  const auto line = [&](uint64_t slot) {
    return reinterpret_cast<layout::LiveSlot*>(counters.data() + sizeof(layout::LiveHeader)) + slot;
  };
  for (const ScannedTenant& tenant : found->tenants)
    line(tenant.slot)->generation = tenant.generation;
  EXPECT_FALSE(lag_of(*found, file, counters).any());
  ++line(found->tenants[0].slot)->generation;  // deleted since, and its slot used again
  line(slots - 1)->generation = 1;
  line(slots)->generation = 1;  // in growth that the file has not
  EXPECT_EQ(lag_of(*found, file, counters).missing, 3U);
  EXPECT_FALSE(lag_of(*found, file, {}).any());
}

}  // namespace
}  // namespace number_dispenser
