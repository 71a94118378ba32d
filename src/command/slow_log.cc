#include "number_dispenser/command/slow_log.h"

#include <fmt/format.h>

#include <algorithm>

namespace number_dispenser {
namespace {

constexpr size_t kMostWords = 32;
constexpr size_t kLongestWord = 128;

}  // namespace

void SlowLog::set_max_len(uint64_t entries) {
  const std::lock_guard lock(mutex_);
  max_len_ = entries;
  if (entries_.size() > max_len_) entries_.resize(max_len_);
}

uint64_t SlowLog::max_len() const {
  const std::lock_guard lock(mutex_);
  return max_len_;
}

void SlowLog::add(Entry entry) {
  const std::lock_guard lock(mutex_);
  entry.id = next_id_++;
  entries_.push_front(std::move(entry));
  if (entries_.size() > max_len_) entries_.pop_back();
}

std::vector<SlowLog::Entry> SlowLog::newest(size_t most) const {
  const std::lock_guard lock(mutex_);
  const size_t count = std::min(most, entries_.size());
  return {entries_.begin(), entries_.begin() + static_cast<ptrdiff_t>(count)};
}

size_t SlowLog::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

void SlowLog::clear() {
  const std::lock_guard lock(mutex_);
  entries_.clear();
}

std::vector<std::string> words_for_log(std::span<const std::string_view> words) {
  const size_t shown = words.size() > kMostWords ? kMostWords - 1 : words.size();
  std::vector<std::string> kept;
  for (const std::string_view word : words.first(shown)) {
    kept.emplace_back(word.substr(0, kLongestWord));
    if (word.size() > kLongestWord)
      kept.back() += fmt::format("... ({} more bytes)", word.size() - kLongestWord);
  }
  if (shown < words.size())
    kept.push_back(fmt::format("... ({} more arguments)", words.size() - shown));
  return kept;
}

}  // namespace number_dispenser
