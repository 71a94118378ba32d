#include "state_input.h"

#include <algorithm>

namespace number_dispenser::fuzz {
namespace {

// 0 behind the end.
uint32_t take_word(std::span<const std::byte>& bytes) {
  uint32_t word = 0;
  const size_t taken = std::min(bytes.size(), sizeof word);
  std::copy_n(bytes.begin(), taken, reinterpret_cast<std::byte*>(&word));
  bytes = bytes.subspan(taken);
  return word;
}

void put_word(std::vector<std::byte>& bytes, uint64_t word) {
  const auto value = static_cast<uint32_t>(word);
  const auto* at = reinterpret_cast<const std::byte*>(&value);
  bytes.insert(bytes.end(), at, at + sizeof value);
}

bool is_zero(std::byte byte) {
  return byte == std::byte{0};
}

}  // namespace

StateInput decode_input(std::span<const std::byte> bytes) {
  const uint64_t file_bytes = std::min<uint64_t>(take_word(bytes), StateInput::kMostFileBytes);
  const uint64_t live_bytes = std::min<uint64_t>(take_word(bytes), StateInput::kMostLiveBytes);
  std::vector<std::byte> both(file_bytes + live_bytes);
  uint64_t at = 0;
  while (!bytes.empty()) {
    at = std::min<uint64_t>(at + take_word(bytes), both.size());
    const uint64_t length = std::min<uint64_t>({take_word(bytes), bytes.size(), both.size() - at});
    std::copy_n(bytes.begin(), length, both.begin() + static_cast<ptrdiff_t>(at));
    bytes = bytes.subspan(length);
    at += length;
    if (at == both.size()) break;
  }
  const auto middle = both.begin() + static_cast<ptrdiff_t>(file_bytes);
  return {{both.begin(), middle}, {middle, both.end()}};
}

std::vector<std::byte> encode_input(const StateInput& input) {
  constexpr size_t kShortestGap = 12;
  std::vector<std::byte> bytes;
  put_word(bytes, input.file.size());
  put_word(bytes, input.live.size());
  std::vector<std::byte> both = input.file;
  both.insert(both.end(), input.live.begin(), input.live.end());
  for (auto at = both.begin(); at != both.end();) {
    const auto begin = std::find_if_not(at, both.end(), is_zero);
    if (begin == both.end()) break;
    const std::byte gap[kShortestGap] = {};
    const auto found = std::search(begin, both.end(), std::begin(gap), std::end(gap));
    put_word(bytes, static_cast<uint64_t>(begin - at));
    put_word(bytes, static_cast<uint64_t>(found - begin));
    bytes.insert(bytes.end(), begin, found);
    at = found;
  }
  return bytes;
}

}  // namespace number_dispenser::fuzz
