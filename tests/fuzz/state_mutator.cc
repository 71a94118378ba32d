#include "state_mutator.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "state_bytes.h"
#include "state_run.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace number_dispenser::fuzz {
namespace {

using layout::BoundSlot;
using layout::Descriptor;
using layout::Header;
using testing_support::read_at;
using testing_support::seal_at;
using testing_support::SeededRandom;

// One step of a server's life.
void live_a_little(StateRun& run) {
  static const std::string kNames[] = {"a", "b", "c", "d", std::string(128, 'n')};
  SeededRandom& random = run.random();
  const std::string& name = kNames[random.below(std::size(kNames))];
  const auto strategy = static_cast<StrategyId>(random.below(kStrategies.size()));
  Definition definition{.kind = static_cast<Kind>(1 + random.below(3))};
  if (definition.kind != Kind::kIncrementing)
    definition.length = static_cast<uint8_t>(1 + random.below(kMaxLength));
  if (definition.kind != Kind::kRandom) definition.step = 1 + random.below(3);
  switch (random.below(6)) {
    case 0:
      run.registry().define(run.view(), name, definition, strategy);
      break;
    case 1:
      if (random.chance(20)) run.registry().remove(run.view(), name);
      break;
    case 2:
      run.registry().switch_strategy(name, strategy);
      break;
    case 3:
      run.clock().advance_ms(600);
      run.registry().sweep();
      break;
    default:
      for (uint64_t draws = random.below(100); draws > 0; --draws) run.draw(name);
  }
  if (random.chance(80)) run.settle();
}

// A word that is near something.
uint64_t choose_word(uint64_t old, SeededRandom& random) {
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  const uint64_t words[] = {
      0,
      1,
      old + 1,
      old - 1,
      old ^ uint64_t{1} << random.below(64),
      random.below(1000),
      kMaxNumber,
      kMaxNumber + 1,
      kMost,
      kMost - 1,
      uint64_t{1} << 32,
      power_of_ten(static_cast<unsigned>(random.below(19))),
      static_cast<uint64_t>(layout::SlotState::kLive),
      static_cast<uint64_t>(layout::SlotState::kPending),
  };
  return words[random.below(std::size(words))];
}

// A word of the record at `offset` changes; its checksum follows, as a rule.
template <class T>
void change_record(std::span<std::byte> bytes, uint64_t offset, size_t skip, SeededRandom& random) {
  if (offset + sizeof(T) > bytes.size()) return;
  const uint64_t at = offset + 8 * random.below(sizeof(T) / 8);
  if (random.chance(30)) {
    bytes[at + random.below(8)] ^= static_cast<std::byte>(1 << random.below(8));
  } else {
    const uint64_t word = choose_word(read_at<uint64_t>(bytes, at), random);
    std::memcpy(bytes.data() + at, &word, sizeof word);
  }
  if (random.chance(75)) seal_at(bytes, offset, read_at<T>(bytes, offset), skip);
}

// The slots in front are those in use.
uint32_t choose_slot(SeededRandom& random) {
  return static_cast<uint32_t>(random.below(random.chance(90) ? 6 : 128));
}

void copy_slot(std::span<std::byte> file, uint32_t from, uint32_t to) {
  const auto copy = [&](uint64_t source, uint64_t target, size_t bytes) {
    if (std::max(source, target) + bytes <= file.size())
      std::memmove(file.data() + target, file.data() + source, bytes);
  };
  copy(layout::descriptor_offset(from), layout::descriptor_offset(to), sizeof(Descriptor));
  for (const unsigned at : {0u, 1u})
    copy(layout::bound_offset(from, at), layout::bound_offset(to, at), sizeof(BoundSlot));
}

// As libFuzzer likes it, within a page.
void change_anything(std::vector<std::byte>& bytes, SeededRandom& random) {
  if (bytes.empty()) return;
  const size_t begin = random.below(bytes.size());
  const size_t length = std::min<size_t>(bytes.size() - begin, 1 + random.below(256));
  LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(bytes.data()) + begin, length, length);
}

void change_size(StateInput& input, SeededRandom& random) {
  const bool live = random.chance(50);
  std::vector<std::byte>& bytes = live ? input.live : input.file;
  const uint64_t most = live ? StateInput::kMostLiveBytes : StateInput::kMostFileBytes;
  const uint64_t extents = layout::file_bytes(random.below(3));
  bytes.resize(std::min(most, random.chance(50) ? random.below(most) : extents));
}

// One copy as it was before its last write, or torn between the two.
void tear_bound(std::span<std::byte> file, uint32_t slot, SeededRandom& random) {
  const unsigned copy = static_cast<unsigned>(random.below(2));
  const uint64_t one = layout::bound_offset(slot, copy);
  const uint64_t other = layout::bound_offset(slot, 1 - copy);
  if (std::max(one, other) + sizeof(BoundSlot) > file.size()) return;
  const size_t kept = 8 * random.below(sizeof(BoundSlot) / 8);
  std::memcpy(file.data() + one + kept, file.data() + other + kept, sizeof(BoundSlot) - kept);
}

// Both copies get a lease that may be one, or nearly so.
void give_lease(std::span<std::byte> file, uint32_t slot, SeededRandom& random) {
  if (layout::bound_offset(slot, 1) + sizeof(BoundSlot) > file.size()) return;
  auto record = read_at<BoundSlot>(file, layout::bound_offset(slot, 0));
  record.lease_generation = random.below(3);
  record.lease_end = random.chance(80) ? record.bound + random.below(100) : 0;
  record.next_begin = random.chance(50) ? record.lease_end + random.below(100) : 0;
  record.next_end = record.next_begin == 0 ? 0 : record.next_begin + random.below(100);
  record.skipped = random.chance(80) ? random.below(10) : record.position;
  for (const unsigned copy : {0u, 1u}) seal_at(file, layout::bound_offset(slot, copy), record);
}

}  // namespace

StateInput make_valid_input(uint64_t seed) {
  SeededRandom ids(seed);
  StateRun run({testing_support::small_file(ids), {}}, seed);
  for (uint64_t runs = 1 + run.random().below(3); runs > 0; --runs) {
    const auto started = run.start();
    ND_CHECK(started.has_value(), "{}", started.error().message);
    for (uint64_t steps = run.random().below(30); steps > 0; --steps) live_a_little(run);
    const uint64_t end = run.random().below(3);
    end == 0 ? run.stop() : end == 1 ? run.kill() : run.cut_power();
  }
  return run.take();
}

void change_input(StateInput& input, SeededRandom& random) {
  const uint32_t slot = choose_slot(random);
  switch (random.below(10)) {
    case 0:
      return change_record<Header>(input.file, random.chance(50) ? 0 : layout::kHeaderCopyOffset, 0,
                                   random);
    case 1:
      return change_record<Descriptor>(input.file, layout::descriptor_offset(slot),
                                       sizeof(layout::SlotState), random);
    case 2:
    case 3:
      return change_record<BoundSlot>(
          input.file, layout::bound_offset(slot, static_cast<unsigned>(random.below(2))), 0,
          random);
    case 4:
      return tear_bound(input.file, slot, random);
    case 5:
      return copy_slot(input.file, choose_slot(random), slot);
    case 6: {
      const uint64_t at = 8 * random.below(8 * (slot + 2));
      if (at + 8 > input.live.size()) return;
      const uint64_t word = choose_word(read_at<uint64_t>(input.live, at), random);
      std::memcpy(input.live.data() + at, &word, sizeof word);
      return;
    }
    case 7:
      return change_size(input, random);
    case 8:
      return give_lease(input.file, slot, random);
    default:
      return change_anything(random.chance(80) ? input.file : input.live, random);
  }
}

}  // namespace number_dispenser::fuzz

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned int seed) {
  using namespace number_dispenser;
  testing_support::SeededRandom random(seed);
  fuzz::StateInput input = random.chance(3)
                               ? fuzz::make_valid_input(seed)
                               : fuzz::decode_input({reinterpret_cast<std::byte*>(data), size});
  if (input.file.size() < sizeof(layout::Header)) input = fuzz::make_valid_input(seed);
  for (uint64_t changes = random.below(5); changes > 0; --changes)
    fuzz::change_input(input, random);
  const auto bytes = fuzz::encode_input(input);
  const size_t length = std::min(bytes.size(), max_size);
  std::memcpy(data, bytes.data(), length);
  return length;
}
