// Inline commands: how a line falls into words. The table is what redis-server 7.0.15 makes of the
// same lines (sent as EVAL "return ARGV" 0 <line>).
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "number_dispenser/resp/decoder.h"
#include "resp_decoded.h"

namespace number_dispenser {
namespace {

using namespace std::string_literals;
using Outcome = RequestDecoder::Outcome;
using Words = std::vector<std::string>;

struct Line {
  std::string line;
  Words words;
};

TEST(InlineCommand, LinesFallIntoWords) {
  const Line table[] = {
      {"GET order_id", {"GET", "order_id"}},
      {"  GET\t order_id  ", {"GET", "order_id"}},
      {"\v\fGET \va", {"GET", "a"}},
      {"a\vb\fc", {"a\vb\fc"}},  // these two do not end a word
      {"GET\rorder_id", {"GET", "order_id"}},
      {"\xff\x80 \x01", {"\xff\x80", "\x01"}},
      {"a\\nb \\x41", {"a\\nb", "\\x41"}},  // no escapes outside quotes
      {"a*1 $3", {"a*1", "$3"}},
      {"a\0b c"s, {"a\0b"s, "c"}},
      // double quotes
      {R"("")", {""}},
      {R"("" "")", {"", ""}},
      {R"("a b" c)", {"a b", "c"}},
      {R"(a"b c")", {"ab c"}},
      {R"("it's")", {"it's"}},
      {R"("\n\r\t\b\a")", {"\n\r\t\b\a"}},
      {R"("\"\\\'\q\ ")", {"\"\\'q "}},
      {R"("\x00\x41\xfF\Xff")", {"\0A\xffXff"s}},
      {R"("\x4" "\xg1" "\x1g" "\x")", {"x4", "xg1", "x1g", "x"}},
      {R"("\x4142")", {"A42"}},
      {"\"a\"\tb\r", {"a", "b"}},
      {"\"a\"\vb", {"a", "b"}},
      // single quotes
      {"''", {""}},
      {"'a b' c", {"a b", "c"}},
      {"a'b c'", {"ab c"}},
      {R"('it\'s')", {"it's"}},
      {R"('\n\x41\\"')", {R"(\n\x41\\")"}},
      {R"('a' "b" c 'd e')", {"a", "b", "c", "d e"}},
  };
  for (const auto& [line, words] : table) {
    for (const std::string end : {"\n", "\r\n"}) {
      const Decoded expected{.requests = {words}};
      EXPECT_EQ(decode_whole(line + end), expected) << line;
      EXPECT_EQ(decode_split(line + end, std::vector<size_t>(line.size() + 1, 1)), expected)
          << line;
    }
  }
}

TEST(InlineCommand, UnbalancedQuotesAreAnError) {
  for (const std::string line : {R"(")", R"('')'", R"("a)", R"(a")", R"("a\")", R"("a\)", R"('a\')",
                                 R"("a"b)", R"("a""b")", R"('a'b)", R"('a'"b")", R"(GET "a" 'b)"}) {
    const Decoded decoded = decode_whole(line + "\r\n");
    EXPECT_EQ(decoded.outcome, Outcome::kError) << line;
    EXPECT_EQ(decoded.error, "ERR Protocol error: unbalanced quotes in request") << line;
  }
}

TEST(InlineCommand, ABackslashAtTheEndOfAnOpenQuoteIsAnError) {
  for (const char* line : {"\"a\\\n", "'a\\\n", "'a\\b\n"})
    EXPECT_EQ(decode_whole(line).outcome, Outcome::kError) << line;
}

TEST(InlineCommand, QuotesStillOpenAtTheEndOfALineDoNotSpanLines) {
  EXPECT_EQ(decode_whole("GET \"a\r\nb\"\r\n").outcome, Outcome::kError);
}

TEST(InlineCommand, OnlyOneCarriageReturnBelongsToTheLineEnd) {
  EXPECT_EQ(decode_whole("\"a\"\r\r\n"), (Decoded{.requests = {{"a"}}}));
  EXPECT_EQ(decode_whole("\r\r\nPING\r\n"), (Decoded{.requests = {{"PING"}}}));
}

TEST(InlineCommand, AnArrayMayFollowALineAndALineAnArray) {
  EXPECT_EQ(decode_whole("PING\r\n*1\r\n$4\r\nPING\r\nPING\n"),
            (Decoded{.requests = {{"PING"}, {"PING"}, {"PING"}}}));
}

}  // namespace
}  // namespace number_dispenser
