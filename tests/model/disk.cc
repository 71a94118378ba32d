// The disk behind the state file.
//
// The state file is units that reach the disk one by one, at any moment, in any order. Instead of a
// step for each write-back, a unit has all the versions it went through since the last flush: a
// power cut leaves any combination. That is the same set of outcomes, since no running code can see
// a write-back.
#include <map>
#include <set>

#include "number_dispenser/base/crc32c.h"
#include "world.h"

namespace number_dispenser::model {
namespace {

using layout::Header;

alignas(4096) std::byte memory[kStateBytes];
uint32_t loaded[kUnits];  // which version `memory` has

struct Place {
  uint64_t offset;
  uint64_t bytes;
};

constexpr Place place_of(unsigned unit) {
  if (unit < 2) return {unit * layout::kHeaderCopyOffset, sizeof(Header)};
  const unsigned slot = (unit - 2) / 3;
  const unsigned part = (unit - 2) % 3;
  if (part == 0) return {layout::descriptor_offset(slot), layout::kDescriptorBytes};
  return {layout::bound_offset(slot, part - 1), layout::kBoundBytes};
}

bool is_bound(unsigned unit) {
  return unit >= 2 && (unit - 2) % 3 != 0;
}

// Every content a unit ever had, by number.
std::map<std::string, uint32_t, std::less<>> numbers;
std::vector<const std::string*> contents;

uint32_t intern(std::string_view bytes) {
  const auto [found, fresh] = numbers.emplace(bytes, static_cast<uint32_t>(contents.size()));
  if (fresh) contents.push_back(&found->first);
  return found->second;
}

std::string_view bytes_of(unsigned unit) {
  const Place place = place_of(unit);
  return {reinterpret_cast<const char*>(memory) + place.offset, place.bytes};
}

void note_store(unsigned unit) {
  Unit& u = world.units[unit];
  const uint32_t now = intern(bytes_of(unit));
  loaded[unit] = now;
  if (u.versions[u.count - 1] == now) return;
  if (u.count == kVersions) std::abort();
  u.versions[u.count++] = now;
}

// What one unit may hold after a power cut.
std::vector<uint32_t> whole_versions(unsigned unit) {
  const Unit& u = world.units[unit];
  const std::set<uint32_t> distinct(u.versions, u.versions + u.count);
  return {distinct.begin(), distinct.end()};
}

// What a fault of the disk may make of it: half of it is of another version, since the power went
// while it was being written, or its last flush had not reached it.
std::vector<uint32_t> damaged_versions(unsigned unit) {
  const Unit& u = world.units[unit];
  std::set<uint32_t> damaged;
  for (unsigned older = 0; older < u.count; ++older)
    for (unsigned newer = older + 1; newer < u.count; ++newer) {
      const std::string& before = *contents[u.versions[older]];
      const std::string& after = *contents[u.versions[newer]];
      const size_t half = before.size() / 2;
      damaged.insert(intern(after.substr(0, half) + before.substr(half)));
      damaged.insert(intern(before.substr(0, half) + after.substr(half)));
    }
  if (world.left.lost_writes != 0 && is_bound(unit)) damaged.insert(u.before);
  for (const uint32_t whole : whole_versions(unit)) damaged.erase(whole);
  return {damaged.begin(), damaged.end()};
}

// Numbers the outcomes of a power cut: all units whole, then each unit damaged in turn.
struct Outcomes {
  uint32_t whole = 0;
  uint32_t all = 0;
};

// Fills `left`, where it is given, with what `choice` leaves of each unit.
Outcomes outcomes(uint32_t choice, uint32_t* left) {
  std::vector<unsigned> open;  // units that may be left in more than one way
  std::vector<std::vector<uint32_t>> whole, damaged;
  for (unsigned unit = 0; unit < kUnits; ++unit) {
    const Unit& u = world.units[unit];
    if (left != nullptr) left[unit] = u.versions[0];
    if (u.count == 1 && world.left.lost_writes == 0) continue;
    open.push_back(unit);
    whole.push_back(whole_versions(unit));
    damaged.push_back(damaged_versions(unit));
  }
  Outcomes seen;
  for (int fault = -1; fault < static_cast<int>(open.size()); ++fault) {
    const auto options = [&](unsigned at) -> const std::vector<uint32_t>& {
      return static_cast<int>(at) == fault ? damaged[at] : whole[at];
    };
    uint32_t count = 1;
    for (unsigned at = 0; at < open.size(); ++at)
      count *= static_cast<uint32_t>(options(at).size());
    if (left != nullptr && choice >= seen.all && choice < seen.all + count) {
      uint32_t rest = choice - seen.all;
      for (unsigned at = 0; at < open.size(); ++at) {
        const auto size = static_cast<uint32_t>(options(at).size());
        left[open[at]] = options(at)[rest % size];
        rest /= size;
      }
    }
    seen.all += count;
    if (fault < 0) seen.whole = count;
  }
  return seen;
}

class NoRandom final : public RandomSource {
 public:
  void fill(std::span<std::byte> out) override { std::ranges::fill(out, std::byte{7}); }
};

}  // namespace

std::byte* state_bytes() {
  return memory;
}

// A fresh file cut down to one extent.
void make_disk() {
  NoRandom random;
  const std::vector<std::byte> fresh = StateFile::fresh_file(random);
  std::memmove(memory, fresh.data(), kStateBytes);
  Header header{};
  std::memmove(&header, memory, sizeof header);
  header.extents = 1;
  header.crc32c = crc32c(std::as_bytes(std::span(&header, 1)).first(offsetof(Header, crc32c)));
  for (const uint64_t at : {uint64_t{0}, uint64_t{layout::kHeaderCopyOffset}})
    std::memmove(memory + at, &header, sizeof header);
  for (unsigned unit = 0; unit < kUnits; ++unit) {
    loaded[unit] = intern(bytes_of(unit));
    world.units[unit] = {{loaded[unit]}, 1, 0, loaded[unit]};
  }
}

void load_memory() {
  for (unsigned unit = 0; unit < kUnits; ++unit) {
    const Unit& u = world.units[unit];
    const uint32_t wanted = u.versions[u.count - 1];
    if (std::exchange(loaded[unit], wanted) == wanted) continue;
    std::memmove(memory + place_of(unit).offset, contents[wanted]->data(), place_of(unit).bytes);
  }
}

void flush_started() {
  for (Unit& u : world.units) u.flushing_from = static_cast<uint8_t>(u.count - 1);
}

void flush_ended() {
  for (Unit& u : world.units) {
    u.before = u.versions[u.flushing_from == 0 ? 0 : u.flushing_from - 1];
    std::memmove(u.versions, u.versions + u.flushing_from,
                 (u.count - u.flushing_from) * sizeof u.versions[0]);
    u.count = static_cast<uint8_t>(u.count - u.flushing_from);
    std::fill(u.versions + u.count, u.versions + kVersions, 0);
    u.flushing_from = 0;
  }
}

uint32_t power_cut_choices(bool with_fault) {
  const Outcomes all = outcomes(0, nullptr);
  return with_fault ? all.all : all.whole;
}

bool cut_power(uint32_t choice) {
  uint32_t left[kUnits] = {};
  const bool damaged = choice >= outcomes(choice, left).whole;
  for (unsigned unit = 0; unit < kUnits; ++unit)
    world.units[unit] = {{left[unit]}, 1, 0, left[unit]};
  load_memory();
  for (LiveFile& file : world.live) file = {};
  return damaged;
}

int unit_at(const void* at) {
  const auto* byte = static_cast<const std::byte*>(at);
  if (byte < memory || byte >= memory + kStateBytes) return -1;
  const auto offset = static_cast<uint64_t>(byte - memory);
  for (unsigned unit = 0; unit < kUnits; ++unit)
    if (offset >= place_of(unit).offset && offset < place_of(unit).offset + place_of(unit).bytes)
      return static_cast<int>(unit);
  std::abort();  // a store where the model expects none
}

std::string unit_name(unsigned unit) {
  if (unit < 2) return fmt::format("header copy {}", unit + 1);
  static constexpr std::string_view kParts[3] = {"descriptor", "bound copy 1", "bound copy 2"};
  return fmt::format("{} of slot {}", kParts[(unit - 2) % 3], (unit - 2) / 3);
}

void copy(void* to, const void* from, size_t bytes) {
  const auto* at = static_cast<std::byte*>(to);
  if (at < memory || at >= memory + kStateBytes ||
      std::equal(at, at + bytes, static_cast<const std::byte*>(from))) {
    std::memmove(to, from, bytes);
    return;
  }
  pause(Wait::kStore, to);
  std::memmove(to, from, bytes);
  const bool was_in_heap = leave_heap();
  note_store(static_cast<unsigned>(unit_at(to)));
  if (was_in_heap) enter_heap();
}

}  // namespace number_dispenser::model
