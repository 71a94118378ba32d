// Small text helpers that the handlers share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "number_dispenser/base/text.h"

namespace number_dispenser {

// An optional minus sign, decimal digits.
std::optional<int64_t> parse_signed(std::string_view text);
// Redis's globs: * ? [a-z] [^a] and a backslash.
bool glob_matches(std::string_view pattern, std::string_view text, bool match_case);
// For an error text: control characters become spaces, at most `longest` bytes.
std::string printable(std::string_view text, size_t longest = 128);
// In quotes, as Redis shows a word: escapes for what is no printable ASCII.
std::string escaped(std::string_view word);

}  // namespace number_dispenser
