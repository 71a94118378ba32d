#include "reply_reader.h"

#include <charconv>

namespace number_dispenser::sim {
namespace {

bool read_length(std::string_view text, int64_t& value) {
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc() && end == text.data() + text.size();
}

Read read_items(std::string_view bytes, size_t count, Reply& reply, size_t& taken) {
  reply.items.resize(count);
  for (Reply& item : reply.items) {
    size_t used = 0;
    const Read outcome = read_reply(bytes.substr(taken), item, used);
    if (outcome != Read::kWhole) return outcome;
    taken += used;
  }
  return Read::kWhole;
}

}  // namespace

Read read_reply(std::string_view bytes, Reply& reply, size_t& taken) {
  const size_t end = bytes.find("\r\n");
  if (end == std::string_view::npos) return Read::kPartial;
  if (end == 0) return Read::kMalformed;
  reply = {};
  reply.type = bytes[0];
  const std::string_view line = bytes.substr(1, end - 1);
  taken = end + 2;
  int64_t length = 0;
  switch (reply.type) {
    case '+':
    case '-':
      reply.text = line;
      return Read::kWhole;
    case ':':
      reply.text = line;
      return read_length(line, length) ? Read::kWhole : Read::kMalformed;
    case '_':
      reply.null = true;
      return line.empty() ? Read::kWhole : Read::kMalformed;
    case '$':
    case '=':
      if (!read_length(line, length) || length < -1) return Read::kMalformed;
      reply.null = length == -1;
      if (reply.null) return Read::kWhole;
      if (bytes.size() < taken + static_cast<size_t>(length) + 2) return Read::kPartial;
      reply.text = bytes.substr(taken, static_cast<size_t>(length));
      taken += static_cast<size_t>(length);
      if (bytes.substr(taken, 2) != "\r\n") return Read::kMalformed;
      taken += 2;
      if (reply.type == '=') reply.text.erase(0, 4);  // "txt:"
      return Read::kWhole;
    case '*':
    case '~':
    case '%':
      if (!read_length(line, length) || length < -1 || length > 1000) return Read::kMalformed;
      if (length == -1) {
        reply.null = true;
        return Read::kWhole;
      }
      if (reply.type == '%') length *= 2;
      reply.type = '*';
      return read_items(bytes, static_cast<size_t>(length), reply, taken);
    default:
      return Read::kMalformed;
  }
}

}  // namespace number_dispenser::sim
