#include "load_reply.h"

#include <charconv>

namespace number_dispenser::bench {
namespace {

constexpr size_t kMaxLineBytes = kMaxBulkBytes;
constexpr std::string_view kLineEnd = "\r\n";

ReplyScan scan_bulk(std::string_view input, size_t line_bytes) {
  long long length = 0;
  const char* digits_end = input.data() + line_bytes - kLineEnd.size();
  const auto [end, error] = std::from_chars(input.data() + 1, digits_end, length);
  if (error != std::errc{} || end != digits_end) return {ReplyKind::kMalformed, 0};
  if (length == -1) return {ReplyKind::kValue, line_bytes};
  if (length < 0 || static_cast<size_t>(length) > kMaxBulkBytes) return {ReplyKind::kMalformed, 0};

  const size_t body_end = line_bytes + static_cast<size_t>(length);
  if (input.size() < body_end + kLineEnd.size()) return {ReplyKind::kIncomplete, 0};
  if (input.substr(body_end, kLineEnd.size()) != kLineEnd) return {ReplyKind::kMalformed, 0};
  return {ReplyKind::kValue, body_end + kLineEnd.size()};
}

}  // namespace

ReplyScan scan_reply(std::string_view input) {
  if (input.empty()) return {ReplyKind::kIncomplete, 0};
  if (std::string_view("+-:$").find(input.front()) == std::string_view::npos) {
    return {ReplyKind::kMalformed, 0};
  }
  const size_t newline = input.find('\n');
  if (newline == std::string_view::npos) {
    return {input.size() > kMaxLineBytes ? ReplyKind::kMalformed : ReplyKind::kIncomplete, 0};
  }
  if (input[newline - 1] != '\r') return {ReplyKind::kMalformed, 0};
  const size_t line_bytes = newline + 1;
  if (input.front() == '$') return scan_bulk(input, line_bytes);
  return {input.front() == '-' ? ReplyKind::kError : ReplyKind::kValue, line_bytes};
}

}  // namespace number_dispenser::bench
