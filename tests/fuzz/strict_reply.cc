#include "strict_reply.h"

#include <charconv>
#include <cstdint>

namespace number_dispenser::fuzz {
namespace {

std::optional<int64_t> read_integer(std::string_view text) {
  int64_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The first line of `bytes` behind its type, without its end.
std::optional<std::string_view> take_line(std::string_view& bytes) {
  const size_t end = bytes.find("\r\n");
  if (end == std::string_view::npos || end == 0) return std::nullopt;
  const std::string_view line = bytes.substr(1, end - 1);
  if (line.find_first_of("\r\n") != std::string_view::npos) return std::nullopt;
  bytes.remove_prefix(end + 2);
  return line;
}

bool take_string(std::string_view& bytes, int64_t length, StrictReply& reply) {
  if (length < 0 || bytes.size() < static_cast<size_t>(length) + 2) return false;
  reply.text = bytes.substr(0, static_cast<size_t>(length));
  bytes.remove_prefix(reply.text.size());
  if (!bytes.starts_with("\r\n")) return false;
  bytes.remove_prefix(2);
  return reply.type != '=' || reply.text.starts_with("txt:");
}

bool take_items(std::string_view& bytes, int64_t count, StrictReply& reply, bool strict) {
  if (count < 0) return false;
  for (; count > 0; --count) {
    auto item = read_strictly(bytes, reply.protocol, strict);
    if (!item) return false;
    reply.items.push_back(std::move(*item));
  }
  return true;
}

bool is_known(char type, Protocol protocol, bool strict) {
  if (std::string_view("+-:$*").contains(type)) return true;
  return (protocol == Protocol::kResp3 || !strict) && std::string_view("_#%~>=").contains(type);
}

}  // namespace

std::optional<StrictReply> read_strictly(std::string_view& bytes, Protocol protocol, bool strict) {
  if (bytes.empty() || !is_known(bytes[0], protocol, strict)) return std::nullopt;
  StrictReply reply{.type = bytes[0], .protocol = protocol};
  const auto line = take_line(bytes);
  if (!line) return std::nullopt;
  reply.text = *line;
  const bool is_line = reply.type == '+' || reply.type == '-';
  if (is_line) return reply.text.empty() ? std::nullopt : std::optional(reply);
  if (reply.type == '_') {
    reply.null = true;
    return line->empty() ? std::optional(reply) : std::nullopt;
  }
  if (reply.type == '#') return *line == "t" || *line == "f" ? std::optional(reply) : std::nullopt;
  const auto value = read_integer(*line);
  if (!value) return std::nullopt;
  if (reply.type == ':') return reply;
  const bool may_be_null = reply.type == '$' || reply.type == '*';
  if (*value == -1 && may_be_null && (protocol == Protocol::kResp2 || !strict)) {
    reply.null = true;
    return reply;
  }
  const bool is_string = reply.type == '$' || reply.type == '=';
  const bool whole =
      is_string ? take_string(bytes, *value, reply)
                : take_items(bytes, reply.type == '%' ? 2 * *value : *value, reply, strict);
  return whole ? std::optional(reply) : std::nullopt;
}

}  // namespace number_dispenser::fuzz
