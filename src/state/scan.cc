#include "number_dispenser/state/scan.h"

#include <absl/container/flat_hash_map.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "number_dispenser/base/crc32c.h"

namespace number_dispenser {
namespace {

using layout::BoundSlot;
using layout::Descriptor;
using layout::Header;
using layout::SlotState;

constexpr std::string_view kRemedy =
    "restore the data directory from a backup, then delete and define again, with a higher "
    "starting, "
    "every dispenser that has issued since";

template <class T>
T read_at(std::span<const std::byte> file, uint64_t offset) {
  T value;
  std::memcpy(&value, file.data() + offset, sizeof value);
  return value;
}

// `skip` bytes at the front are outside the checksum, which is the last field.
template <class T>
bool checksum_holds(const T& record, size_t skip = 0) {
  const auto bytes = std::as_bytes(std::span(&record, 1));
  return crc32c(bytes.subspan(skip, offsetof(T, crc32c) - skip)) == record.crc32c;
}

// Nothing if this copy can be used; else why not.
std::optional<std::string> header_fault(const Header& header) {
  if (header.magic != layout::kMagic) return "this is not a number-dispenser state file";
  if (header.byte_order != layout::kByteOrder)
    return "the file was written on a machine of the other byte order, and cannot be moved";
  if (header.version != layout::kVersion)
    return fmt::format(
        "layout version {}, but this program reads version {}: run the version of "
        "number-dispenser that wrote the file",
        header.version, layout::kVersion);
  if (!checksum_holds(header)) return "wrong checksum";
  if (header.page_bytes != layout::kPageBytes ||
      header.slots_per_extent != layout::kSlotsPerExtent ||
      header.descriptor_bytes != layout::kDescriptorBytes ||
      header.bound_bytes != layout::kBoundBytes || header.extents > layout::kMaxExtents)
    return fmt::format("sizes that version {} does not have", layout::kVersion);
  return std::nullopt;
}

std::expected<Header, std::string> read_header(std::span<const std::byte> file, Scan& result) {
  if (file.size() < layout::kPageBytes)
    return std::unexpected(
        fmt::format("the file is truncated: {} bytes, shorter than its header "
                    "of {}; {}",
                    file.size(), layout::kPageBytes, kRemedy));
  const Header copies[2] = {read_at<Header>(file, 0),
                            read_at<Header>(file, layout::kHeaderCopyOffset)};
  // LCOV_EXCL_START: only an exception would leave the array half-made.
  const std::optional<std::string> faults[2] = {header_fault(copies[0]), header_fault(copies[1])};
  // LCOV_EXCL_STOP
  const bool rotten = faults[0] == "wrong checksum";
  if (faults[0] && faults[1])
    return std::unexpected(fmt::format("header (offsets 0 and {}): {}{}{}",
                                       layout::kHeaderCopyOffset, *faults[0], rotten ? "; " : "",
                                       rotten ? kRemedy : ""));
  for (size_t copy = 0; copy < 2; ++copy) {
    if (!faults[copy]) continue;
    const uint64_t offset = copy * layout::kHeaderCopyOffset;
    result.damaged.push_back({offset, layout::kHeaderCopyOffset - offset, sizeof(Header)});
    result.notes.push_back(fmt::format("header copy {} (offset {}): {}; the other copy is good",
                                       copy + 1, offset, *faults[copy]));
  }
  if (faults[0]) return copies[1];
  if (faults[1]) return copies[0];
  return copies[0].sequence >= copies[1].sequence ? copies[0] : copies[1];
}

bool needs_lease(const Definition& definition, StrategyId strategy) {
  return definition.kind != Kind::kRandom && strategy_of(strategy).durable;
}

// Lease's invariants. What precedes this in record_holds() holds.
bool lease_holds(const BoundSlot& record, const Definition& definition) {
  const bool next_is_zero = record.next_begin == 0 && record.next_end == 0;
  const auto strategy = static_cast<StrategyId>(record.strategy);
  if (record.lease_generation == 0 || (record.lease_end == 0 && !needs_lease(definition, strategy)))
    return record.lease_end == 0 && next_is_zero && record.skipped == 0;
  const uint64_t capacity = capacity_of(definition);
  return record.bound <= record.lease_end && record.lease_end <= capacity &&
         (next_is_zero || (record.lease_end <= record.next_begin &&
                           record.next_begin < record.next_end && record.next_end <= capacity)) &&
         record.skipped <= record.position - record.wasted;
}

bool record_holds(const BoundSlot& record, const ScannedTenant& tenant) {
  return checksum_holds(record) && record.generation == tenant.generation &&
         record.strategy < kStrategies.size() && record.wasted <= record.position &&
         record.position <= record.bound && record.bound <= capacity_of(tenant.definition) &&
         lease_holds(record, tenant.definition);
}

// False if neither copy can be used.
bool read_bound(std::span<const std::byte> file, ScannedTenant& tenant, Scan& result) {
  const uint64_t offsets[2] = {layout::bound_offset(tenant.slot, 0),
                               layout::bound_offset(tenant.slot, 1)};
  const BoundSlot copies[2] = {read_at<BoundSlot>(file, offsets[0]),
                               read_at<BoundSlot>(file, offsets[1])};
  const bool good[2] = {record_holds(copies[0], tenant), record_holds(copies[1], tenant)};
  if (!good[0] && !good[1]) return false;
  for (unsigned copy = 0; copy < 2; ++copy) {
    if (good[copy]) continue;
    result.damaged.push_back({offsets[copy], offsets[1 - copy], sizeof(BoundSlot)});
    result.notes.push_back(
        fmt::format("slot {} ({}): bound record copy {} (offset {}) is damaged; the other copy is "
                    "good",
                    tenant.slot, tenant.name, copy + 1, offsets[copy]));
  }
  const auto rank = [](const BoundSlot& record) {
    return std::pair(record.bound, record.sequence);
  };
  const BoundSlot& taken =
      !good[0] || (good[1] && rank(copies[1]) > rank(copies[0])) ? copies[1] : copies[0];
  tenant.record = {.bound = taken.bound,
                   .position = taken.position,
                   .wasted = taken.wasted,
                   .strategy = static_cast<StrategyId>(taken.strategy),
                   .lease = {.generation = taken.lease_generation,
                             .end = taken.lease_end,
                             .next = {taken.next_begin, taken.next_end},
                             .skipped = taken.skipped}};
  tenant.sequence = std::max(good[0] ? copies[0].sequence : 0, good[1] ? copies[1].sequence : 0);
  return true;
}

bool read_descriptor(std::span<const std::byte> file, ScannedTenant& tenant) {
  const uint64_t offset = layout::descriptor_offset(tenant.slot);
  const auto descriptor = read_at<Descriptor>(file, offset);
  if (!checksum_holds(descriptor, sizeof descriptor.state)) return false;
  tenant.definition = {static_cast<Kind>(descriptor.kind), descriptor.length, descriptor.starting,
                       descriptor.step};
  if (descriptor.name_bytes > layout::kNameBytes) return false;
  tenant.name = {reinterpret_cast<const char*>(file.data()) + offset + offsetof(Descriptor, name),
                 descriptor.name_bytes};
  tenant.generation = descriptor.generation;
  tenant.created_unix_s = descriptor.created_unix_s;
  return is_valid_name(tenant.name) && is_valid(tenant.definition);
}

std::string slot_fault(uint32_t slot, uint64_t offset, std::string_view what) {
  return fmt::format("slot {} (offset {}): {}; {}", slot, offset, what, kRemedy);
}

}  // namespace

std::expected<Scan, std::string> scan(std::span<const std::byte> file) {
  Scan result;
  auto header = read_header(file, result);
  if (!header) return std::unexpected(header.error());
  result.header = *header;
  const uint64_t expected_bytes = layout::file_bytes(header->extents);
  if (file.size() < expected_bytes)
    return std::unexpected(fmt::format(
        "the file is truncated: {} bytes of {}, so slot {} and later "
        "ones are missing; {}",
        file.size(), expected_bytes,
        (file.size() - layout::kPageBytes) / layout::kExtentBytes * layout::kSlotsPerExtent,
        kRemedy));

  absl::flat_hash_map<std::string_view, uint32_t> names;
  for (uint32_t slot = 0; slot < header->extents * layout::kSlotsPerExtent; ++slot) {
    const uint64_t offset = layout::descriptor_offset(slot);
    switch (read_at<SlotState>(file, offset)) {
      case SlotState::kFree:
      case SlotState::kPending:
        result.free_slots.push_back(slot);
        continue;
      case SlotState::kLive:
        break;
      default:
        return std::unexpected(slot_fault(slot, offset, "the slot's state word is damaged"));
    }
    ScannedTenant tenant{.slot = slot};
    if (!read_descriptor(file, tenant))
      return std::unexpected(slot_fault(slot, offset, "the dispenser's definition is damaged"));
    if (!read_bound(file, tenant, result))
      return std::unexpected(
          slot_fault(slot, layout::bound_offset(slot, 0),
                     fmt::format("both bound records of dispenser {} are damaged", tenant.name)));
    if (const auto [other, fresh] = names.emplace(tenant.name, slot); !fresh)
      return std::unexpected(
          slot_fault(slot, offset,
                     fmt::format("dispenser {} is also in slot {}", tenant.name, other->second)));
    result.tenants.push_back(tenant);
  }
  return result;
}

bool is_in_cluster(const Header& header) {
  return header.mark != 0;
}

BoundRecord recover(const Definition& definition, const BoundRecord& record, const uint64_t* live) {
  BoundRecord exact = record;
  if (!needs_lease(definition, record.strategy)) exact.lease = {record.lease.generation};
  if (!strategy_of(record.strategy).durable) {
    exact.position = exact.wasted = 0;
  } else if (definition.kind == Kind::kRandom) {
    // Only statistics: nothing is held back for them, so the live counter may be ahead of the
    // record.
    if (live != nullptr) exact.position = *live;
    exact.wasted = 0;
  } else if (live != nullptr && *live >= record.position) {
    // Ordinals at or past the bound never left the killed process, whatever it had counted.
    exact.position = std::min(*live, record.bound);
  } else {
    exact.position = record.bound;
    exact.wasted += record.bound - record.position;
  }
  exact.bound = exact.position;
  return exact;
}

BoundRecord recover_older(const BoundRecord& record, uint64_t live) {
  return {live, live, std::min(record.wasted, live), record.strategy};
}

BoundRecord recover(const ScannedTenant& tenant, const layout::LiveSlot* live, bool in_cluster) {
  const bool older = is_older(tenant, live);
  if (older && !in_cluster && tenant.record.lease == Lease{})
    return recover_older(tenant.record, live->next);
  const bool counted = live != nullptr && !older;
  return recover(tenant.definition, tenant.record, counted ? &live->next : nullptr);
}

bool is_older(const ScannedTenant& tenant, const layout::LiveSlot* live) {
  // A counter past the last number there is was not counted by us.
  return live != nullptr && tenant.sequence < live->sequence &&
         live->next <= capacity_of(tenant.definition);
}

std::span<const std::byte> counters_of_run(std::span<const std::byte> live, const Header& header) {
  layout::LiveHeader counted{};
  if (live.size() < sizeof counted) return {};
  std::memcpy(&counted, live.data(), sizeof counted);
  return counted.run == header.run ? live : std::span<const std::byte>();
}

const layout::LiveSlot* find_live(std::span<const std::byte> live, const ScannedTenant& tenant) {
  const uint64_t offset = sizeof(layout::LiveHeader) + tenant.slot * sizeof(layout::LiveSlot);
  if (offset + sizeof(layout::LiveSlot) > live.size()) return nullptr;
  const auto* slot = reinterpret_cast<const layout::LiveSlot*>(live.data() + offset);
  return slot->generation == tenant.generation ? slot : nullptr;
}

Lag lag_of(const Scan& found, std::span<const std::byte> file,
           std::span<const std::byte> counters) {
  Lag lag;
  if (found.header.ending == layout::Ending::kClean) return lag;
  for (const ScannedTenant& tenant : found.tenants)
    if (is_older(tenant, find_live(counters, tenant))) ++lag.behind;
  uint64_t at = sizeof(layout::LiveHeader);
  for (uint32_t slot = 0; at + sizeof(layout::LiveSlot) <= counters.size(); ++slot) {
    const uint64_t offset = layout::descriptor_offset(slot) + offsetof(Descriptor, generation);
    const uint64_t known =
        offset + sizeof(uint64_t) <= file.size() ? read_at<uint64_t>(file, offset) : 0;
    if (read_at<layout::LiveSlot>(counters, at).generation > known) ++lag.missing;
    at += sizeof(layout::LiveSlot);
  }
  return lag;
}

}  // namespace number_dispenser
