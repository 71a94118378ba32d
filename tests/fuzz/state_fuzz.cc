// Any state file and any live counters (state_input.h): a start refuses them with a reason, or goes
// on where no client can have been. `check` and `dump` agree with it. What is issued then is not
// issued again after the next crash.
//
// state_mutator.cc makes the inputs: valid files, with changes that know the layout and often mend
// its checksums.
#include <algorithm>
#include <fstream>
#include <map>
#include <string>

#include "../../src/server/inspect.h"
#include "number_dispenser/base/check.h"
#include "number_dispenser/base/crc32c.h"
#include "number_dispenser/base/log.h"
#include "state_bytes.h"
#include "state_input.h"
#include "state_run.h"
#include "temporary_directory.h"

namespace number_dispenser::fuzz {
namespace {

using testing_support::read_at;

template <class T>
bool has_right_checksum(const T& record, size_t skip = 0) {
  const auto bytes = std::as_bytes(std::span(&record, 1));
  return crc32c(bytes.subspan(skip, offsetof(T, crc32c) - skip)) == record.crc32c;
}

bool is_one_line(std::string_view text) {
  return !text.empty() && std::ranges::none_of(text, [](char c) { return c == '\n' || c == '\r'; });
}

bool is_consistent_lease(const layout::BoundSlot& copy, const ScannedTenant& tenant) {
  const bool has_next = (copy.next_begin | copy.next_end) != 0;
  const bool segments = (copy.lease_end | copy.skipped) != 0 || has_next;
  if (copy.lease_generation == 0) return !segments;
  const bool needs_none = tenant.definition.kind == Kind::kRandom ||
                          copy.strategy == static_cast<uint32_t>(StrategyId::kMemory);
  if (needs_none && copy.lease_end == 0) return !segments;
  const uint64_t last = has_next ? copy.next_end : copy.lease_end;
  return copy.bound <= copy.lease_end && last <= capacity_of(tenant.definition) &&
         (!has_next || (copy.lease_end <= copy.next_begin && copy.next_begin < copy.next_end)) &&
         copy.wasted + copy.skipped <= copy.position && copy.skipped <= copy.position;
}

bool is_consistent(const layout::BoundSlot& copy, const ScannedTenant& tenant) {
  return has_right_checksum(copy) && copy.generation == tenant.generation &&
         copy.strategy < kStrategies.size() && copy.wasted <= copy.position &&
         copy.position <= copy.bound && copy.bound <= capacity_of(tenant.definition) &&
         is_consistent_lease(copy, tenant);
}

// Only what has the right checksum was believed, and of two good bounds the larger one.
void check_scan(std::span<const std::byte> file, const Scan& found) {
  ND_CHECK(has_right_checksum(found.header), "the header");
  for (const ScannedTenant& tenant : found.tenants) {
    const auto descriptor =
        read_at<layout::Descriptor>(file, layout::descriptor_offset(tenant.slot));
    ND_CHECK(has_right_checksum(descriptor, sizeof descriptor.state), "slot {}", tenant.slot);
    ND_CHECK(descriptor.state == layout::SlotState::kLive, "slot {}", tenant.slot);
    bool copied = false;
    for (unsigned copy = 0; copy < 2; ++copy) {
      const auto bound = read_at<layout::BoundSlot>(file, layout::bound_offset(tenant.slot, copy));
      if (!is_consistent(bound, tenant)) continue;
      copied = copied ||
               (bound.bound == tenant.record.bound && bound.position == tenant.record.position &&
                bound.wasted == tenant.record.wasted &&
                bound.lease_generation == tenant.record.lease.generation &&
                bound.lease_end == tenant.record.lease.end &&
                bound.next_begin == tenant.record.lease.next.begin &&
                bound.next_end == tenant.record.lease.next.end &&
                bound.skipped == tenant.record.lease.skipped);
      ND_CHECK(tenant.record.bound >= bound.bound, "{} of copy {} is {}", tenant.record.bound, copy,
               bound.bound);
    }
    ND_CHECK(copied, "slot {}: a record of neither copy", tenant.slot);
  }
}

// The first ordinal that may be issued, by the file and by those counters that belong to its run.
uint64_t lowest_next(const StateInput& input, const Scan& found, const ScannedTenant& tenant) {
  uint64_t lowest = tenant.record.bound;
  const bool counters = found.header.ending != layout::Ending::kClean &&
                        input.live.size() >= sizeof(layout::LiveHeader) &&
                        read_at<layout::LiveHeader>(input.live, 0).run == found.header.run;
  const auto* live = counters ? find_live(input.live, tenant) : nullptr;
  if (live != nullptr && live->next >= tenant.record.position)
    lowest = std::min(lowest, live->next);
  if (live != nullptr && live->sequence > tenant.sequence) lowest = std::min(lowest, live->next);
  return lowest;
}

void check_recovered(const StateInput& input, const Scan& found, StateRun& run) {
  ND_CHECK(run.registry().size() == found.tenants.size(), "{} dispensers", run.registry().size());
  for (const ScannedTenant& tenant : found.tenants) {
    const auto info = run.registry().info(tenant.name);
    ND_CHECK(info && info->definition == tenant.definition, "slot {}", tenant.slot);
    ND_CHECK(info->wasted <= info->next, "wasted {} of {}", info->wasted, info->next);
    if (!strategy_of(info->strategy).durable || tenant.definition.kind == Kind::kRandom) continue;
    const uint64_t lowest = lowest_next(input, found, tenant);
    ND_CHECK(info->next >= lowest, "slot {} goes on at {} instead of {}", tenant.slot, info->next,
             lowest);
  }
}

// Issues some, defines one and deletes one; all of it holds after a crash.
void check_crash(const Scan& found, StateRun& run) {
  std::map<std::string, uint64_t> issued;  // the next ordinal
  for (const ScannedTenant& tenant : found.tenants) {
    const std::string name(tenant.name);
    issued[name] = 0;
    for (int draws = 0; draws < 3; ++draws)
      if (const auto ordinal = run.draw(name)) issued[name] = *ordinal + 1;
  }
  const std::string gone = found.tenants.empty() ? "" : std::string(found.tenants[0].name);
  const bool defined = !found.free_slots.empty() && !issued.contains("defined-by-the-fuzzer");
  if (defined)
    run.registry().define(run.view(), "defined-by-the-fuzzer", Definition{.step = 1}, {});
  run.settle();
  if (!gone.empty()) run.registry().remove(run.view(), gone);
  run.settle();
  if (run.random().chance(50))
    run.cut_power();
  else
    run.kill();
  const auto started = run.start();
  ND_CHECK(started.has_value(), "{}", started.error().message);
  ND_CHECK(gone.empty() || !run.registry().info(gone), "{} is back", gone);
  ND_CHECK(!defined || run.registry().info("defined-by-the-fuzzer"), "lost");
  issued.erase(gone);
  for (const auto& [name, next] : issued) {
    const auto info = run.registry().info(name);
    ND_CHECK(info.has_value(), "{} is lost", name);
    const bool counts =
        strategy_of(info->strategy).durable && info->definition.kind != Kind::kRandom;
    ND_CHECK(!counts || info->next >= next, "{} goes on at {} instead of {}", name, info->next,
             next);
  }
}

// `check` and `dump` on a real file, without its counters.
void check_reports(const StateInput& input, bool good) {
  static const testing_support::TemporaryDirectory directory("/dev/shm");
  const std::string path = directory.path() + "/dispensers.state";
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(reinterpret_cast<const char*>(input.file.data()),
             static_cast<std::streamsize>(input.file.size()));
  const auto report = check_state(directory.path(), directory.path());
  ND_CHECK(report.has_value() == good, "check");
  for (const bool json : {false, true}) {
    const auto dumped = dump_state(directory.path(), directory.path(), json);
    ND_CHECK(dumped.has_value() == good, "dump");
  }
  if (!good) ND_CHECK(is_one_line(report.error().message), "{}", report.error().message);
}

void check(std::span<const std::byte> bytes) {
  const StateInput input = decode_input(bytes);
  const auto found = scan(input.file);
  const uint32_t choice = crc32c(bytes);
  // Files are slow: one in eight.
  if (choice % 8 == 0) check_reports(input, found.has_value());
  if (found) check_scan(input.file, *found);
  StateRun run(input, choice);
  const auto started = run.start();
  ND_CHECK(started.has_value() == found.has_value(), "the start and the scan disagree");
  if (!started) {
    ND_CHECK(is_one_line(found.error()), "{}", found.error());
    return;
  }
  check_recovered(input, *found, run);
  check_crash(*found, run);
}

}  // namespace
}  // namespace number_dispenser::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace number_dispenser;
  set_log_level(LogLevel::kError);
  fuzz::check({reinterpret_cast<const std::byte*>(data), size});
  return 0;
}
