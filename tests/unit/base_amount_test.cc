#include <gtest/gtest.h>

#include "number_dispenser/base/amount.h"

namespace number_dispenser {
namespace {

TEST(AmountTest, BytesTakeRedisUnitsInAnyCase) {
  EXPECT_EQ(parse_bytes("0"), 0u);
  EXPECT_EQ(parse_bytes("17b"), 17u);
  EXPECT_EQ(parse_bytes("2k"), 2'000u);
  EXPECT_EQ(parse_bytes("2KB"), 2'048u);
  EXPECT_EQ(parse_bytes("3m"), 3'000'000u);
  EXPECT_EQ(parse_bytes("3Mb"), 3u << 20);
  EXPECT_EQ(parse_bytes("4g"), 4'000'000'000u);
  EXPECT_EQ(parse_bytes("4gb"), 4ull << 30);
}

TEST(AmountTest, WhatIsNoAmountOfBytesIsRefused) {
  for (const char* text : {"", "b", "mb", "-1", "+1", " 1", "1 ", "1.5gb", "1tb", "1%",
                           "99999999999999999999", "99999999999gb"})
    EXPECT_EQ(parse_bytes(text), std::nullopt) << text;
}

TEST(AmountTest, AShareIsBytesOrAPercentageOfWhatThereIs) {
  EXPECT_EQ(parse_memory_share("64mb")->of(1000), 64u << 20);
  EXPECT_EQ(parse_memory_share("0")->of(1000), 0u);
  EXPECT_EQ(parse_memory_share("25%")->of(1000), 250u);
  EXPECT_EQ(parse_memory_share("100%")->of(UINT64_MAX), UINT64_MAX / 100 * 100);
  EXPECT_EQ(to_text(*parse_memory_share("25%")), "25%");
  EXPECT_EQ(to_text(*parse_memory_share("1kb")), "1024");
  for (const char* text : {"0%", "101%", "%", "-1%", "2.5%", "5 %"})
    EXPECT_EQ(parse_memory_share(text), std::nullopt) << text;
}

TEST(AmountTest, AnOutputLimitComesBackAsItWasWritten) {
  const OutputLimit limit{1 << 20, 65'536, 30};
  EXPECT_EQ(parse_output_limit("normal 1mb 64kb 30"), limit);
  EXPECT_EQ(parse_output_limit("  NORMAL  1048576 65536  30 "), limit);
  EXPECT_EQ(parse_output_limit(to_text(limit)), limit);
  EXPECT_EQ(to_text(OutputLimit{}), "normal 0 0 0");
}

TEST(AmountTest, WhatIsNoOutputLimitIsRefused) {
  for (const char* text : {"", "normal", "normal 1 2", "normal 1 2 3 4", "1 2 3", "pubsub 1 2 3",
                           "normal 1 2 3s", "normal x 2 3"})
    EXPECT_EQ(parse_output_limit(text), std::nullopt) << text;
}

}  // namespace
}  // namespace number_dispenser
