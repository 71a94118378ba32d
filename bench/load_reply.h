// Counts whole replies in what a server sends.
#pragma once

#include <cstddef>
#include <string_view>

namespace number_dispenser::bench {

enum class ReplyKind {
  kValue,       ///< a simple string, an integer or a bulk string (nil included)
  kError,       ///< an error reply
  kIncomplete,  ///< more bytes are needed
  kMalformed,   ///< not a reply that GET or INCR can have
};

struct ReplyScan {
  ReplyKind kind;
  size_t bytes;  ///< length of the reply with its line ends; 0 unless kValue or kError
};

/// A bulk string longer than this is malformed: numbers are short.
inline constexpr size_t kMaxBulkBytes = 4096;

/// Finds the end of the first reply in `input`, without looking at its value.
ReplyScan scan_reply(std::string_view input);

}  // namespace number_dispenser::bench
