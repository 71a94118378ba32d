#include "number_dispenser/base/amount.h"

#include <fmt/format.h>

#include <array>

#include "number_dispenser/base/text.h"

namespace number_dispenser {
namespace {

struct Unit {
  std::string_view name;
  uint64_t bytes;
};
constexpr Unit kUnits[] = {
    {"", 1},          {"b", 1},        {"k", 1'000},         {"kb", 1 << 10},
    {"m", 1'000'000}, {"mb", 1 << 20}, {"g", 1'000'000'000}, {"gb", 1 << 30}};

}  // namespace

std::optional<uint64_t> parse_bytes(std::string_view text) {
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto count = parse_count(text.substr(0, digits));
  for (const auto& [name, bytes] : kUnits) {
    if (!count || !equals_ignoring_case(text.substr(digits), name)) continue;
    uint64_t product = 0;
    if (__builtin_mul_overflow(*count, bytes, &product)) return std::nullopt;
    return product;
  }
  return std::nullopt;
}

std::optional<MemoryShare> parse_memory_share(std::string_view text) {
  if (text.ends_with('%')) {
    const auto percent = parse_count(text.substr(0, text.size() - 1));
    if (!percent || *percent < 1 || *percent > 100) return std::nullopt;
    return MemoryShare{.percent = *percent};
  }
  const auto bytes = parse_bytes(text);
  if (!bytes) return std::nullopt;
  return MemoryShare{.bytes = *bytes};
}

std::string to_text(const MemoryShare& share) {
  return share.percent == 0 ? fmt::format("{}", share.bytes) : fmt::format("{}%", share.percent);
}

std::optional<OutputLimit> parse_output_limit(std::string_view text) {
  std::array<std::string_view, 4> words;
  for (std::string_view& word : words) {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    word = text.substr(0, text.find(' '));
    text.remove_prefix(word.size());
  }
  const auto hard = parse_bytes(words[1]);
  const auto soft = parse_bytes(words[2]);
  const auto soft_s = parse_count(words[3]);
  const bool is_whole = text.find_first_not_of(' ') == std::string_view::npos;
  if (!equals_ignoring_case(words[0], "normal") || !hard || !soft || !soft_s || !is_whole)
    return std::nullopt;
  return OutputLimit{*hard, *soft, *soft_s};
}

std::string to_text(const OutputLimit& limit) {
  return fmt::format("normal {} {} {}", limit.hard_bytes, limit.soft_bytes, limit.soft_s);
}

}  // namespace number_dispenser
