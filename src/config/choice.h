// What rows of the option table put values into the configuration with. An error is the end of a
// sentence that begins with the row's name.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/text.h"

namespace number_dispenser {

using Applied = std::expected<void, std::string>;

inline constexpr std::pair<std::string_view, bool> kYesNo[] = {
    {"yes", true}, {"no", false}, {"true", true}, {"false", false}};

template <class Value, size_t N>
Applied choose(const std::pair<std::string_view, Value> (&choices)[N], std::string_view text,
               Value& out) {
  for (const auto& [name, value] : choices) {
    if (text != name) continue;
    out = value;
    return {};
  }
  std::vector<std::string_view> names;
  for (const auto& [name, value] : choices) names.push_back(name);
  return std::unexpected(fmt::format("{} is not one of {}", quoted(text), fmt::join(names, ", ")));
}

template <class Value, size_t N>
std::string name_of(const std::pair<std::string_view, Value> (&choices)[N], Value value) {
  const auto* found = std::ranges::find(choices, value, [](const auto& row) { return row.second; });
  return std::string(found->first);
}

// Decimal digits, with a minus sign where Number has negative ones.
template <class Number>
Applied choose_number(std::string_view text, Number least, Number most, Number& out) {
  Number number = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec != std::errc{} || parsed.ptr != end || number < least || number > most)
    return std::unexpected(
        fmt::format("{} is not a number from {} to {}", quoted(text), least, most));
  out = number;
  return {};
}

inline Applied choose_path(const std::string& text, std::string& out) {
  if (text.empty() || text.contains('\0'))
    return std::unexpected(fmt::format("{} is not a path", quoted(text)));
  out = text;
  return {};
}

}  // namespace number_dispenser
