// What state_fuzz is given: a state file and the live counters beside it.
//
// As bytes: the sizes of both (4 bytes each), then what is not zero in the one behind the other, as
// runs of {zeros before it, its length (4 bytes each), bytes}. Any bytes stand for something.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "number_dispenser/state/layout.h"

namespace number_dispenser::fuzz {

struct StateInput {
  std::vector<std::byte> file;
  std::vector<std::byte> live;

  static constexpr uint64_t kMostFileBytes = layout::file_bytes(2) + layout::kPageBytes;
  static constexpr uint64_t kMostLiveBytes = layout::live_bytes(2);
};

StateInput decode_input(std::span<const std::byte> bytes);
std::vector<std::byte> encode_input(const StateInput& input);

}  // namespace number_dispenser::fuzz
