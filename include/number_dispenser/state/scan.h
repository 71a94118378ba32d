// Reads a state file's bytes and says what is in them; writes nothing. Recovery, `check` and `dump`
// are built on it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "number_dispenser/dispenser/bound.h"
#include "number_dispenser/dispenser/kind.h"
#include "number_dispenser/state/layout.h"

namespace number_dispenser {

struct ScannedTenant {
  uint32_t slot = 0;
  std::string_view name;  // points into the bytes
  Definition definition;
  uint64_t generation = 0;
  BoundRecord record;     // the copy that recovery takes
  uint64_t sequence = 0;  // of that copy
  int64_t created_unix_s = 0;
};

// One of a record's two copies that cannot be used; the other one can.
struct DamagedCopy {
  uint64_t offset;
  uint64_t good_offset;
  size_t bytes;
};

struct Scan {
  layout::Header header{};
  std::vector<ScannedTenant> tenants;  // by slot
  std::vector<uint32_t> free_slots;    // free or pending, ascending
  std::vector<DamagedCopy> damaged;
  std::vector<std::string> notes;  // survived damage, a line each
};

// The error is one line: what is damaged, its slot and offset, and the remedy. Any bytes whatever
// are safe to give.
std::expected<Scan, std::string> scan(std::span<const std::byte> file);

// Whether its server has leased from a cluster (ClusterStamp).
bool is_in_cluster(const layout::Header& header);

// What recovery does with a tenant: `record` becomes exact (Store::Tenant), and its lease stays
// what it was. `live`: the live counter's next ordinal where it can be trusted, else null. It may
// be past the lease: the killed process had begun the next segment, and not yet written so.
BoundRecord recover(const Definition& definition, const BoundRecord& record, const uint64_t* live);

// What recovery does with one whose file is older than its live counter, as it is where a copy was
// put in its place, or where a flush failed: everything that was drawn counts as issued. Without a
// lease.
BoundRecord recover_older(const BoundRecord& record, uint64_t live);
// Whatever the strategy: one that keeps nothing may have been another since.
bool is_older(const ScannedTenant& tenant, const layout::LiveSlot* live);
// Which of the two, and what it makes of the tenant. Nothing that was leased goes on as an older
// one does: the counter may be in a segment that this file knows nothing of. It goes by its record,
// and the lease is for its owner to give up.
BoundRecord recover(const ScannedTenant& tenant, const layout::LiveSlot* live, bool in_cluster);

// `live`, counters of the header's epoch, where they are those of the very run that wrote it. None
// where they are another copy's, which has run with this epoch as well.
std::span<const std::byte> counters_of_run(std::span<const std::byte> live,
                                           const layout::Header& header);
inline bool are_of_another_run(std::span<const std::byte> live, const layout::Header& header) {
  return !live.empty() && counters_of_run(live, header).empty();
}

// A tenant's line in a previous run's counters, or null if it is not there.
const layout::LiveSlot* find_live(std::span<const std::byte> live, const ScannedTenant& tenant);

// What the counters of the very run that wrote a file know, and the file does not: it is an older
// copy, or a flush has failed. Nothing after a clean stop: counters could only be left over.
struct Lag {
  uint64_t behind = 0;   // dispensers whose records are older
  uint64_t missing = 0;  // and slots used since, whose dispensers are not in it

  bool any() const { return behind + missing > 0; }
};
Lag lag_of(const Scan& found, std::span<const std::byte> file, std::span<const std::byte> counters);

}  // namespace number_dispenser
