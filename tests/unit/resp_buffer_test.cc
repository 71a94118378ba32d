#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "number_dispenser/resp/buffer.h"

namespace number_dispenser {
namespace {

TEST(Buffer, EmptyOneHoldsNoMemory) {
  const Buffer buffer;
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(buffer.capacity(), 0u);
  EXPECT_EQ(buffer.view(), "");
}

TEST(Buffer, AppendingNothingAllocatesNothing) {
  Buffer buffer;
  buffer.append({});
  EXPECT_EQ(buffer.capacity(), 0u);
}

TEST(Buffer, BytesComeOutInTheOrderTheyWentInWhateverTheSizes) {
  Buffer buffer;
  std::string expected;
  size_t taken = 0;
  for (size_t i = 0; i < 5000; ++i) {
    const std::string piece((i * 7919) % 97, static_cast<char>('a' + i % 26));
    buffer.append(piece);
    expected += piece;
    const size_t drop = std::min(buffer.size(), (i * 104729) % 89);
    buffer.consume(drop);
    taken += drop;
    ASSERT_EQ(buffer.view(), std::string_view(expected).substr(taken)) << "step " << i;
  }
}

TEST(Buffer, ReservedButUncommittedBytesAreNotPartOfIt) {
  Buffer buffer;
  std::memcpy(buffer.reserve(1000), "abcdef", 6);
  buffer.commit(3);
  EXPECT_EQ(buffer.view(), "abc");
  EXPECT_GE(buffer.capacity(), 1000u);
}

TEST(Buffer, TruncateDropsTheEndAndKeepsTheFront) {
  Buffer buffer;
  buffer.append("0123456789");
  buffer.consume(2);
  buffer.truncate(3);
  EXPECT_EQ(buffer.view(), "234");
  buffer.append("x");
  EXPECT_EQ(buffer.view(), "234x");
}

TEST(Buffer, ConsumedFrontIsUsedAgainBeforeMemoryGrows) {
  Buffer buffer;
  buffer.append(std::string(64, 'a'));
  const size_t capacity = buffer.capacity();
  for (int i = 0; i < 1000; ++i) {
    buffer.append(std::string(64, 'b'));
    buffer.consume(64);
    ASSERT_EQ(buffer.size(), 64u);
  }
  EXPECT_EQ(buffer.capacity(), capacity);
}

TEST(Buffer, AFewConsumedBytesDoNotMakeItMoveAllTheOthers) {
  Buffer buffer;
  buffer.append(std::string(1000, 'a'));
  buffer.append(std::string(buffer.capacity() - buffer.size(), 'b'));
  const size_t capacity = buffer.capacity();
  buffer.consume(1);
  buffer.append("c");
  EXPECT_GT(buffer.capacity(), capacity);
  EXPECT_EQ(buffer.size(), capacity);
}

TEST(Buffer, GrowthIsGeometricSoThatAppendingIsLinear) {
  Buffer buffer;
  size_t reallocations = 0;
  for (size_t last = 0, i = 0; i < 1'000'000; ++i) {
    buffer.append("x");
    if (buffer.capacity() != last) ++reallocations;
    last = buffer.capacity();
  }
  EXPECT_LE(reallocations, 14u);
  EXPECT_LE(buffer.capacity(), 2'100'000u);
}

TEST(Buffer, ReleaseGivesTheMemoryBackAndItCanBeUsedAgain) {
  Buffer buffer;
  buffer.append(std::string(100'000, 'a'));
  buffer.release();
  EXPECT_EQ(buffer.capacity(), 0u);
  EXPECT_TRUE(buffer.empty());
  buffer.append("again");
  EXPECT_EQ(buffer.view(), "again");
}

TEST(BufferDeathTest, TakingMoreThanThereIsAborts) {
  Buffer buffer;
  buffer.append("abc");
  EXPECT_DEATH(buffer.consume(4), "4 of 3");
  EXPECT_DEATH(buffer.truncate(4), "4 of 3");
  EXPECT_DEATH(buffer.commit(buffer.capacity()), "broken invariant");
}

TEST(Buffer, ConsumedAndThenCutToNothingItStartsAtTheFrontAgain) {
  Buffer buffer;
  buffer.append(std::string(200, 'a'));
  const size_t capacity = buffer.capacity();
  buffer.consume(100);
  buffer.truncate(0);
  buffer.append(std::string(capacity, 'b'));
  EXPECT_EQ(buffer.view(), std::string(capacity, 'b'));
  EXPECT_EQ(buffer.capacity(), capacity);
}

}  // namespace
}  // namespace number_dispenser
