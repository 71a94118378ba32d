// One reply, read as strictly as a client could: the types of its protocol only, no stray CR or LF,
// every length as announced.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "number_dispenser/resp/reply.h"

namespace number_dispenser::fuzz {

struct StrictReply {
  char type = 0;  // as on the wire
  bool null = false;
  std::string_view text;  // of a line or a string; points into the bytes that were read
  std::vector<StrictReply> items;
  Protocol protocol = Protocol::kResp2;

  bool is_error() const { return type == '-'; }
};

// The reply at the front of `bytes`, which loses it; nothing if there is none that is whole and
// well-formed. What a transaction answers may change from one protocol to the other in the middle:
// `strict` is false there.
std::optional<StrictReply> read_strictly(std::string_view& bytes, Protocol protocol,
                                         bool strict = true);

}  // namespace number_dispenser::fuzz
