#include <gtest/gtest.h>

#include "number_dispenser/base/text.h"

namespace number_dispenser {
namespace {

TEST(Text, OnlyAsciiLettersHaveTwoCases) {
  EXPECT_EQ(lower_case("AbZ09|\xc4_"), "abz09|\xc4_");
  EXPECT_EQ(upper_case("aBz09|\xe4_"), "ABZ09|\xe4_");
  EXPECT_TRUE(equals_ignoring_case("LogLevel", "lOGlEVEL"));
  EXPECT_FALSE(equals_ignoring_case("log", "logs"));
  EXPECT_FALSE(equals_ignoring_case("[", "{")) << "which differ in the bit that letters differ in";
}

TEST(Text, PercentilesAreNumbersUpTo100) {
  EXPECT_EQ(parse_percentiles("50 99.9"), (std::vector<double>{50, 99.9}));
  EXPECT_EQ(parse_percentiles("  0   100 "), (std::vector<double>{0, 100}));
  EXPECT_EQ(parse_percentiles(""), std::vector<double>());
  for (const char* wrong : {"x", "50,99", "50 99x", "--1", "1e999"})
    EXPECT_EQ(parse_percentiles(wrong).error(),
              "Invalid latency-tracking-info-percentiles parameters")
        << wrong;
  for (const char* wrong : {"-0.1", "50 100.1", "nan", "inf"})
    EXPECT_EQ(parse_percentiles(wrong).error(),
              "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]")
        << wrong;
}

}  // namespace
}  // namespace number_dispenser
