// Every limit of the decoder below, at and above its edge, whole and byte by byte.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "number_dispenser/resp/decoder.h"
#include "resp_decoded.h"

namespace number_dispenser {
namespace {

using namespace std::string_literals;
using Outcome = RequestDecoder::Outcome;

constexpr size_t kInline = 65536;
constexpr size_t kRequest = 1048576;
const DecoderLimits kStranger{.authenticated = false};

std::string text_of(const Decoded& decoded) {
  if (decoded.outcome == Outcome::kNeedMore)
    return decoded.requests.empty() ? "more"
                                    : "requests " + std::to_string(decoded.requests.size());
  return decoded.error;
}

// Split into a few large pieces and one-byte ones around the end, where the limits lie.
void expect(const std::string& input, const std::string& expected,
            const DecoderLimits& limits = {}) {
  const std::string shown = input.substr(0, 40) + "... of " + std::to_string(input.size());
  EXPECT_EQ(text_of(decode_whole(input, limits)), expected) << shown;
  std::vector<size_t> sizes{input.size() / 2, input.size() - input.size() / 2};
  const size_t tail = std::min<size_t>(sizes[1], 50);
  sizes[1] -= tail;
  sizes.insert(sizes.end(), tail, 1);
  EXPECT_EQ(text_of(decode_split(input, sizes, limits)), expected) << shown << ", split";
}

TEST(DecoderLimits, AnInlineRequestHasAtMost65536BytesBeforeItsLineFeed) {
  const std::string tooBig = "ERR Protocol error: too big inline request";
  expect(std::string(kInline, 'a'), "more");
  expect(std::string(kInline + 1, 'a'), tooBig);
  expect(std::string(kInline, 'a') + "\n", "requests 1");
  expect(std::string(kInline - 1, 'a') + "\r\n", "requests 1");
  expect(std::string(kInline, 'a') + "\r\n", tooBig);
  expect(std::string(kInline + 1, ' ') + "\n", tooBig);
}

TEST(DecoderLimits, AHeaderLineHasAtMost65536BytesBeforeItsCarriageReturn) {
  const std::string count(kInline - 1, '1');
  expect("*" + count, "more");
  expect("*" + count + "1", "ERR Protocol error: too big mbulk count string");
  expect("*" + count + "\r\n", "ERR Protocol error: invalid multibulk length");
  expect("*1\r\n$" + count, "more");
  expect("*1\r\n$" + count + "1", "ERR Protocol error: too big bulk count string");
  expect("*1\r\n$" + count + "\r\n", "ERR Protocol error: invalid bulk length");
  expect("*1\r\nP" + count + "1", "ERR Protocol error: too big bulk count string");
}

TEST(DecoderLimits, ARequestHasAtMost1048576Arguments) {
  expect("*1048575\r\n", "more");
  expect("*1048576\r\n", "more");
  expect("*1048577\r\n", "ERR Protocol error: invalid multibulk length");
  expect("*9223372036854775807\r\n", "ERR Protocol error: invalid multibulk length");
}

TEST(DecoderLimits, ARequestHasAtMost1048576BytesWithItsHeaders) {
  const std::string invalid = "ERR Protocol error: invalid bulk length";
  const std::string start = "*2\r\n$4\r\nECHO\r\n$";
  // As many more bytes: the length's seven digits, and two line ends.
  const size_t most = kRequest - start.size() - 7 - 4;
  const auto request = [&](size_t size) {
    return start + std::to_string(size) + "\r\n" + std::string(size, 'x') + "\r\n";
  };
  ASSERT_EQ(request(most).size(), kRequest);
  expect(request(most - 1), "requests 1");
  expect(request(most), "requests 1");
  expect(request(most + 1), invalid);
  // Said as soon as the length is there.
  expect(start + std::to_string(most) + "\r\n", "more");
  expect(start + std::to_string(most + 1) + "\r\n", invalid);
  expect(start + "9223372036854775807\r\n", invalid);
}

TEST(DecoderLimits, ManySmallBulksEndAtTheSameLimit) {
  std::string input = "*1000000\r\n";
  while (input.size() + 6 <= kRequest) input += "$0\r\n\r\n";
  expect(input, "more");
  expect(input + "$0\r\n\r\n", "ERR Protocol error: invalid bulk length");
}

TEST(DecoderLimits, BlankLinesAndEarlierRequestsDoNotCount) {
  std::string input;
  while (input.size() < 2 * kRequest) input += "\r\n*0\r\n";
  expect(input + "PING\r\n", "requests 1");
}

TEST(DecoderLimits, StrangersMaySendTenArgumentsOf16384Bytes) {
  const std::string count = "ERR Protocol error: unauthenticated multibulk length";
  const std::string length = "ERR Protocol error: unauthenticated bulk length";
  expect("*9\r\n", "more", kStranger);
  expect("*10\r\n", "more", kStranger);
  expect("*11\r\n", count, kStranger);
  expect("*1048577\r\n", "ERR Protocol error: invalid multibulk length", kStranger);
  expect("*1\r\n$16383\r\n", "more", kStranger);
  expect("*1\r\n$16384\r\n" + std::string(16384, 'x') + "\r\n", "requests 1", kStranger);
  expect("*1\r\n$16385\r\n", length, kStranger);
  expect("*1\r\n$1048577\r\n", "ERR Protocol error: invalid bulk length", kStranger);
}

TEST(DecoderLimits, AuthenticationRaisesThemFromTheNextRequestOn) {
  RequestDecoder decoder;
  decoder.limits() = kStranger;
  std::vector<std::string_view> arguments;
  ASSERT_EQ(decoder.decode("*1\r\n$4\r\nAUTH\r\n", arguments), Outcome::kRequest);
  decoder.limits().authenticated = true;
  EXPECT_EQ(decoder.decode("*11\r\n$20000\r\n", arguments), Outcome::kNeedMore);
}

}  // namespace
}  // namespace number_dispenser
