// Whatever the bytes: no read beyond them, the same requests and the same end however they arrive,
// and what was decoded, encoded again, decodes to the same.
//
// The first byte chooses the limits (bit 0: a stranger's, bit 1: small ones, so that they are met)
// and with the others how the rest is split.
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "../unit/resp_decoded.h"
#include "number_dispenser/base/check.h"
#include "number_dispenser/resp/buffer.h"
#include "number_dispenser/resp/decoder.h"
#include "number_dispenser/resp/reply.h"

namespace number_dispenser {
namespace {

constexpr uint8_t kStranger = 1;
constexpr uint8_t kSmall = 2;

DecoderLimits choose_limits(uint8_t choice) {
  DecoderLimits limits;
  limits.authenticated = (choice & kStranger) == 0;
  if (choice & kSmall) {
    limits.inline_bytes = 48;
    limits.request_bytes = 96;
    limits.arguments = 12;
    limits.unauthenticated_arguments = 3;
    limits.unauthenticated_bulk_bytes = 16;
  }
  return limits;
}

// Sizes of 0 to 15, one of eight up to 255 (a xorshift generator: the same input is always split
// alike).
std::vector<size_t> choose_sizes(std::string_view bytes, uint8_t choice) {
  uint64_t random = bytes.size() * 256 + choice + 1;
  std::vector<size_t> sizes;
  for (size_t total = 0; total < bytes.size(); total += sizes.back()) {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    sizes.push_back((random >> 8) % (random % 8 == 0 ? 256 : 16));
  }
  return sizes;
}

// With a new decoder for each request: one that has finished a request must be as good as new.
Decoded decode_anew(std::string_view bytes, const DecoderLimits& limits) {
  Decoded result;
  std::vector<std::string_view> arguments;
  do {
    RequestDecoder decoder;
    decoder.limits() = limits;
    result.outcome = decoder.decode(bytes, arguments);
    result.error = decoder.error();
    bytes.remove_prefix(decoder.consumed());
    if (!arguments.empty()) result.requests.emplace_back(arguments.begin(), arguments.end());
  } while (result.outcome == RequestDecoder::Outcome::kRequest);
  return result;
}

Buffer encode(const Decoded& decoded) {
  Buffer out;
  ReplyWriter writer(out, Protocol::kResp2);
  for (const auto& request : decoded.requests) {
    writer.array(request.size());
    for (const auto& argument : request) writer.bulk(argument);
  }
  return out;
}

void check(std::string_view bytes, uint8_t choice) {
  const DecoderLimits limits = choose_limits(choice);
  const Decoded whole = decode_whole(bytes, limits);
  ND_CHECK(decode_split(bytes, choose_sizes(bytes, choice), limits) == whole, "split {}", choice);
  ND_CHECK(decode_anew(bytes, limits) == whole, "anew");
  if (bytes.size() < 512)
    ND_CHECK(decode_split(bytes, std::vector<size_t>(bytes.size(), 1), limits) == whole,
             "by bytes");

  for (const auto& request : whole.requests) ND_CHECK(!request.empty(), "no arguments");
  DecoderLimits none;
  none.request_bytes = std::numeric_limits<uint32_t>::max();
  const Decoded again = decode_whole(encode(whole).view(), none);
  ND_CHECK(again.requests == whole.requests, "{} requests", again.requests.size());
  ND_CHECK(again.outcome == RequestDecoder::Outcome::kNeedMore, "{}", again.error);
}

}  // namespace
}  // namespace number_dispenser

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 0)
    number_dispenser::check({reinterpret_cast<const char*>(data) + 1, size - 1}, data[0]);
  return 0;
}
