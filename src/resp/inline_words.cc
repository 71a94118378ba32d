#include "inline_words.h"

#include <algorithm>

namespace number_dispenser {
namespace {

// isspace(3) in the C locale.
bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

// A vertical tab or a form feed separates words, but does not end one. (A line has no line feed.)
bool ends_word(char c) {
  return c == ' ' || c == '\r' || c == '\t';
}

bool is_quote(char c) {
  return c == '"' || c == '\'';
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char unescape(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return c;
  }
}

// These two start behind the quote that opens, write to `out` and return what is behind the one
// that closes, or nullptr if there is none.
const char* read_double_quoted(const char* at, const char* end, char*& out) {
  while (at != end && *at != '"') {
    if (*at != '\\' || end - at < 2) {
      *out++ = *at++;
    } else if (end - at >= 4 && at[1] == 'x' && hex_digit(at[2]) >= 0 && hex_digit(at[3]) >= 0) {
      *out++ = static_cast<char>(hex_digit(at[2]) * 16 + hex_digit(at[3]));
      at += 4;
    } else {
      *out++ = unescape(at[1]);
      at += 2;
    }
  }
  return at == end ? nullptr : at + 1;
}

const char* read_single_quoted(const char* at, const char* end, char*& out) {
  while (at != end && *at != '\'') {
    if (*at == '\\' && end - at >= 2 && at[1] == '\'') ++at;
    *out++ = *at++;
  }
  return at == end ? nullptr : at + 1;
}

}  // namespace

bool split_words(std::string_view line, std::vector<std::string_view>& words,
                 std::unique_ptr<char[]>& unquoted) {
  const char* at = line.data();
  const char* const end = at + line.size();
  char* out = nullptr;
  for (;;) {
    while (at != end && is_space(*at)) ++at;
    if (at == end) return true;
    const char* const start = at;
    while (at != end && !ends_word(*at) && !is_quote(*at)) ++at;
    if (at == end || !is_quote(*at)) {
      words.emplace_back(start, static_cast<size_t>(at - start));
      continue;
    }
    if (out == nullptr) {
      // No escape is shorter than what it stands for.
      unquoted = std::make_unique_for_overwrite<char[]>(line.size());
      out = unquoted.get();
    }
    const char* const word = out;
    out = std::copy(start, at, out);
    at = *at == '"' ? read_double_quoted(at + 1, end, out) : read_single_quoted(at + 1, end, out);
    if (at == nullptr || (at != end && !is_space(*at))) return false;
    words.emplace_back(word, static_cast<size_t>(out - word));
  }
}

}  // namespace number_dispenser
