#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "number_dispenser/dispenser/cell.h"
#include "number_dispenser/dispenser/kind.h"

namespace number_dispenser {
namespace {

Definition fixed(unsigned length, uint64_t starting, uint64_t step) {
  return {Kind::kFixedLength, static_cast<uint8_t>(length), starting, step};
}
Definition counting(uint64_t starting, uint64_t step) {
  return {Kind::kIncrementing, 0, starting, step};
}

// The last number a definition issues.
uint64_t last_number(const Definition& definition) {
  return definition.starting + (capacity_of(definition) - 1) * definition.step;
}

TEST(Kind, ANameHasBytesThatAreSeenAndNotTooMany) {
  for (const std::string_view name : {"a", "!", "~", "order.number:2024", "\xc3\xa4"})
    EXPECT_TRUE(is_valid_name(name)) << name;
  EXPECT_TRUE(is_valid_name(std::string(kLongestName, 'n')));
  EXPECT_FALSE(is_valid_name(std::string(kLongestName + 1, 'n')));
  EXPECT_FALSE(is_valid_name(""));
  for (const char bad : {'\0', '\t', '\n', '\x1f', ' ', '\x7f'})
    EXPECT_FALSE(is_valid_name(std::string("a") + bad + "b")) << static_cast<int>(bad);
}

TEST(Kind, FixedLengthOneEndsAtNine) {
  EXPECT_EQ(capacity_of(fixed(1, 0, 1)), 10U);
  EXPECT_EQ(last_number(fixed(1, 0, 1)), 9U);
  EXPECT_EQ(capacity_of(fixed(1, 9, 1)), 1U);
}

TEST(Kind, FixedLengthEighteenEndsAtEighteenNines) {
  EXPECT_EQ(capacity_of(fixed(18, 0, 1)), 1'000'000'000'000'000'000U);
  EXPECT_EQ(last_number(fixed(18, 999'999'999'999'999'999, 1)), 999'999'999'999'999'999U);
}

TEST(Kind, AStepThatJumpsPastTheLastNumberIssuesWhatIsBeforeIt) {
  EXPECT_EQ(capacity_of(fixed(2, 0, 7)), 15U);
  EXPECT_EQ(last_number(fixed(2, 0, 7)), 98U);
  EXPECT_EQ(capacity_of(fixed(1, 5, 100)), 1U);
  EXPECT_EQ(capacity_of(counting(0, kMaxNumber)), 2U);
  EXPECT_EQ(last_number(counting(0, kMaxNumber)), kMaxNumber);
  EXPECT_EQ(capacity_of(counting(1, kMaxNumber)), 1U);
}

TEST(Kind, IncrementingEndsAtTheLargestSignedNumber) {
  EXPECT_EQ(capacity_of(counting(0, 1)), uint64_t{1} << 63);
  EXPECT_EQ(last_number(counting(kMaxNumber - 3, 1)), kMaxNumber);
  EXPECT_EQ(last_number(counting(kMaxNumber - 3, 2)), kMaxNumber - 1);
  EXPECT_EQ(capacity_of(counting(kMaxNumber, 1)), 1U);
}

TEST(Kind, NoCapacityLetsANumberPassTheLargest) {
  constexpr uint64_t kInteresting[] = {
      0,         1, 2, 9, 10, 99, 1'000'000'007, kMaxNumber / 2, kMaxNumber / 2 + 1, kMaxNumber - 1,
      kMaxNumber};
  using Wide = unsigned __int128;
  for (unsigned length = 0; length <= kMaxLength; ++length)
    for (const uint64_t starting : kInteresting)
      for (const uint64_t step : kInteresting) {
        Definition definition =
            length == 0 ? counting(starting, step) : fixed(length, starting, step);
        if (!is_valid(definition)) continue;
        const Wide capacity = capacity_of(definition);
        const Wide largest = largest_number(definition);
        const auto number = [&](Wide ordinal) { return starting + ordinal * step; };
        ASSERT_GE(capacity, 1U);
        EXPECT_LE(number(capacity - 1), largest);
        EXPECT_GT(number(capacity), largest);
      }
}

TEST(Kind, RandomRangesHaveNoLeadingZero) {
  EXPECT_EQ(random_range(1).first, 1U);
  EXPECT_EQ(random_range(1).count, 9U);
  EXPECT_EQ(random_range(2).first, 10U);
  EXPECT_EQ(random_range(2).count, 90U);
  EXPECT_EQ(random_range(18).first, 100'000'000'000'000'000U);
  EXPECT_EQ(random_range(18).first + random_range(18).count, 1'000'000'000'000'000'000U);
  EXPECT_EQ(capacity_of({Kind::kRandom, 1, 0, 0}), kNoLimit);
}

TEST(Kind, ValidIsWhatHsetAccepts) {
  EXPECT_TRUE(is_valid({Kind::kRandom, 18, 0, 0}));
  EXPECT_TRUE(is_valid(fixed(18, 999'999'999'999'999'999, kMaxNumber)));
  EXPECT_TRUE(is_valid(counting(kMaxNumber, 1)));
  for (const Definition& wrong :
       {Definition{Kind::kRandom, 0, 0, 0}, Definition{Kind::kRandom, 19, 0, 0},
        Definition{Kind::kRandom, 2, 1, 0}, Definition{Kind::kRandom, 2, 0, 1}, fixed(0, 0, 1),
        fixed(19, 0, 1), fixed(1, 10, 1), fixed(2, 0, 0), fixed(2, 0, kMaxNumber + 1),
        counting(kMaxNumber + 1, 1), counting(0, 0), Definition{Kind::kIncrementing, 1, 0, 1},
        Definition{static_cast<Kind>(0), 1, 0, 1}, Definition{static_cast<Kind>(4), 1, 0, 1}})
    EXPECT_FALSE(is_valid(wrong)) << static_cast<int>(wrong.kind) << ' ' << wrong.length << ' '
                                  << wrong.starting << ' ' << wrong.step;
}

TEST(CellDraw, StopsAtTheCapacityAndStaysThere) {
  std::atomic<uint64_t> next{0};
  Cell cell;
  cell.next = &next;
  cell.limit = 3;
  EXPECT_EQ(cell.draw(2), 0U);
  EXPECT_EQ(cell.draw(2), std::nullopt) << "a draw is whole or nothing";
  EXPECT_EQ(cell.draw(1), 2U);
  EXPECT_EQ(cell.draw(1), std::nullopt);
  EXPECT_EQ(next.load(), 3U);
}

TEST(CellDraw, HasWhatADrawWouldTake) {
  std::atomic<uint64_t> next{0};
  Cell cell;
  cell.next = &next;
  cell.limit = 3;
  EXPECT_TRUE(cell.has(3));
  EXPECT_FALSE(cell.has(4));
  // A draw may run ahead of a limit that is taken back meanwhile.
  next = 5;
  EXPECT_FALSE(cell.has(1));
}

TEST(CellDraw, AHugeCountDoesNotWrap) {
  std::atomic<uint64_t> next{10};
  Cell cell;
  cell.next = &next;
  cell.limit = kNoLimit;
  EXPECT_EQ(cell.draw(kNoLimit - 5), std::nullopt);
  EXPECT_EQ(cell.draw(kNoLimit), std::nullopt);
  EXPECT_EQ(next.load(), 10U);
}

TEST(CellNumber, TheLastOfTheHighestDispenserIsTheLargestNumber) {
  Cell cell;
  cell.starting = kMaxNumber - 9;
  cell.step = 3;
  EXPECT_EQ(cell.number(3), kMaxNumber);
}

}  // namespace
}  // namespace number_dispenser
