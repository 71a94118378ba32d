#include "number_dispenser/resp/decoder.h"

#include <strings.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <string>

#include "inline_words.h"

namespace number_dispenser {
namespace {

constexpr size_t kNowhere = std::numeric_limits<size_t>::max();

// As redis's string2ll: no space, no plus, no leading zero, no "-0", nothing behind the digits.
bool parse_integer(std::string_view text, int64_t& value) {
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.empty() || digits.front() < '0' || digits.front() > '9') return false;
  if (digits.front() == '0' && text.size() > 1) return false;
  const char* const end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, value);
  return code == std::errc() && stop == end;
}

// The length that nearly every header has: one to seven digits, the first not zero, and CR LF.
// Returns the bytes that this takes, or 0: read it with more care.
inline size_t parse_plain_length(std::string_view text, int64_t& value) {
  constexpr size_t kMaxDigits = 7;
  const size_t size = std::min(text.size(), kMaxDigits + 2);
  if (size < 3) return 0;
  unsigned digit = static_cast<unsigned char>(text[0]) - unsigned{'0'};
  if (digit - 1 > 8) return 0;
  unsigned number = digit;
  for (size_t i = 1; i + 1 < size; ++i) {
    digit = static_cast<unsigned char>(text[i]) - unsigned{'0'};
    if (digit > 9) {
      value = number;
      return text[i] == '\r' ? i + 2 : 0;
    }
    number = number * 10 + digit;
  }
  return 0;
}

bool is_http(std::string_view word) {
  const auto is = [word](std::string_view name) {
    return word.size() == name.size() && ::strncasecmp(word.data(), name.data(), name.size()) == 0;
  };
  return is("post") || is("host:");
}

}  // namespace

// A line such as "*2" or "$8".
struct RequestDecoder::Header {
  State state = State::kPartial;
  int64_t length = 0;
  size_t end = 0;  // behind its CR LF
};

RequestDecoder::Outcome RequestDecoder::decode(std::string_view input,
                                               std::vector<std::string_view>& arguments) {
  arguments.clear();
  owned_.reset();
  consumed_ = 0;
  while (consumed_ < input.size()) {
    const std::string_view rest = input.substr(consumed_);
    const Outcome outcome =
        rest.front() == '*' ? read_array(rest, arguments) : read_inline(rest, arguments);
    if (outcome != Outcome::kRequest) {
      arguments.clear();
      return outcome;
    }
    if (!arguments.empty()) return outcome;
  }
  return Outcome::kNeedMore;
}

// An empty request ("*0") is kRequest without arguments.
RequestDecoder::Outcome RequestDecoder::read_array(std::string_view input,
                                                   std::vector<std::string_view>& arguments) {
  const bool resumed = position_ != 0;
  Outcome outcome = read_bulks(input, arguments);
  if (outcome == Outcome::kRequest && resumed) {
    // The bulks of earlier calls may have moved. To read all of them once more, now that the last
    // has come, is linear too and needs no memory for where they were.
    arguments.clear();
    position_ = looked_ = 0;
    outcome = read_bulks(input, arguments);
  }
  if (outcome == Outcome::kRequest) finish(position_);
  return outcome;
}

// Goes on from position_, and moves it behind the last bulk that is there as a whole.
RequestDecoder::Outcome RequestDecoder::read_bulks(std::string_view input,
                                                   std::vector<std::string_view>& arguments) {
  if (position_ == 0) {
    const Header header = read_header(input, 0, '*');
    if (header.state == State::kPartial) return Outcome::kNeedMore;
    if (header.state == State::kTooLong)
      return fail("ERR Protocol error: too big mbulk count string");
    if (header.state == State::kNoNumber || header.length > limits_.arguments)
      return fail("ERR Protocol error: invalid multibulk length");
    if (!limits_.authenticated && header.length > limits_.unauthenticated_arguments)
      return fail("ERR Protocol error: unauthenticated multibulk length");
    position_ = header.end;
    bulks_left_ = header.length;
  }
  for (; bulks_left_ > 0; --bulks_left_) {
    const Header header = read_header(input, position_, '$');
    if (header.state != State::kLength) return refuse_bulk(header.state, input, position_);
    if (header.length < 0 || header.end + 2 > limits_.request_bytes ||
        static_cast<size_t>(header.length) > limits_.request_bytes - header.end - 2)
      return fail("ERR Protocol error: invalid bulk length");
    if (!limits_.authenticated && header.length > limits_.unauthenticated_bulk_bytes)
      return fail("ERR Protocol error: unauthenticated bulk length");
    const auto length = static_cast<size_t>(header.length);
    if (input.size() - header.end < length + 2) return Outcome::kNeedMore;
    arguments.emplace_back(input.data() + header.end, length);
    position_ = header.end + length + 2;
  }
  return Outcome::kRequest;
}

RequestDecoder::Outcome RequestDecoder::refuse_bulk(State state, std::string_view input,
                                                    size_t start) {
  switch (state) {
    case State::kTooLong:
      return fail("ERR Protocol error: too big bulk count string");
    case State::kWrongType:
      return fail_type(input[start]);
    case State::kNoNumber:
      return fail("ERR Protocol error: invalid bulk length");
    default:
      return Outcome::kNeedMore;
  }
}

inline RequestDecoder::Header RequestDecoder::read_header(std::string_view input, size_t start,
                                                          char type) {
  if (start < input.size() && input[start] == type) [[likely]] {
    Header header{.state = State::kLength};
    const size_t bytes = parse_plain_length(input.substr(start + 1), header.length);
    header.end = start + 1 + bytes;
    if (bytes != 0) [[likely]]
      return header;
  }
  return search_header(input, start, type);
}

RequestDecoder::Header RequestDecoder::search_header(std::string_view input, size_t start,
                                                     char type) {
  const size_t cr = find_in_line(input, start, '\r');
  if (cr == kNowhere)
    return {.state =
                input.size() - start > limits_.inline_bytes ? State::kTooLong : State::kPartial};
  if (input.size() - cr < 2) return {.state = State::kPartial};
  if (input[start] != type) return {.state = State::kWrongType};
  Header header{.state = State::kLength, .end = cr + 2};
  if (!parse_integer(input.substr(start + 1, cr - start - 1), header.length))
    header.state = State::kNoNumber;
  return header;
}

RequestDecoder::Outcome RequestDecoder::read_inline(std::string_view input,
                                                    std::vector<std::string_view>& arguments) {
  const size_t lf = find_in_line(input, 0, '\n');
  if (lf == kNowhere) {
    if (input.size() > limits_.inline_bytes)
      return fail("ERR Protocol error: too big inline request");
    return Outcome::kNeedMore;
  }
  // A CR before the LF is a blank like others.
  if (!split_words(input.substr(0, lf), arguments, owned_))
    return fail("ERR Protocol error: unbalanced quotes in request");
  if (!arguments.empty() && is_http(arguments.front())) return Outcome::kAbort;
  finish(lf + 1);
  return Outcome::kRequest;
}

// Where the first `wanted` of the line at `start` is, if within the limit; does not look twice at a
// byte over several calls.
size_t RequestDecoder::find_in_line(std::string_view input, size_t start, char wanted) {
  const size_t left = input.size() - start;
  const size_t stop = left > limits_.inline_bytes ? start + limits_.inline_bytes + 1 : input.size();
  const size_t from = std::max(looked_, start);
  if (from < stop) {
    const void* const found = std::memchr(input.data() + from, wanted, stop - from);
    looked_ = found ? static_cast<size_t>(static_cast<const char*>(found) - input.data()) : stop;
    if (found) return looked_;
  }
  return kNowhere;
}

void RequestDecoder::finish(size_t bytes) {
  consumed_ += bytes;
  looked_ = position_ = 0;
}

RequestDecoder::Outcome RequestDecoder::fail(std::string_view text) {
  error_ = text;
  return Outcome::kError;
}

RequestDecoder::Outcome RequestDecoder::fail_type(char got) {
  std::string text = "ERR Protocol error: expected '$', got ' '";
  if (got != '\r' && got != '\n') text[text.size() - 2] = got;
  owned_ = std::make_unique_for_overwrite<char[]>(text.size());
  std::memcpy(owned_.get(), text.data(), text.size());
  return fail({owned_.get(), text.size()});
}

}  // namespace number_dispenser
