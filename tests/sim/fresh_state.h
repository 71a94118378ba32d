// The bytes of a state file without dispensers, small ones too: so that growth is met at once.
#pragma once

#include <cstring>
#include <vector>

#include "number_dispenser/base/crc32c.h"
#include "number_dispenser/state/state_file.h"
#include "rng.h"

namespace number_dispenser::sim {

// `extents`: at most as many as StateFile::fresh_file() makes.
inline std::vector<std::byte> fresh_state(Rng& rng, uint64_t extents) {
  SeededRandom random(rng.next());
  std::vector<std::byte> file = StateFile::fresh_file(random);
  file.resize(layout::file_bytes(extents));
  layout::Header header;
  std::memcpy(&header, file.data(), sizeof header);
  header.extents = extents;
  header.crc32c =
      crc32c(std::as_bytes(std::span(&header, 1)).first(offsetof(layout::Header, crc32c)));
  std::memcpy(file.data(), &header, sizeof header);
  std::memcpy(file.data() + layout::kHeaderCopyOffset, &header, sizeof header);
  return file;
}

}  // namespace number_dispenser::sim
