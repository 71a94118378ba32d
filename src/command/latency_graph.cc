#include "latency_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace number_dispenser {
namespace {

constexpr size_t kColumns = 80;
constexpr size_t kRows = 4;
constexpr std::string_view kTops = "_o#";  // of a column, in thirds of a row

std::string age(int64_t seconds) {
  if (seconds < 60) return fmt::format("{}s", seconds);
  if (seconds < 3600) return fmt::format("{}m", seconds / 60);
  if (seconds < 86400) return fmt::format("{}h", seconds / 3600);
  return fmt::format("{}d", seconds / 86400);
}

void trim_and_add(std::string& picture, std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  picture += line + "\n";
}

}  // namespace

std::string draw_graph(std::string_view name, const LatencyMonitor::Event& event, int64_t now_s) {
  const size_t count = std::min(event.samples.size(), kColumns);
  const std::vector<LatencyMonitor::Sample> shown(
      event.samples.end() - static_cast<ptrdiff_t>(count), event.samples.end());
  const auto [low, high] = std::ranges::minmax(shown, {}, &LatencyMonitor::Sample::ms);
  std::string picture = fmt::format("{} - high {} ms, low {} ms (all time high {} ms)\n{:->{}}\n",
                                    name, high.ms, low.ms, event.longest_ms, "", kColumns);
  // A column is so many thirds of a row high, at least one.
  const uint64_t range = std::max<uint64_t>(high.ms - low.ms, 1);
  const auto height = [&](const LatencyMonitor::Sample& sample) {
    return static_cast<size_t>((sample.ms - low.ms) * (kRows * kTops.size() - 1) / range) + 1;
  };
  for (size_t row = kRows; row-- > 0;) {
    std::string line;
    for (const auto& sample : shown) {
      const size_t above = height(sample) - std::min(height(sample), row * kTops.size());
      line += above == 0 ? ' ' : above > kTops.size() ? '|' : kTops[above - 1];
    }
    trim_and_add(picture, line);
  }
  picture += "\n";
  // The ages are written downwards.
  std::vector<std::string> ages;
  for (const auto& sample : shown) ages.push_back(age(std::max<int64_t>(now_s - sample.unix_s, 0)));
  const size_t longest = std::ranges::max(ages, {}, &std::string::size).size();
  for (size_t at = 0; at < longest; ++at) {
    std::string line;
    for (const std::string& text : ages) line += at < text.size() ? text[at] : ' ';
    trim_and_add(picture, line);
  }
  return picture;
}

}  // namespace number_dispenser
