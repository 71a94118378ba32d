#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "number_dispenser/resp/decoder.h"
#include "resp_decoded.h"

namespace number_dispenser {
namespace {

using namespace std::string_literals;
using Outcome = RequestDecoder::Outcome;
using Words = std::vector<std::string>;

const Decoded kNothing{};

Decoded requests(std::vector<Words> expected) {
  return {.requests = std::move(expected)};
}

Decoded refused(std::string text) {
  return {.outcome = Outcome::kError, .error = "ERR Protocol error: " + std::move(text)};
}

std::string bulk(std::string_view bytes) {
  return "$" + std::to_string(bytes.size()) + "\r\n" + std::string(bytes) + "\r\n";
}

TEST(RequestDecoder, AnArrayOfBulksIsARequest) {
  EXPECT_EQ(decode_whole("*2\r\n$3\r\nGET\r\n$8\r\norder_id\r\n"), requests({{"GET", "order_id"}}));
}

TEST(RequestDecoder, ConsumedIsTheRequestAndNotWhatFollows) {
  RequestDecoder decoder;
  std::vector<std::string_view> arguments;
  const std::string_view input = "*1\r\n$4\r\nPING\r\nGET a\r\n";
  EXPECT_EQ(decoder.decode(input, arguments), Outcome::kRequest);
  EXPECT_EQ(decoder.consumed(), 14u);
  EXPECT_EQ(decoder.decode(input.substr(14), arguments), Outcome::kRequest);
  EXPECT_EQ(decoder.consumed(), 7u);
  EXPECT_EQ(decoder.decode({}, arguments), Outcome::kNeedMore);
  EXPECT_EQ(decoder.consumed(), 0u);
  EXPECT_TRUE(arguments.empty());
}

TEST(RequestDecoder, ArgumentsOfACompleteArrayPointIntoTheInput) {
  RequestDecoder decoder;
  std::vector<std::string_view> arguments;
  const std::string_view input = "*1\r\n$4\r\nPING\r\n";
  ASSERT_EQ(decoder.decode(input, arguments), Outcome::kRequest);
  EXPECT_EQ(arguments[0].data(), input.data() + 8);
}

TEST(RequestDecoder, BulksMayBeEmptyOrHoldAnyBytes) {
  const std::string binary = "\0\r\n*1\r\n$4\r\n\xff\""s;
  EXPECT_EQ(decode_whole("*3\r\n" + bulk("ECHO") + bulk("") + bulk(binary)),
            requests({{"ECHO", "", binary}}));
}

TEST(RequestDecoder, BlankLinesAndEmptyArraysArePassedOver) {
  EXPECT_EQ(decode_whole("\r\n\n  \t\r\n*0\r\n*-1\r\n*-9223372036854775808\r\nPING\r\n"),
            requests({{"PING"}}));
  RequestDecoder decoder;
  std::vector<std::string_view> arguments;
  EXPECT_EQ(decoder.decode("\r\n*0\r\n*1\r\n", arguments), Outcome::kNeedMore);
  EXPECT_EQ(decoder.consumed(), 6u);
}

TEST(RequestDecoder, AMixedPipelineIsTheSameHoweverItIsSplit) {
  const std::string pipeline = "*2\r\n$3\r\nGET\r\n$8\r\norder_id\r\n" + "GET order_id\r\n"s +
                               "\r\n*0\r\n" + "set \"a\\x00 b\" 'it\\'s'\n" + "*3\r\n" +
                               bulk("ECHO") + bulk("") + bulk("\r\n*1\r\n") + "*-1\r\n" +
                               "*1\r\n$4\r\nPING\r\n" + "PING\r\n";
  const Decoded expected = requests({{"GET", "order_id"},
                                     {"GET", "order_id"},
                                     {"set", "a\0 b"s, "it's"},
                                     {"ECHO", "", "\r\n*1\r\n"},
                                     {"PING"},
                                     {"PING"}});
  EXPECT_EQ(decode_whole(pipeline), expected);
  EXPECT_EQ(decode_split(pipeline, std::vector<size_t>(pipeline.size(), 1)), expected);
  for (size_t first = 0; first < pipeline.size(); ++first)
    for (size_t second = 0; first + second < pipeline.size(); ++second)
      ASSERT_EQ(decode_split(pipeline, {first, second}), expected) << first << ", " << second;
}

TEST(RequestDecoder, EveryPrefixOfARequestNeedsMoreAndConsumesNothing) {
  for (const std::string& request :
       {"*2\r\n$3\r\nGET\r\n$8\r\norder_id\r\n"s, "GET \"order id\"\r\n"s, "*1\r\n$0\r\n\r\n"s}) {
    for (size_t size = 0; size < request.size(); ++size) {
      RequestDecoder decoder;
      std::vector<std::string_view> arguments;
      ASSERT_EQ(decoder.decode(request.substr(0, size), arguments), Outcome::kNeedMore) << size;
      ASSERT_EQ(decoder.consumed(), 0u);
      ASSERT_TRUE(arguments.empty());
    }
  }
}

// What redis-server 7.0.15 answers to the same bytes, where its limits are these.
TEST(RequestDecoder, MalformedRequestsGetTheTextsOfRedis) {
  const struct {
    std::string input;
    Decoded expected;
  } cases[] = {
      {"*\r\n", refused("invalid multibulk length")},
      {"*-\r\n", refused("invalid multibulk length")},
      {"*-0\r\n", refused("invalid multibulk length")},
      {"*+1\r\n", refused("invalid multibulk length")},
      {"*01\r\n", refused("invalid multibulk length")},
      {"*00\r\n", refused("invalid multibulk length")},
      {"* 1\r\n", refused("invalid multibulk length")},
      {"*1 \r\n", refused("invalid multibulk length")},
      {"*1\n\r\n", refused("invalid multibulk length")},
      {"*0x1\r\n", refused("invalid multibulk length")},
      {"*9223372036854775808\r\n", refused("invalid multibulk length")},
      {"*1\r\n$\r\n", refused("invalid bulk length")},
      {"*1\r\n$-1\r\n", refused("invalid bulk length")},
      {"*1\r\n$+4\r\n", refused("invalid bulk length")},
      {"*1\r\n$04\r\n", refused("invalid bulk length")},
      {"*1\r\n$4x\r\n", refused("invalid bulk length")},
      {"*1\r\n$9223372036854775807\r\n", refused("invalid bulk length")},
      {"*1\r\n$99999999999999999999\r\n", refused("invalid bulk length")},
      {"*1\r\nPING\r\n", refused("expected '$', got 'P'")},
      {"*1\r\n\xffPING\r\n", refused("expected '$', got '\xff'")},
      {"*1\r\n\r\n", refused("expected '$', got ' '")},
      {"*1\r\n\n\r\n", refused("expected '$', got ' '")},
      {"GET \"a\r\n", refused("unbalanced quotes in request")},
      // One byte behind CR, and two behind a bulk, are not looked at; without them there is more to
      // come.
      {"*1\rX$4\rYPINGZZ", requests({{"PING"}})},
      {"*1\r", kNothing},
      {"*x\r", kNothing},
      {"*1\r\nPING\r", kNothing},
      {"*1\r\nPING", kNothing},
  };
  for (const auto& [input, expected] : cases) {
    EXPECT_EQ(decode_whole(input), expected) << input;
    EXPECT_EQ(decode_split(input, std::vector<size_t>(input.size(), 1)), expected) << input;
  }
}

TEST(RequestDecoder, AnErrorFollowsTheRequestsBeforeIt) {
  Decoded expected = refused("invalid bulk length");
  expected.requests = {{"PING"}};
  EXPECT_EQ(decode_whole("\r\nPING\r\n*1\r\n$x\r\n"), expected);
}

TEST(RequestDecoder, HttpClientsAreCutOffWithoutAReply) {
  const Decoded aborted{.outcome = Outcome::kAbort};
  EXPECT_EQ(decode_whole("POST / HTTP/1.1\r\nHost: x\r\n"), aborted);
  EXPECT_EQ(decode_whole("post\n"), aborted);
  EXPECT_EQ(decode_whole("hOST: example.com\r\n"), aborted);
  EXPECT_EQ(decode_whole("\"POST\" /\r\n"), aborted);
  EXPECT_EQ(decode_whole("POSTS\r\nHost\r\nGET Host:\r\n"),
            requests({{"POSTS"}, {"Host"}, {"GET", "Host:"}}));
}

TEST(RequestDecoder, AnIdleOneIsSmall) {
  EXPECT_LE(sizeof(RequestDecoder), 120u);
}

TEST(RequestDecoder, ManyBulksAByteAtATimeCostLinearTime) {
  // Read from the start again at each byte, they would take minutes.
  std::string request = "*149000\r\n";
  for (int i = 0; i < 149'000; ++i) request += "$1\r\na\r\n";
  RequestDecoder decoder;
  std::vector<std::string_view> arguments;
  for (size_t size = 1; size < request.size(); ++size)
    ASSERT_EQ(decoder.decode(std::string_view(request).substr(0, size), arguments),
              Outcome::kNeedMore);
  ASSERT_EQ(decoder.decode(request, arguments), Outcome::kRequest);
  EXPECT_EQ(decoder.consumed(), request.size());
  EXPECT_EQ(arguments, std::vector<std::string_view>(149'000, "a"));
}

}  // namespace
}  // namespace number_dispenser
