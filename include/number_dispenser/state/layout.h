// The bytes of `dispensers.state`, layout version 2. Little-endian, fixed size, nothing moves.
//
//   page 0            Header, twice: at 0 and at kHeaderCopyOffset
//   extent 0          64 Descriptors (4 pages), 64 BoundSlots (2 pages), their copies (2 pages)
//   extent 1          ...
//
// Mirrored records are written copy one, then copy two, then flushed. Recovery takes the valid copy
// with the larger bound: while a raise or a retraction is under way that one is never below a
// released number, afterwards both hold the same. A record fits in one 512-byte sector, so a torn
// write spoils no neighbour.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace number_dispenser::layout {

static_assert(std::endian::native == std::endian::little, "the file is mapped, not converted");

inline constexpr std::array<char, 8> kMagic{'N', 'U', 'M', 'D', 'I', 'S', 'P', '\n'};
inline constexpr uint32_t kVersion = 2;
inline constexpr uint32_t kByteOrder = 0x01020304;

inline constexpr uint32_t kPageBytes = 4096;
inline constexpr uint32_t kSlotsPerExtent = 64;
inline constexpr uint32_t kDescriptorBytes = 256;
inline constexpr uint32_t kBoundBytes = 128;
inline constexpr uint32_t kDescriptorsBytes = kSlotsPerExtent * kDescriptorBytes;
inline constexpr uint32_t kBoundsBytes = kSlotsPerExtent * kBoundBytes;
inline constexpr uint32_t kExtentBytes = kDescriptorsBytes + 2 * kBoundsBytes;
inline constexpr uint32_t kHeaderCopyOffset = 2048;
inline constexpr uint64_t kMaxExtents = 1 << 18;  // 16,777,216 dispensers, 8 GiB

static_assert(kDescriptorsBytes % kPageBytes == 0 && kBoundsBytes % kPageBytes == 0);

using FileId = std::array<uint8_t, 16>;

// How the run that wrote the header has ended, if it has. The last three are of a node's run that
// did not join its cluster, and so has issued nothing that is leased: how the one before had ended.
enum class Ending : uint64_t {
  kNot = 0,
  kClean = 1,  // every bound is exact
  kNotJoinedClean = 2,
  kNotJoinedCounted = 3,
  kNotJoinedUnknown = 4,
};

struct Header {
  std::array<char, 8> magic;
  uint32_t version;
  uint32_t byte_order;
  uint32_t page_bytes;
  uint32_t slots_per_extent;
  uint32_t descriptor_bytes;
  uint32_t bound_bytes;
  FileId id;          // random, of this file for ever
  uint64_t epoch;     // one more at every start
  uint64_t sequence;  // one more at every write of the header; recovery takes the larger
  uint64_t extents;   // written in full and usable
  Ending ending;
  uint64_t run;  // of the run that has this epoch; a copy that is started too has another
  // Of a node of a cluster (ClusterStamp); all 0 where the server serves alone.
  uint64_t cluster_id;
  uint64_t mark;
  uint64_t previous_mark;
  uint64_t place;
  uint64_t confirmed_mark;
  uint32_t cluster_run;
  uint32_t crc32c;  // of all before it
};
static_assert(sizeof(Header) == 136 && offsetof(Header, crc32c) == 132);
static_assert(offsetof(Header, byte_order) == 12,
              "a file of the other byte order must be recognised");

// The state words differ in at least 20 bits, so that a flipped bit is seen as damage. A tombstone
// is kFree.
enum class SlotState : uint64_t {
  kFree = 0,
  kPending = 0x50454e44494e47a5,
  kLive = 0x8e3c4c4956455a96,
};
static_assert(std::popcount(static_cast<uint64_t>(SlotState::kPending)) >= 20);
static_assert(std::popcount(static_cast<uint64_t>(SlotState::kLive)) >= 20);
static_assert(std::popcount(static_cast<uint64_t>(SlotState::kLive) ^
                            static_cast<uint64_t>(SlotState::kPending)) >= 20);

inline constexpr size_t kNameBytes = 128;

struct Descriptor {
  SlotState state;      // changes alone, outside the checksum
  uint64_t generation;  // of this tenancy of the slot; never used twice in a file
  uint64_t starting;
  uint64_t step;
  int64_t created_unix_s;
  uint8_t kind;
  uint8_t length;
  uint8_t name_bytes;
  uint8_t reserved1[5];
  std::array<char, kNameBytes> name;
  uint8_t reserved2[76];
  uint32_t crc32c;  // of all between `state` and it
};
static_assert(sizeof(Descriptor) == kDescriptorBytes && offsetof(Descriptor, crc32c) == 252);

struct BoundSlot {
  uint64_t generation;  // of the tenant it belongs to
  uint64_t bound;
  uint64_t position;
  uint64_t wasted;
  uint64_t sequence;          // one more at every write; decides between equal bounds
  uint64_t lease_generation;  // these five: Lease; all 0 for none
  uint64_t lease_end;
  uint64_t next_begin;
  uint64_t next_end;
  uint64_t skipped;
  uint32_t strategy;
  uint8_t reserved[40];
  uint32_t crc32c;  // of all before it
};
static_assert(sizeof(BoundSlot) == kBoundBytes && offsetof(BoundSlot, crc32c) == 124);

// One cache line of the live counters' file: a header line, then a line a slot.
struct LiveHeader {
  std::array<char, 8> magic;
  FileId id;
  uint64_t epoch;
  uint64_t run;
  uint8_t reserved[24];
};
struct LiveSlot {
  uint64_t next;
  uint64_t generation;
  uint64_t
      sequence;  // of the bound record last written: a file with an earlier one is an older copy
  uint8_t reserved[40];
};
inline constexpr std::array<char, 8> kLiveMagic{'N', 'U', 'M', 'L', 'I', 'V', 'E', '\n'};
static_assert(sizeof(LiveHeader) == 64 && sizeof(LiveSlot) == 64);

constexpr uint64_t file_bytes(uint64_t extents) {
  return kPageBytes + extents * kExtentBytes;
}
constexpr uint64_t extent_offset(uint64_t extent) {
  return kPageBytes + extent * kExtentBytes;
}
constexpr uint64_t descriptor_offset(uint32_t slot) {
  return extent_offset(slot / kSlotsPerExtent) + slot % kSlotsPerExtent * kDescriptorBytes;
}
// copy: 0 or 1.
constexpr uint64_t bound_offset(uint32_t slot, unsigned copy) {
  return extent_offset(slot / kSlotsPerExtent) + kDescriptorsBytes + copy * kBoundsBytes +
         slot % kSlotsPerExtent * kBoundBytes;
}
constexpr uint64_t live_bytes(uint64_t extents) {
  return sizeof(LiveHeader) + extents * kSlotsPerExtent * sizeof(LiveSlot);
}

}  // namespace number_dispenser::layout
