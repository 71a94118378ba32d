// What every dispenser has to say next, worked out from the requests alone: each number exactly
// once, in order, with nothing left out, until the range is exhausted. One process without a crash
// wastes nothing.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "number_dispenser/dispenser/kind.h"
#include "strict_reply.h"

namespace number_dispenser::fuzz {

class NumberLedger {
 public:
  // A request that was run, and its reply; in the order in which they ran. Aborts on a reply that
  // cannot be.
  void account(std::span<const std::string_view> words, const StrictReply& reply);

 private:
  struct Entry {
    Definition definition;
    unsigned __int128 next;  // number
  };

  void define(std::span<const std::string_view> words);
  void draw(std::string_view name, uint64_t count, const StrictReply& reply);
  void check_number(Entry& entry, uint64_t count, const StrictReply& reply);

  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace number_dispenser::fuzz
