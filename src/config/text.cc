#include "config/text.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

namespace number_dispenser {

std::string printable(std::string_view text) {
  constexpr size_t kMaxShown = 200;
  std::string shown(text.substr(0, kMaxShown));
  std::ranges::replace_if(
      shown, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  if (text.size() > kMaxShown) shown += "...";
  return shown;
}

std::string quoted(std::string_view text) {
  return "'" + printable(text) + "'";
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() +
                          1);  // distances from what was read of `a` to each start of `b`
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

std::string wrapped(std::string_view text, size_t indent, size_t columns) {
  std::string out;
  while (!text.empty()) {
    size_t length = text.size();
    if (indent + length > columns) {
      const size_t fits = text.rfind(' ', columns - indent);
      length = std::min(fits != std::string_view::npos ? fits : text.find(' '), text.size());
    }
    out.append(indent, ' ').append(text.substr(0, length)).push_back('\n');
    text.remove_prefix(std::min(length + 1, text.size()));
  }
  return out;
}

}  // namespace number_dispenser
