// Amounts as Redis's configuration writes them. Plain functions; nothing where the text is wrong.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace number_dispenser {

// A count of bytes, or with a unit, ignoring case: k is 1000, kb 1024, and so on up to gb.
std::optional<uint64_t> parse_bytes(std::string_view text);

// So many bytes, or so many percent of what there is.
struct MemoryShare {
  uint64_t bytes = 0;
  uint64_t percent = 0;  // 0: `bytes` counts

  uint64_t of(uint64_t whole_bytes) const {
    return percent == 0 ? bytes : whole_bytes / 100 * percent;
  }
  bool operator==(const MemoryShare&) const = default;
};

// Bytes as above, or "N%" with N from 1 to 100.
std::optional<MemoryShare> parse_memory_share(std::string_view text);
std::string to_text(const MemoryShare& share);

inline constexpr uint64_t kMaxKeepaliveS = 32'767;  // Linux's

// When a client with too much output waiting is disconnected: at once past `hard_bytes`, after
// `soft_s` past `soft_bytes`. 0: never.
struct OutputLimit {
  uint64_t hard_bytes = 0;
  uint64_t soft_bytes = 0;
  uint64_t soft_s = 0;

  bool operator==(const OutputLimit&) const = default;
};

// "normal HARD SOFT SECONDS".
std::optional<OutputLimit> parse_output_limit(std::string_view text);
std::string to_text(const OutputLimit& limit);

}  // namespace number_dispenser
