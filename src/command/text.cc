#include "text.h"

#include <algorithm>
#include <charconv>

namespace number_dispenser {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

template <class Number>
std::optional<Number> parse_whole(std::string_view text) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The set after '[' in `pattern`; moves `pattern` behind the ']'.
bool set_matches(std::string_view& pattern, char c) {
  const bool negated = pattern.starts_with('^');
  if (negated) pattern.remove_prefix(1);
  bool found = false;
  while (!pattern.empty() && pattern.front() != ']') {
    if (pattern.front() == '\\' && pattern.size() > 1) pattern.remove_prefix(1);
    const char low = lower(pattern.front());
    char high = low;
    pattern.remove_prefix(1);
    if (pattern.size() >= 2 && pattern.front() == '-') {
      high = lower(pattern[1]);
      pattern.remove_prefix(2);
    }
    if (std::min(low, high) <= c && c <= std::max(low, high)) found = true;
  }
  if (!pattern.empty()) pattern.remove_prefix(1);
  return found != negated;
}

// One element of the pattern, no star; moves `pattern` behind it.
bool element_matches(std::string_view& pattern, char c) {
  const char element = pattern.front();
  pattern.remove_prefix(1);
  if (element == '?') return true;
  if (element == '[') return set_matches(pattern, c);
  if (element != '\\' || pattern.empty()) return lower(element) == c;
  const char literal = pattern.front();
  pattern.remove_prefix(1);
  return lower(literal) == c;
}

}  // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::string lower_case(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), lower);
  return result;
}

std::optional<uint64_t> parse_number(std::string_view text) { return parse_whole<uint64_t>(text); }

std::optional<int64_t> parse_signed(std::string_view text) { return parse_whole<int64_t>(text); }

// Goes back to the last star only, so that it takes at most pattern x text steps.
bool glob_matches(std::string_view pattern, std::string_view text) {
  std::optional<std::string_view> after_star;
  std::string_view star_text;
  while (!text.empty()) {
    if (pattern.starts_with('*')) {
      pattern.remove_prefix(1);
      after_star = pattern;
      star_text = text;
      continue;
    }
    if (!pattern.empty() && element_matches(pattern, lower(text.front()))) {
      text.remove_prefix(1);
      continue;
    }
    if (!after_star) return false;
    pattern = *after_star;
    star_text.remove_prefix(1);
    text = star_text;
  }
  return std::ranges::all_of(pattern, [](char c) { return c == '*'; });
}

std::string printable(std::string_view text, size_t longest) {
  std::string result(text.substr(0, longest));
  std::ranges::replace_if(result, [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return result;
}

}  // namespace number_dispenser
