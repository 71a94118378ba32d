#include "text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace number_dispenser {
namespace {

// Compares as the caller wants letters compared.
class GlobMatcher {
 public:
  explicit GlobMatcher(bool match_case) : match_case_(match_case) {}

  // One element of the pattern, no star, against `c`; moves `pattern` behind it.
  bool element(std::string_view& pattern, char c) const {
    const char first = pattern.front();
    pattern.remove_prefix(1);
    if (first == '?') return true;
    if (first == '[') return set(pattern, fold(c));
    if (first != '\\' || pattern.empty()) return fold(first) == fold(c);
    const char literal = pattern.front();
    pattern.remove_prefix(1);
    return fold(literal) == fold(c);
  }

 private:
  char fold(char c) const { return match_case_ ? c : to_lower(c); }

  // The set after '['; moves `pattern` behind the ']'.
  bool set(std::string_view& pattern, char c) const {
    const bool negated = pattern.starts_with('^');
    if (negated) pattern.remove_prefix(1);
    bool found = false;
    while (!pattern.empty() && pattern.front() != ']') {
      if (pattern.front() == '\\' && pattern.size() > 1) pattern.remove_prefix(1);
      const char low = fold(pattern.front());
      char high = low;
      pattern.remove_prefix(1);
      if (pattern.size() >= 2 && pattern.front() == '-') {
        high = fold(pattern[1]);
        pattern.remove_prefix(2);
      }
      if (std::min(low, high) <= c && c <= std::max(low, high)) found = true;
    }
    if (!pattern.empty()) pattern.remove_prefix(1);
    return found != negated;
  }

  bool match_case_;
};

}  // namespace

std::optional<int64_t> parse_signed(std::string_view text) {
  int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
  return value;
}

// Goes back to the last star only, so that it takes at most pattern x text steps.
bool glob_matches(std::string_view pattern, std::string_view text, bool match_case) {
  const GlobMatcher matcher(match_case);
  std::optional<std::string_view> after_star;
  std::string_view star_text;
  while (!text.empty()) {
    if (pattern.starts_with('*')) {
      pattern.remove_prefix(1);
      after_star = pattern;
      star_text = text;
      continue;
    }
    if (!pattern.empty() && matcher.element(pattern, text.front())) {
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
  std::ranges::replace_if(
      result, [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return result;
}

std::string escaped(std::string_view word) {
  constexpr std::string_view kNamed = "\n\r\t\a\b";
  constexpr std::string_view kNames = "nrtab";
  std::string text = "\"";
  for (const char c : word) {
    if (c == '"' || c == '\\') {
      text += '\\';
      text += c;
    } else if (const size_t named = kNamed.find(c); named != std::string_view::npos) {
      text += '\\';
      text += kNames[named];
    } else if (c >= ' ' && c <= '~') {
      text += c;
    } else {
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return text += '"';
}

}  // namespace number_dispenser
