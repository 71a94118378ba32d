#include "number_dispenser/resp/reply.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>

#include "number_dispenser/base/check.h"

namespace number_dispenser {
namespace {

constexpr size_t kMaxDigits = 20;  // of a uint64_t, or of an int64_t with its sign
constexpr size_t kMaxHeader = 1 + kMaxDigits + 2;

constexpr auto kPowersOfTen = [] {
  std::array<uint64_t, kMaxDigits> powers{1};
  for (size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}();

// log10(2) is 1233 / 4096, nearly: what that says is right or one too few. Zero has as many digits
// as one, and no other number gains one from becoming odd.
size_t count_digits(uint64_t value) {
  value |= 1;
  const auto fewest = static_cast<size_t>(std::bit_width(value) * 1233 >> 12);
  return fewest + (value >= kPowersOfTen[fewest] ? 1 : 0);
}

char* put_crlf(char* at) {
  std::memcpy(at, "\r\n", 2);
  return at + 2;
}

template <class Integer>
char* put_header(char* at, char type, Integer value) {
  *at++ = type;
  return put_crlf(std::to_chars(at, at + kMaxDigits, value).ptr);
}

}  // namespace

void ReplyWriter::header(char type, int64_t value) {
  char* const start = out_.reserve(kMaxHeader);
  out_.commit(static_cast<size_t>(put_header(start, type, value) - start));
}

void ReplyWriter::line(char type, std::string_view text) {
  char* const start = out_.reserve(text.size() + 3);
  *start = type;
  char* const end = std::transform(text.begin(), text.end(), start + 1,
                                   [](char c) { return c == '\r' || c == '\n' ? ' ' : c; });
  put_crlf(end);
  out_.commit(text.size() + 3);
}

void ReplyWriter::simple(std::string_view text) {
  line('+', text);
}

void ReplyWriter::error(std::string_view text) {
  line('-', text);
}

void ReplyWriter::integer(int64_t value) {
  header(':', value);
}

void ReplyWriter::bulk(std::string_view bytes) {
  char* const start = out_.reserve(kMaxHeader + bytes.size() + 2);
  char* at = put_header(start, '$', bytes.size());
  at = std::copy(bytes.begin(), bytes.end(), at);
  out_.commit(static_cast<size_t>(put_crlf(at) - start));
}

void ReplyWriter::bulk_number(uint64_t value, unsigned width) {
  ND_CHECK(width < kMaxDigits, "width {}", width);
  const size_t digits = count_digits(value);
  const size_t length = std::max<size_t>(digits, width);
  char* const start = out_.reserve(kMaxHeader + kMaxDigits + 2);
  char* const at = put_header(start, '$', static_cast<unsigned>(length));
  std::memset(at, '0', kMaxDigits);  // of a constant size, and overwritten where there are digits
  std::to_chars(at + (length - digits), at + length, value);
  out_.commit(static_cast<size_t>(put_crlf(at + length) - start));
}

void ReplyWriter::verbatim(std::string_view text) {
  if (protocol_ == Protocol::kResp2) return bulk(text);
  constexpr std::string_view kFormat = "txt:";
  header('=', static_cast<int64_t>(kFormat.size() + text.size()));
  out_.append(kFormat);
  out_.append(text);
  out_.append("\r\n");
}

void ReplyWriter::null() {
  out_.append(protocol_ == Protocol::kResp2 ? "$-1\r\n" : "_\r\n");
}

void ReplyWriter::null_array() {
  out_.append(protocol_ == Protocol::kResp2 ? "*-1\r\n" : "_\r\n");
}

void ReplyWriter::boolean(bool value) {
  if (protocol_ == Protocol::kResp2) return integer(value ? 1 : 0);
  out_.append(value ? "#t\r\n" : "#f\r\n");
}

void ReplyWriter::array(size_t elements) {
  header('*', static_cast<int64_t>(elements));
}

void ReplyWriter::map(size_t pairs) {
  if (protocol_ == Protocol::kResp2) return array(2 * pairs);
  header('%', static_cast<int64_t>(pairs));
}

void ReplyWriter::set(size_t elements) {
  header(protocol_ == Protocol::kResp2 ? '*' : '~', static_cast<int64_t>(elements));
}

void ReplyWriter::push(size_t elements) {
  header(protocol_ == Protocol::kResp2 ? '*' : '>', static_cast<int64_t>(elements));
}

}  // namespace number_dispenser
