// State files' bytes made and changed by hand.
#pragma once

#include <cstring>
#include <span>
#include <vector>

#include "number_dispenser/base/crc32c.h"
#include "number_dispenser/state/layout.h"
#include "number_dispenser/state/state_file.h"

namespace number_dispenser::testing_support {

template <class T>
T read_at(std::span<const std::byte> file, uint64_t offset) {
  T value;
  std::memcpy(&value, file.data() + offset, sizeof value);
  return value;
}

// Stores `record` with the checksum that belongs to it; `skip` bytes at the front are not covered.
template <class T>
void seal_at(std::span<std::byte> file, uint64_t offset, T record, size_t skip = 0) {
  const auto bytes = std::as_bytes(std::span(&record, 1));
  record.crc32c = crc32c(bytes.subspan(skip, offsetof(T, crc32c) - skip));
  std::memcpy(file.data() + offset, &record, sizeof record);
}

inline layout::Header header_of(std::span<const std::byte> file) {
  return read_at<layout::Header>(file, 0);
}
inline void put_header(std::span<std::byte> file, const layout::Header& header) {
  seal_at(file, 0, header);
  seal_at(file, layout::kHeaderCopyOffset, header);
}

// A fresh state file of one extent, 64 dispensers: quick to copy and to search.
inline std::vector<std::byte> small_file(RandomSource& random) {
  std::vector<std::byte> file = StateFile::fresh_file(random);
  layout::Header header = header_of(file);
  header.extents = 1;
  file.resize(layout::file_bytes(1));
  put_header(file, header);
  return file;
}

}  // namespace number_dispenser::testing_support
