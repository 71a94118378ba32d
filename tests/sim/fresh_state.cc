#include "fresh_state.h"

#include <fmt/format.h>

#include <cstring>

#include "number_dispenser/base/crc32c.h"
#include "number_dispenser/state/state_file.h"

namespace number_dispenser::sim {
namespace {

template <class T>
void put(std::vector<std::byte>& file, uint64_t offset, T record, size_t unsealed = 0) {
  const auto bytes = std::as_bytes(std::span(&record, 1));
  record.crc32c = crc32c(bytes.subspan(unsealed, offsetof(T, crc32c) - unsealed));
  std::memcpy(file.data() + offset, &record, sizeof record);
}

void put_tenant(std::vector<std::byte>& file, uint32_t slot) {
  const std::string name = fmt::format("f{}", slot);
  layout::Descriptor descriptor{};
  descriptor.state = layout::SlotState::kLive;
  descriptor.generation = slot + 1;
  descriptor.step = 1;
  descriptor.kind = static_cast<uint8_t>(Kind::kIncrementing);
  descriptor.name_bytes = static_cast<uint8_t>(name.size());
  std::memcpy(descriptor.name.data(), name.data(), name.size());
  put(file, layout::descriptor_offset(slot), descriptor, sizeof descriptor.state);
  layout::BoundSlot bound{};
  bound.generation = descriptor.generation;
  bound.sequence = 1;
  bound.strategy = static_cast<uint32_t>(StrategyId::kElegantClose);
  for (const unsigned copy : {0u, 1u}) put(file, layout::bound_offset(slot, copy), bound);
}

}  // namespace

std::vector<std::byte> fresh_state(Rng& rng, uint64_t extents, uint32_t tenants) {
  SeededRandom random(rng.next());
  std::vector<std::byte> file = StateFile::fresh_file(random);
  file.resize(layout::file_bytes(extents));
  layout::Header header;
  std::memcpy(&header, file.data(), sizeof header);
  header.extents = extents;
  for (const uint32_t offset : {0u, layout::kHeaderCopyOffset}) put(file, offset, header);
  for (uint32_t slot = 0; slot < tenants; ++slot) put_tenant(file, slot);
  return file;
}

}  // namespace number_dispenser::sim
