// Runs a decoder over bytes as a connection does, and keeps all that it said.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "number_dispenser/resp/decoder.h"

namespace number_dispenser {

struct Decoded {
  std::vector<std::vector<std::string>> requests = {};
  RequestDecoder::Outcome outcome = RequestDecoder::Outcome::kNeedMore;  // behind the last request
  std::string error = {};

  bool operator==(const Decoded&) const = default;
};

// For the messages of tests.
inline std::ostream& operator<<(std::ostream& out, const Decoded& decoded) {
  for (const auto& request : decoded.requests) {
    out << "[";
    for (const auto& argument : request) out << " '" << argument << "'";
    out << " ] ";
  }
  return out << "outcome " << static_cast<int>(decoded.outcome) << " " << decoded.error;
}

// The bytes arrive in pieces of these sizes, and what is left in a last one. Each call of the
// decoder sees memory of its own without a byte to spare, so that a sanitizer sees a read beyond
// it.
inline Decoded decode_split(std::string_view bytes, const std::vector<size_t>& sizes,
                            const DecoderLimits& limits = {}) {
  Decoded result;
  RequestDecoder decoder;
  decoder.limits() = limits;
  std::vector<std::string_view> arguments;
  size_t begin = 0;
  size_t end = 0;
  for (size_t piece = 0; piece <= sizes.size(); ++piece) {
    end = piece < sizes.size() ? std::min(end + sizes[piece], bytes.size()) : bytes.size();
    do {
      const auto memory = std::make_unique<char[]>(end - begin);
      if (end != begin) std::memcpy(memory.get(), bytes.data() + begin, end - begin);
      result.outcome = decoder.decode({memory.get(), end - begin}, arguments);
      begin += decoder.consumed();
      if (result.outcome == RequestDecoder::Outcome::kRequest)
        result.requests.emplace_back(arguments.begin(), arguments.end());
    } while (result.outcome == RequestDecoder::Outcome::kRequest);
    if (result.outcome == RequestDecoder::Outcome::kError) result.error = decoder.error();
    if (result.outcome != RequestDecoder::Outcome::kNeedMore) break;
  }
  return result;
}

inline Decoded decode_whole(std::string_view bytes, const DecoderLimits& limits = {}) {
  return decode_split(bytes, {}, limits);
}

}  // namespace number_dispenser
