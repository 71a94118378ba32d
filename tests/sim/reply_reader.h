// Replies as a client reads them, RESP2 and RESP3.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace number_dispenser::sim {

struct Reply {
  char type = 0;     // as on the wire; maps and sets are arrays ('*') here
  std::string text;  // of a string, an error, an integer
  bool null = false;
  std::vector<Reply> items;

  bool is_error() const { return type == '-'; }
  bool is_bulk() const { return (type == '$' || type == '=') && !null; }
};

enum class Read { kWhole, kPartial, kMalformed };

// The reply at the front of `bytes`, and how many of them it takes.
Read read_reply(std::string_view bytes, Reply& reply, size_t& taken);

}  // namespace number_dispenser::sim
