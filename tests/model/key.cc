// The key of a state: a hash of all that the future depends on. Two states with one key are one
// state to the explorer, so whatever is left out here must not matter, and whatever is put in only
// costs time.
#include "world.h"

namespace number_dispenser::model {
namespace {

class Hash {
 public:
  void add(uint64_t value) {
    one_ = (std::rotl(one_, 29) ^ value) * 0x9e3779b97f4a7c15;
    one_ ^= one_ >> 32;
  }
  void add_bytes(const void* from, size_t bytes) {
    const auto* at = static_cast<const std::byte*>(from);
    for (; bytes >= 8; at += 8, bytes -= 8) {
      uint64_t word = 0;
      std::memmove(&word, at, 8);
      add(word);
    }
    uint64_t word = 0;
    std::memmove(&word, at, bytes);
    add(word);
  }
  template <class List, class Member>
  void add_list(const List& list, Member member) {
    add(list.size());
    for (const auto& element : list) add(member(element));
  }
  uint64_t value() const { return one_ ^ one_ >> 29; }

 private:
  uint64_t one_ = 0x243f6a8885a308d3;
};

uint64_t same(uint64_t value) {
  return value;
}

void add_batch(Hash& hash, const Registry::Batch& batch) {
  const auto pair = [](const auto& change) { return uint64_t{change.slot} << 32 | change.change; };
  hash.add_list(batch.raised, same);
  hash.add_list(batch.pending, same);
  hash.add_list(batch.live, same);
  hash.add_list(batch.dropped, pair);
  hash.add_list(batch.switched, pair);
}

void add_entry(Hash& hash, Registry::Entry& e) {
  hash.add(static_cast<uint64_t>(e.state));
  hash.add(e.cell.raise_wanted.load());
  if (e.state == Registry::State::kFree) return;  // define() sets all the rest
  hash.add(e.written.bound);
  hash.add(e.written.position);
  hash.add(e.written.wasted);
  hash.add(static_cast<uint64_t>(e.written.strategy) << 8 | static_cast<uint64_t>(e.strategy));
  hash.add(e.durable);
  hash.add(uint64_t{e.exact} << 16 | uint64_t{e.open} << 8 | uint64_t{e.created});
  hash.add(e.open ? e.idle_sweeps : 0);
  hash.add(e.open ? e.seen_next : 0);
  hash.add(world.now_ns - e.written_ns);
  hash.add(e.created ? 0 : e.create_change);
  hash.add(e.cell.durable_bound.load());
  hash.add(e.cell.raise_at.load());
}

// names_ and the cells of a view follow from the entries and the log.
void add_registry(Hash& hash, Registry& registry) {
  hash.add(registry.entries_.size());
  for (Registry::Entry& e : registry.entries_) add_entry(hash, e);
  for (const Registry::View* view : registry.views_) {
    hash.add(view->adopted_);
    hash.add(view->announced_);
    hash.add(view->cells_.size());
  }
  hash.add_list(registry.dirty_, same);
  hash.add_list(registry.open_, same);
  hash.add_list(registry.pended_, same);
  add_batch(hash, registry.next_batch_);
  add_batch(hash, registry.in_flight_);
  hash.add_list(registry.changes_,
                [](const auto& change) { return change.log_end << 1 | change.durable; });
  hash.add_list(registry.log_, [](const auto& entry) {
    return uint64_t{entry.slot} << 8 | static_cast<uint64_t>(entry.what);
  });
  hash.add(registry.log_base_);
  hash.add(registry.settled_.load());
  hash.add(registry.has_work_.load());
  hash.add(registry.mutex_.held());
}

void add_state_file(Hash& hash, const StateFile& state) {
  hash.add(state.header_.epoch);
  hash.add(state.header_.sequence);
  hash.add(static_cast<uint64_t>(state.header_.ending));
  for (unsigned slot = 0; slot < kSlots; ++slot) {
    hash.add(state.tenancies_[slot].generation);
    hash.add(state.tenancies_[slot].sequence);
  }
  hash.add(state.free_.size());
  for (const uint32_t slot : state.free_)
    if (slot < kSlots) hash.add(slot);
  hash.add(state.generations_);
}

}  // namespace

uint64_t registry_key() {
  Hash hash;
  if (world.registry != nullptr) add_registry(hash, *world.registry);
  return hash.value();
}

uint64_t state_key() {
  Hash hash;
  hash.add(uint64_t{world.up} << 32 | uint64_t{world.serving} << 24 | uint64_t{world.clean} << 16 |
           uint64_t{world.lost_power} << 8 | uint64_t{world.flushing});
  if (world.registry != nullptr) add_registry(hash, *world.registry);
  if (world.state != nullptr) add_state_file(hash, *world.state);
  for (const Actor& a : world.actors) {
    hash.add(a.busy);
    if (!a.busy) continue;
    hash.add_bytes(&a.op, sizeof a.op);
    hash.add(a.learnt);
  }
  for (const Unit& u : world.units) {
    hash.add(uint64_t{u.count} << 8 | u.flushing_from);
    hash.add(world.left.lost_writes != 0 ? u.before : 0);
    for (unsigned at = 0; at < u.count; ++at) hash.add(u.versions[at]);
  }
  hash.add(world.previous_epoch);
  for (const LiveFile& file : world.live) {
    hash.add(file.exists);
    if (!file.exists) continue;
    hash.add(file.epoch);
    hash.add_bytes(file.bytes, sizeof file.bytes);
  }
  hash.add_bytes(world.tenants, sizeof world.tenants);
  for (unsigned loop = 0; loop < kLoops; ++loop) {
    hash.add(world.held_count[loop]);
    hash.add_bytes(world.held[loop], world.held_count[loop] * sizeof(Held));
  }
  hash.add_bytes(&world.left, sizeof world.left);
  return hash.value();
}

}  // namespace number_dispenser::model
