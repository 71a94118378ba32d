#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

#include "number_dispenser/resp/buffer.h"
#include "number_dispenser/resp/reply.h"

namespace number_dispenser {
namespace {

using namespace std::string_literals;

template <class Write>
std::string written(Protocol protocol, Write write) {
  Buffer out;
  ReplyWriter reply(out, protocol);
  write(reply);
  return std::string(out.view());
}

template <class Write>
void expect_reply(std::string_view resp2, std::string_view resp3, Write write) {
  EXPECT_EQ(written(Protocol::kResp2, write), resp2);
  EXPECT_EQ(written(Protocol::kResp3, write), resp3);
}

template <class Write>
void expect_same_in_both(std::string_view expected, Write write) {
  expect_reply(expected, expected, write);
}

TEST(ReplyWriter, SimpleStringsAndErrorsAreLines) {
  expect_same_in_both("+OK\r\n", [](ReplyWriter& r) { r.simple("OK"); });
  expect_same_in_both("+\r\n", [](ReplyWriter& r) { r.simple(""); });
  expect_same_in_both("-ERR dispenser not found\r\n",
                      [](ReplyWriter& r) { r.error("ERR dispenser not found"); });
}

TEST(ReplyWriter, LineBreaksInALineBecomeSpacesSoThatNoReplyCanBeForged) {
  expect_same_in_both("-ERR unknown command 'a  :1 '\r\n",
                      [](ReplyWriter& r) { r.error("ERR unknown command 'a\r\n:1\n'"); });
  expect_same_in_both("+a  b\r\n", [](ReplyWriter& r) { r.simple("a\r\nb"); });
}

TEST(ReplyWriter, IntegersOfAllSizes) {
  expect_same_in_both(":0\r\n", [](ReplyWriter& r) { r.integer(0); });
  expect_same_in_both(":-1\r\n", [](ReplyWriter& r) { r.integer(-1); });
  expect_same_in_both(":9223372036854775807\r\n",
                      [](ReplyWriter& r) { r.integer(std::numeric_limits<int64_t>::max()); });
  expect_same_in_both(":-9223372036854775808\r\n",
                      [](ReplyWriter& r) { r.integer(std::numeric_limits<int64_t>::min()); });
}

TEST(ReplyWriter, BulkStringsCarryAnyBytes) {
  expect_same_in_both("$0\r\n\r\n", [](ReplyWriter& r) { r.bulk(""); });
  expect_same_in_both("$5\r\na\0\r\nb\r\n"s, [](ReplyWriter& r) { r.bulk("a\0\r\nb"s); });
  const std::string large(100'000, 'x');
  expect_same_in_both("$100000\r\n" + large + "\r\n", [&](ReplyWriter& r) { r.bulk(large); });
}

TEST(ReplyWriter, NumbersArePaddedToTheWidthAndNeverCut) {
  const auto number = [](uint64_t value, unsigned width) {
    return written(Protocol::kResp2, [&](ReplyWriter& r) { r.bulk_number(value, width); });
  };
  EXPECT_EQ(number(0, 0), "$1\r\n0\r\n");
  EXPECT_EQ(number(0, 1), "$1\r\n0\r\n");
  EXPECT_EQ(number(0, 18), "$18\r\n000000000000000000\r\n");
  EXPECT_EQ(number(42, 6), "$6\r\n000042\r\n");
  EXPECT_EQ(number(999'999, 6), "$6\r\n999999\r\n");
  EXPECT_EQ(number(1'000'000, 6), "$7\r\n1000000\r\n");
  EXPECT_EQ(number(7, 19), "$19\r\n0000000000000000007\r\n");
  EXPECT_EQ(number(9'223'372'036'854'775'807, 0), "$19\r\n9223372036854775807\r\n");
  EXPECT_EQ(number(18'446'744'073'709'551'615U, 19), "$20\r\n18446744073709551615\r\n");
}

TEST(ReplyWriter, NumbersAroundEveryPowerOfTwoAndTenAreWrittenAsToStringDoes) {
  const auto expect_number = [](uint64_t value) {
    const std::string digits = std::to_string(value);
    for (unsigned width = 0; width <= 19; ++width) {
      const std::string padded =
          std::string(digits.size() < width ? width - digits.size() : 0, '0') + digits;
      ASSERT_EQ(written(Protocol::kResp3, [&](ReplyWriter& r) { r.bulk_number(value, width); }),
                "$" + std::to_string(padded.size()) + "\r\n" + padded + "\r\n");
    }
  };
  for (unsigned bit = 0; bit < 64; ++bit)
    for (uint64_t value : {(uint64_t{1} << bit) - 1, uint64_t{1} << bit}) expect_number(value);
  uint64_t power = 1;
  for (int i = 0; i < 20; ++i, power *= 10)
    for (uint64_t value : {power - 1, power, power + 1}) expect_number(value);
}

TEST(ReplyWriterDeathTest, AWidthThatNoDispenserHasAborts) {
  EXPECT_DEATH(written(Protocol::kResp2, [](ReplyWriter& r) { r.bulk_number(1, 20); }), "width 20");
}

TEST(ReplyWriter, TypesThatResp2LacksAreWrittenAsRedisWritesThem) {
  expect_reply("$-1\r\n", "_\r\n", [](ReplyWriter& r) { r.null(); });
  expect_reply("*-1\r\n", "_\r\n", [](ReplyWriter& r) { r.null_array(); });
  expect_reply(":1\r\n", "#t\r\n", [](ReplyWriter& r) { r.boolean(true); });
  expect_reply(":0\r\n", "#f\r\n", [](ReplyWriter& r) { r.boolean(false); });
  expect_reply("$4\r\na\r\nb\r\n", "=8\r\ntxt:a\r\nb\r\n",
               [](ReplyWriter& r) { r.verbatim("a\r\nb"); });
  expect_reply("$0\r\n\r\n", "=4\r\ntxt:\r\n", [](ReplyWriter& r) { r.verbatim(""); });
}

TEST(ReplyWriter, AggregatesAnnounceTheirElements) {
  expect_same_in_both("*0\r\n", [](ReplyWriter& r) { r.array(0); });
  expect_same_in_both("*12\r\n", [](ReplyWriter& r) { r.array(12); });
  expect_reply("*14\r\n", "%7\r\n", [](ReplyWriter& r) { r.map(7); });
  expect_reply("*0\r\n", "%0\r\n", [](ReplyWriter& r) { r.map(0); });
  expect_reply("*3\r\n", "~3\r\n", [](ReplyWriter& r) { r.set(3); });
  expect_reply("*2\r\n", ">2\r\n", [](ReplyWriter& r) { r.push(2); });
}

TEST(ReplyWriter, RepliesFollowOneAnotherInTheBuffer) {
  expect_reply("+OK\r\n$2\r\n07\r\n*2\r\n$1\r\nk\r\n:1\r\n",
               "+OK\r\n$2\r\n07\r\n%1\r\n$1\r\nk\r\n:1\r\n", [](ReplyWriter& r) {
                 r.simple("OK");
                 r.bulk_number(7, 2);
                 r.map(1);
                 r.bulk("k");
                 r.integer(1);
               });
}

}  // namespace
}  // namespace number_dispenser
