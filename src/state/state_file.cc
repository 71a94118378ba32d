#include "number_dispenser/state/state_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "number_dispenser/base/check.h"
#include "number_dispenser/base/crc32c.h"
#include "number_dispenser/base/log.h"

namespace number_dispenser {
namespace {

using layout::BoundSlot;
using layout::Descriptor;
using layout::Ending;
using layout::Header;
using layout::LiveSlot;
using layout::SlotState;

constexpr uint64_t kFirstExtents = 16;  // 1,024 dispensers, 516 KiB
constexpr uint64_t kGrowthExtentsMin = 16;
constexpr uint64_t kGrowthExtentsMax = 1024;
constexpr uint32_t kFreeSlotsLow = 512;
constexpr uint64_t kSpoiledMark = UINT64_MAX;  // which no node draws

template <class T>
void seal(T& record, size_t skip = 0) {
  const auto bytes = std::as_bytes(std::span(&record, 1));
  record.crc32c = crc32c(bytes.subspan(skip, offsetof(T, crc32c) - skip));
}

void put_header(std::byte* file, Header header) {
  seal(header);
  std::memcpy(file, &header, sizeof header);
  // Copy one is whole before copy two begins to change: at any moment one of them is.
  std::atomic_signal_fence(std::memory_order_seq_cst);
  std::memcpy(file + layout::kHeaderCopyOffset, &header, sizeof header);
}

void set_run(std::byte* live, uint64_t run) {
  std::memcpy(live + offsetof(layout::LiveHeader, run), &run, sizeof run);
}

ClusterStamp stamp_of(const Header& header) {
  return {header.cluster_id, header.mark,        header.previous_mark,
          header.place,      header.cluster_run, header.confirmed_mark};
}

LastEnd last_end_of(const Header& header, bool counted) {
  switch (header.ending) {
    case Ending::kClean:
    case Ending::kNotJoinedClean:
      return LastEnd::kClean;
    // Of what the file alone says there may be an older copy.
    case Ending::kNotJoinedCounted:
    case Ending::kNot:
      return counted ? LastEnd::kCounted : LastEnd::kUnknown;
    default:
      return LastEnd::kUnknown;
  }
}

Ending not_joined(LastEnd last) {
  switch (last) {
    case LastEnd::kClean:
      return Ending::kNotJoinedClean;
    case LastEnd::kCounted:
      return Ending::kNotJoinedCounted;
    default:
      return Ending::kNotJoinedUnknown;
  }
}

// Makes damaged copies good, and durable, while the good ones are not written to: the power may go
// at the next flush too, and tear the other copy.
Result<void> repair(Storage& storage, const Scan& found) {
  if (found.damaged.empty()) return {};
  for (const DamagedCopy& copy : found.damaged)
    std::memcpy(storage.data() + copy.offset, storage.data() + copy.good_offset, copy.bytes);
  return storage.flush_now();
}

}  // namespace

std::vector<std::byte> StateFile::fresh_file(RandomSource& random) {
  std::vector<std::byte> file(layout::file_bytes(kFirstExtents));
  Header header{};
  header.magic = layout::kMagic;
  header.version = layout::kVersion;
  header.byte_order = layout::kByteOrder;
  header.page_bytes = layout::kPageBytes;
  header.slots_per_extent = layout::kSlotsPerExtent;
  header.descriptor_bytes = layout::kDescriptorBytes;
  header.bound_bytes = layout::kBoundBytes;
  random.fill(std::as_writable_bytes(std::span(header.id)));
  header.extents = kFirstExtents;
  header.ending = Ending::kClean;
  put_header(file.data(), header);
  return file;
}

Result<std::unique_ptr<StateFile>> StateFile::open(Storage& storage, LiveMemory& live,
                                                   const Clock& clock, std::string_view what) {
  auto found = scan({storage.data(), storage.size()});
  if (!found) return fail(ExitStatus::kIoError, fmt::format("{}: {}", what, found.error()));
  for (const std::string& note : found->notes) log_warn("{}: {}", what, note);

  std::unique_ptr<StateFile> file(new StateFile(storage, live, clock));
  file->header_ = found->header;
  file->stamp_ = stamp_of(found->header);
  const layout::FileId& id = found->header.id;
  const uint64_t last_epoch = found->header.epoch;
  const auto newer_exists = [&] { return live.newer_exists(id, last_epoch); };
  const auto left = live.open_previous(id, last_epoch);
  const auto previous = counters_of_run(left, found->header);
  bool restored = newer_exists() || are_of_another_run(left, found->header);
  // Before anything is written: whoever runs with a copy of this file makes this start a refusal.
  const auto counters = live.create(id, last_epoch + 1, layout::live_bytes(found->header.extents));
  if (!counters) return std::unexpected(counters.error());
  // Another copy may have run while this start waited for its locks.
  restored = restored || newer_exists();
  file->live_base_ = *counters;
  if (auto repaired = repair(storage, *found); !repaired) {
    live.drop_current();
    return std::unexpected(repaired.error());
  }
  const uint64_t known_bytes = layout::file_bytes(found->header.extents);
  const Lag lag = lag_of(*found, {storage.data(), known_bytes}, previous);
  // In a cluster an older copy issues nothing again: it loses what it had leased.
  const bool says_so = !is_in_cluster(found->header);
  if (restored && says_so)
    log_warn(
        "{} does not come from a run whose live counters are there: it was restored from a copy, "
        "or a copy of it has run, and numbers issued since may be issued again. Move every "
        "dispenser forward (DEL, then HSET with a higher starting), then remove the counters of "
        "newer epochs.",
        what);
  if (lag.any() && says_so)
    log_warn(
        "{} is older than its live counters: it was restored from a copy, or a flush had failed. "
        "{} dispensers go on where the live counters were, up to {} defined since are missing, and "
        "deleted ones may be back.",
        what, lag.behind, lag.missing);
  // Growth that the header does not know of yet may hold leftovers of definitions never
  // acknowledged.
  std::memset(storage.data() + known_bytes, 0, storage.size() - known_bytes);

  const bool is_older = restored || lag.any();
  if (is_older)
    if (auto spoiled = file->spoil_marks(); !spoiled) {
      live.drop_current();
      return std::unexpected(spoiled.error());
    }
  file->header_.epoch = last_epoch + 1;
  file->header_.run = clock.monotonic_ns() ^ static_cast<uint64_t>(clock.unix_us()) << 20;
  set_run(file->live_base_, file->header_.run);
  const bool counted = file->adopt(*found, previous);
  if (!is_older) file->last_end_ = last_end_of(found->header, counted);
  if (found->header.ending != Ending::kClean) file->touch_every_page();
  // Until this run has joined, its own end says nothing.
  file->header_.ending = is_in_cluster(found->header) ? not_joined(file->last_end_) : Ending::kNot;
  file->write_header();
  if (auto flushed = storage.flush_now(); !flushed) {
    // Made from records that the file may not hold: the next start must not believe them.
    live.drop_current();
    return std::unexpected(flushed.error());
  }
  // Only now: a crash before this point starts again from the old epoch and its counters.
  live.drop_previous();
  if (restored && is_in_cluster(found->header)) live.drop_newer();
  return file;
}

bool StateFile::adopt(Scan& found, std::span<const std::byte> previous) {
  const bool clean = found.header.ending == Ending::kClean;
  const bool in_cluster = is_in_cluster(found.header);
  bool counted = !clean && !previous.empty();
  tenancies_.resize(header_.extents * layout::kSlotsPerExtent);
  for (const ScannedTenant& tenant : found.tenants) {
    tenancies_[tenant.slot] = {tenant.generation, tenant.sequence};
    // After a clean stop the records are exact; older counters could only be left over.
    const LiveSlot* live = clean ? nullptr : find_live(previous, tenant);
    // A killed run has left a line for each: one that is missing, or behind, is another file's.
    if (strategy_of(tenant.record.strategy).durable)
      counted = counted && live != nullptr && live->next >= tenant.record.position;
    const BoundRecord exact = recover(tenant, live, in_cluster);
    // Also after a clean stop: both copies are to be the same again.
    write_bound(tenant.slot, exact);
    live_slot(tenant.slot).generation = tenant.generation;
    live_slot(tenant.slot).next = exact.position;
    tenants_.push_back({tenant.slot, tenant.name, tenant.definition, exact});
  }
  for (const uint32_t slot : found.free_slots) set_state(slot, SlotState::kFree);
  free_.assign(found.free_slots.rbegin(), found.free_slots.rend());
  free_count_.store(static_cast<uint32_t>(free_.size()));
  return counted;
}

// An older copy: with marks that etcd never had, neither this start nor a later one trusts its
// leases. Durable before anything else changes: with its records written, as this start does, the
// copy would look to the next one like what the last run has left.
Result<void> StateFile::spoil_marks() {
  if (!is_in_cluster(header_)) return {};
  stamp_.mark = kSpoiledMark;
  // 0 says that the id was never claimed, which is no less true of a copy.
  if (stamp_.previous_mark != 0) stamp_.previous_mark = kSpoiledMark;
  stamp_.confirmed_mark = stamp_.previous_mark;
  header_.ending = Ending::kNotJoinedUnknown;
  write_header();
  return storage_.flush_now();
}

void StateFile::touch_every_page() {
  for (uint64_t offset = 0; offset < storage_.size(); offset += layout::kPageBytes) {
    const auto* byte = reinterpret_cast<volatile unsigned char*>(storage_.data() + offset);
    const unsigned char value = *byte;
    *const_cast<volatile unsigned char*>(byte) = value;
  }
}

Result<void> StateFile::close() {
  // In two steps: the mark must not be durable before what it vouches for.
  if (auto flushed = storage_.flush_now(); !flushed) return flushed;
  if (is_in_cluster(header_) && !is_stamped_) return {};
  header_.ending = Ending::kClean;
  write_header();
  if (auto flushed = storage_.flush_now(); !flushed) return flushed;
  live_.drop_current();
  return {};
}

void StateFile::set_stamp(const ClusterStamp& stamp) {
  stamp_ = stamp;
  is_stamped_ = stamp_waits_ = true;
  header_.ending = Ending::kNot;
}

// LCOV_EXCL_START: a file of the largest size, 8 GiB, is no unit test's.
bool StateFile::wants_growth() const {
  return free_count_.load(std::memory_order_relaxed) < kFreeSlotsLow &&
         header_.extents < layout::kMaxExtents;
}

bool StateFile::is_full() const {
  return free_count_.load(std::memory_order_relaxed) == 0 && header_.extents >= layout::kMaxExtents;
}

// LCOV_EXCL_STOP

uint64_t StateFile::growth_bytes() const {
  const uint64_t more = std::clamp(header_.extents / 4, kGrowthExtentsMin, kGrowthExtentsMax);
  return layout::file_bytes(std::min(header_.extents + more, layout::kMaxExtents));
}

bool StateFile::before_flush() {
  const uint64_t extents = (storage_.size() - layout::kPageBytes) / layout::kExtentBytes;
  if (extents == header_.extents && !stamp_waits_) return false;
  stamp_waits_ = false;
  if (extents != header_.extents) take_in_growth(extents);
  write_header();
  return true;
}

// The flush that follows makes the header durable together with the first PENDING definitions in
// the new slots; none of them is LIVE before it.
void StateFile::take_in_growth(uint64_t extents) {
  live_.extend(layout::live_bytes(extents));
  const auto first = static_cast<uint32_t>(header_.extents * layout::kSlotsPerExtent);
  const auto last = static_cast<uint32_t>(extents * layout::kSlotsPerExtent);
  tenancies_.resize(last);
  std::vector<uint32_t> fresh;
  for (uint32_t slot = last; slot-- > first;) fresh.push_back(slot);
  free_.insert(free_.begin(), fresh.begin(), fresh.end());
  free_count_.store(static_cast<uint32_t>(free_.size()));
  header_.extents = extents;
}

void StateFile::write_header() {
  ++header_.sequence;
  header_.cluster_id = stamp_.cluster_id;
  header_.mark = stamp_.mark;
  header_.previous_mark = stamp_.previous_mark;
  header_.place = stamp_.place;
  header_.confirmed_mark = stamp_.confirmed_mark;
  header_.cluster_run = stamp_.run;
  put_header(storage_.data(), header_);
}

std::optional<uint32_t> StateFile::take_slot() {
  if (free_.empty()) return std::nullopt;
  const uint32_t slot = free_.back();
  free_.pop_back();
  free_count_.store(static_cast<uint32_t>(free_.size()));
  return slot;
}

void StateFile::give_slot(uint32_t slot) {
  free_.push_back(slot);
  free_count_.store(static_cast<uint32_t>(free_.size()));
}

std::string_view StateFile::write_pending(uint32_t slot, std::string_view name,
                                          const Definition& definition, const BoundRecord& first) {
  ND_CHECK(!name.empty() && name.size() <= layout::kNameBytes, "a name of {} bytes", name.size());
  std::byte* at = storage_.data() + layout::descriptor_offset(slot);
  Tenancy& tenancy = tenancies_[slot];
  tenancy = {header_.epoch << 32 | ++generations_, 0};

  Descriptor descriptor{};
  descriptor.state = SlotState::kPending;
  descriptor.generation = tenancy.generation;
  descriptor.starting = definition.starting;
  descriptor.step = definition.step;
  descriptor.created_unix_s = clock_.unix_us() / 1'000'000;
  descriptor.kind = static_cast<uint8_t>(definition.kind);
  descriptor.length = definition.length;
  descriptor.name_bytes = static_cast<uint8_t>(name.size());
  std::memcpy(descriptor.name.data(), name.data(), name.size());
  seal(descriptor, sizeof descriptor.state);
  std::memcpy(at, &descriptor, sizeof descriptor);

  // After the descriptor: counters of what is not in the file tell that the file is older.
  std::atomic_signal_fence(std::memory_order_seq_cst);
  live_slot(slot).next = first.position;
  live_slot(slot).generation = tenancy.generation;
  write_bound(slot, first);
  return {reinterpret_cast<const char*>(at) + offsetof(Descriptor, name), name.size()};
}

void StateFile::set_state(uint32_t slot, SlotState state) {
  auto* word = reinterpret_cast<uint64_t*>(storage_.data() + layout::descriptor_offset(slot));
  std::atomic_ref(*word).store(static_cast<uint64_t>(state));
}

void StateFile::write_live(uint32_t slot) {
  set_state(slot, SlotState::kLive);
}

void StateFile::write_tombstone(uint32_t slot) {
  set_state(slot, SlotState::kFree);
}

void StateFile::write_bound(uint32_t slot, const BoundRecord& record) {
  Tenancy& tenancy = tenancies_[slot];
  BoundSlot bytes{};
  bytes.generation = tenancy.generation;
  bytes.bound = record.bound;
  bytes.position = record.position;
  bytes.wasted = record.wasted;
  bytes.sequence = ++tenancy.sequence;
  bytes.lease_generation = record.lease.generation;
  bytes.lease_end = record.lease.end;
  bytes.next_begin = record.lease.next.begin;
  bytes.next_end = record.lease.next.end;
  bytes.skipped = record.lease.skipped;
  bytes.strategy = static_cast<uint32_t>(record.strategy);
  seal(bytes);
  std::memcpy(storage_.data() + layout::bound_offset(slot, 0), &bytes, sizeof bytes);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  std::memcpy(storage_.data() + layout::bound_offset(slot, 1), &bytes, sizeof bytes);
  live_slot(slot).sequence = bytes.sequence;
}

LiveSlot& StateFile::live_slot(uint32_t slot) {
  return *reinterpret_cast<LiveSlot*>(live_base_ + sizeof(layout::LiveHeader) +
                                      slot * sizeof(LiveSlot));
}

std::atomic<uint64_t>& StateFile::live_counter(uint32_t slot) {
  static_assert(sizeof(std::atomic<uint64_t>) == sizeof(uint64_t) &&
                std::atomic<uint64_t>::is_always_lock_free);
  return *reinterpret_cast<std::atomic<uint64_t>*>(&live_slot(slot).next);
}

}  // namespace number_dispenser
