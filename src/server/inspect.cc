#include "inspect.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <vector>

#include "number_dispenser/base/fd.h"
#include "number_dispenser/state/file_storage.h"
#include "number_dispenser/state/live.h"
#include "number_dispenser/state/scan.h"

namespace number_dispenser {
namespace {

// A dispenser, and what recovery would make of it.
struct Seen {
  ScannedTenant tenant;
  bool exact;  // the live counter, or a clean stop, says where it is
  BoundRecord recovered;
};

struct Inspection {
  std::string path;
  std::vector<std::byte> bytes;
  Scan scan;
  bool running = false;
  bool older = false;     // than its live counters
  bool restored = false;  // there are those of a later run, or of a copy's
  std::vector<Seen> dispensers;
};

Result<std::vector<std::byte>> read_file(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat found {};
  if (!fd.valid() || ::fstat(fd.get(), &found) != 0)
    return fail_errno(ExitStatus::kIoError, fmt::format("cannot read {}", path), errno);
  std::vector<std::byte> bytes(static_cast<size_t>(found.st_size));
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got =
        ::pread(fd.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (got < 0 && errno != EINTR)
      return fail_errno(ExitStatus::kIoError, fmt::format("cannot read {}", path), errno);
    if (got == 0) break;
    if (got > 0) done += static_cast<size_t>(got);
  }
  bytes.resize(done);
  return bytes;
}

bool is_locked(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct flock lock {};
  lock.l_type = F_RDLCK;
  lock.l_whence = SEEK_SET;
  return fd.valid() && ::fcntl(fd.get(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

void judge(Inspection& seen, const std::string& run_dir) {
  const bool clean = seen.scan.header.ending == layout::Ending::kClean;
  LiveDirectory live(run_dir);
  const layout::Header& header = seen.scan.header;
  const auto left = live.open_previous(header.id, header.epoch);
  const auto counters = counters_of_run(left, header);
  for (const ScannedTenant& tenant : seen.scan.tenants) {
    const layout::LiveSlot* line = clean ? nullptr : find_live(counters, tenant);
    const bool in_cluster = is_in_cluster(seen.scan.header);
    const bool exact = clean || (line != nullptr && !(in_cluster && is_older(tenant, line)));
    seen.dispensers.push_back({tenant, exact, recover(tenant, line, in_cluster)});
  }
  // A start takes nothing from growth that the header does not know of.
  const auto known = std::span(seen.bytes).first(layout::file_bytes(header.extents));
  seen.older = lag_of(seen.scan, known, counters).any();
  seen.restored = live.newer_exists(header.id, header.epoch) || are_of_another_run(left, header);
}

Result<Inspection> inspect(const std::string& data_dir, const std::string& run_dir) {
  Inspection seen;
  seen.path = fmt::format("{}/{}", data_dir, FileStorage::kFileName);
  const std::string lock = fmt::format("{}/{}", data_dir, FileStorage::kLockName);
  seen.running = is_locked(lock);
  // A running server may be writing the very record that is read: damage must show again and again.
  constexpr int kTries = 5;
  constexpr int kPauseMs = 20;
  for (int tries = 1;; ++tries) {
    auto bytes = read_file(seen.path);
    if (!bytes) return std::unexpected(bytes.error());
    seen.bytes = std::move(*bytes);
    auto scanned = scan(seen.bytes);
    const bool doubtful = !scanned || !scanned->notes.empty();
    if (doubtful && seen.running && tries < kTries) {
      ::poll(nullptr, 0, kPauseMs);
      continue;
    }
    if (!scanned)
      return fail(ExitStatus::kIoError, fmt::format("{}: {}", seen.path, scanned.error()));
    seen.scan = std::move(*scanned);
    judge(seen, run_dir);
    // It may have started since, and moved the epoch.
    seen.running = seen.running || is_locked(lock);
    return seen;
  }
}

std::string recovery_of(const Inspection& seen) {
  // What a running server writes may come between the two.
  if ((seen.restored || seen.older) && !seen.running) {
    if (is_in_cluster(seen.scan.header))
      return "older than live counters that are there, or a copy: its leases are given up";
    return seen.restored
               ? "not of a run whose live counters are there: it was restored from a copy, or a "
                 "copy of it has run, and numbers issued since may be issued again"
               : "older than its live counters: it was restored from a copy, or a flush had "
                 "failed. Dispensers go on where the counters are, those defined since are "
                 "missing, and deleted ones may be back";
  }
  if (seen.scan.header.ending == layout::Ending::kClean)
    return "stopped cleanly: every dispenser goes on exactly";
  uint64_t skipped = 0;
  const auto inexact = std::ranges::count_if(seen.dispensers, [&](const Seen& one) {
    if (one.exact || !strategy_of(one.tenant.record.strategy).durable) return false;
    skipped += one.recovered.wasted - one.tenant.record.wasted;
    return true;
  });
  if (inexact == 0) return "the live counters are there: every durable dispenser goes on exactly";
  return fmt::format(
      "{} dispensers have no live counter and go on at their durable bound, which "
      "skips {} numbers",
      inexact, skipped);
}

uint64_t next_number(const Seen& seen) {
  return seen.tenant.definition.starting + seen.recovered.position * seen.tenant.definition.step;
}

std::string hex(const layout::FileId& id) {
  std::string text;
  for (const uint8_t byte : id) text += fmt::format("{:02x}", byte);
  return text;
}

nlohmann::ordered_json as_json(const Seen& one) {
  const Definition& definition = one.tenant.definition;
  const BoundRecord& next = one.recovered;
  nlohmann::ordered_json json = {{"name", one.tenant.name},
                                 {"type", static_cast<int>(definition.kind)},
                                 {"length", definition.length},
                                 {"starting", definition.starting},
                                 {"step", definition.step},
                                 {"current", next_number(one)},
                                 {"auto_disk", strategy_of(one.tenant.record.strategy).name},
                                 {"generated", next.position - next.wasted - next.lease.skipped},
                                 {"wasted", next.wasted},
                                 {"bound", one.tenant.record.bound},
                                 {"exact", one.exact},
                                 {"slot", one.tenant.slot}};
  const Lease& lease = next.lease;
  if (lease.generation == 0) return json;
  json["cluster_generation"] = lease.generation;
  json["lease_end"] = lease.end;
  json["next_lease"] = {lease.next.begin, lease.next.end};
  return json;
}

std::string as_json(const Inspection& seen) {
  nlohmann::ordered_json dispensers = nlohmann::ordered_json::array();
  for (const Seen& one : seen.dispensers) dispensers.push_back(as_json(one));
  const nlohmann::ordered_json whole = {{"file", seen.path},
                                        {"id", hex(seen.scan.header.id)},
                                        {"epoch", seen.scan.header.epoch},
                                        {"running", seen.running},
                                        {"dispensers", std::move(dispensers)}};
  // Names may hold bytes that are not UTF-8.
  return whole.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace

Result<std::string> check_state(const std::string& data_dir, const std::string& run_dir) {
  const auto seen = inspect(data_dir, run_dir);
  if (!seen) return std::unexpected(seen.error());
  const layout::Header& header = seen->scan.header;
  std::string text = fmt::format(
      "{}: layout version {}, id {}, epoch {}, {}\n{} dispensers, {} free slots, {} bytes\n",
      seen->path, header.version, hex(header.id), header.epoch,
      seen->running ? "in use by a running server" : "not in use", seen->dispensers.size(),
      seen->scan.free_slots.size(), seen->bytes.size());
  if (is_in_cluster(header))
    text += fmt::format("a node's file, of cluster {:016x}\n", header.cluster_id);
  for (const std::string& note : seen->scan.notes) text += fmt::format("survived: {}\n", note);
  text +=
      fmt::format("{}: {}\nno damage that would stop a start\n",
                  seen->running ? "after SIGKILL now" : "at the next start", recovery_of(*seen));
  return text;
}

Result<std::string> dump_state(const std::string& data_dir, const std::string& run_dir, bool json) {
  const auto seen = inspect(data_dir, run_dir);
  if (!seen) return std::unexpected(seen.error());
  if (json) return as_json(*seen);
  size_t widest = 4;
  for (const Seen& one : seen->dispensers) widest = std::max(widest, one.tenant.name.size());
  std::string text =
      fmt::format("{:<{}}  type  length  {:>19}  {:>19}  {:>19}  {:<14}  {:>10}\n", "name", widest,
                  "starting", "step", "current", "auto_disk", "wasted");
  for (const Seen& one : seen->dispensers) {
    const Definition& definition = one.tenant.definition;
    text += fmt::format("{:<{}}  {:>4}  {:>6}  {:>19}  {:>19}  {:>19}  {:<14}  {:>10}\n",
                        one.tenant.name, widest, static_cast<int>(definition.kind),
                        definition.length, definition.starting, definition.step, next_number(one),
                        strategy_of(one.tenant.record.strategy).name, one.recovered.wasted);
  }
  return text;
}

}  // namespace number_dispenser
