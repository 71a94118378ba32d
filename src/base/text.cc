#include "number_dispenser/base/text.h"

#include <algorithm>
#include <charconv>
#include <ranges>

namespace number_dispenser {

std::string lower_case(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), to_lower);
  return result;
}

std::string upper_case(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), to_upper);
  return result;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, to_lower, to_lower);
}

std::optional<uint64_t> parse_count(std::string_view text) {
  uint64_t count = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, count);
  if (parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
  return count;
}

std::expected<std::vector<double>, std::string> parse_percentiles(std::string_view text) {
  std::vector<double> list;
  for (const auto part : std::views::split(text, ' ')) {
    const std::string_view word(part.begin(), part.end());
    if (word.empty()) continue;
    double percent = 0;
    const auto [end, fault] = std::from_chars(word.data(), word.data() + word.size(), percent);
    if (fault != std::errc() || end != word.data() + word.size())
      return std::unexpected("Invalid latency-tracking-info-percentiles parameters");
    if (!(percent >= 0 && percent <= 100))
      return std::unexpected(
          "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]");
    list.push_back(percent);
  }
  return list;
}

}  // namespace number_dispenser
