// Small helpers for the texts that this layer shows to people.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace number_dispenser {

// The text made fit for a part of one line: control characters become ?, and a long text is cut.
std::string printable(std::string_view text);

// 'text', and printable.
std::string quoted(std::string_view text);

// How many characters to add, take away or replace until `a` is `b` (Levenshtein's distance).
size_t edit_distance(std::string_view a, std::string_view b);

// `text` broken at spaces into lines of at most `columns`, each of them after `indent` spaces; ends
// with a newline. A word that is longer than that stays whole.
std::string wrapped(std::string_view text, size_t indent, size_t columns);

}  // namespace number_dispenser
