// CRC32C (Castagnoli), as iSCSI and ext4 use it; computed by isa-l.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace number_dispenser {

uint32_t crc32c(std::span<const std::byte> bytes);

}  // namespace number_dispenser
