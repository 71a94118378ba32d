// Small text helpers that several layers share. No locale: letters are those of ASCII.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace number_dispenser {

constexpr char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
constexpr char to_upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}
std::string lower_case(std::string_view text);
std::string upper_case(std::string_view text);
bool equals_ignoring_case(std::string_view a, std::string_view b);

// Decimal digits and nothing else, below 2^64.
std::optional<uint64_t> parse_count(std::string_view text);

// Numbers from 0 to 100 with spaces between them, none at all included. An error is in Redis's
// words for its setting latency-tracking-info-percentiles.
std::expected<std::vector<double>, std::string> parse_percentiles(std::string_view text);

}  // namespace number_dispenser
