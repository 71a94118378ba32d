// What clients know, and whether the server still keeps to it.
#include "clients.h"

namespace number_dispenser::model {
namespace {

uint64_t released_end(const Tenant& t) {
  return t.base + 64 - static_cast<uint64_t>(std::countl_zero(t.released));
}

// The number of numbers that one wasted number needs, of the loosest strategy the dispenser ever
// had; 0: none may be wasted.
uint64_t loosest_budget(const Tenant& t) {
  uint64_t loosest = 0;
  for (const Strategy& strategy : kStrategies) {
    const uint64_t per_waste = strategy.generated_per_waste;
    if ((t.ever >> static_cast<unsigned>(strategy.id) & 1) == 0 || per_waste == 0) continue;
    loosest = loosest == 0 ? per_waste : std::min(loosest, per_waste);
  }
  return loosest;
}

void check_progress(Tenant& t, uint64_t next, uint64_t wasted) {
  const auto told = [&](std::string_view what) {
    violate(
        fmt::format("{}: '{}' goes on at {} with {} wasted; {} were drawn, {} released, {} wasted "
                    "before",
                    what, kNameTexts[t.name], next, wasted, t.drawn, released_end(t), t.wasted));
  };
  if (next < released_end(t)) return told("numbers would be issued again");
  if (world.clean && (next != t.drawn || wasted != t.wasted))
    return told("a clean stop cost numbers");
  if (!world.lost_power && (next > t.drawn || wasted != t.wasted))
    return told("a kill cost numbers");
  if (next > t.drawn) t.skipped += next - t.drawn;
  if (t.skipped > wasted) return told("more numbers are missing than the record admits");
  const uint64_t budget = loosest_budget(t);
  if (wasted > next || (wasted != 0 && (budget == 0 || wasted > (next - wasted) / budget)))
    return told("the waste is over the budget");
  t.drawn = next;
  t.wasted = wasted;
}

void check_tenant(Tenant& t, const Registry::Entry& e) {
  const Cell& cell = e.cell;
  const auto strategy = static_cast<uint8_t>(e.strategy);
  if (Definition{cell.kind, cell.length, cell.starting, cell.step} != kDefinitions[t.kind] ||
      e.name != kNameTexts[t.name])
    return violate("a dispenser came back with another definition");
  bool known = strategy == t.strategy;
  for (unsigned at = 0; at < t.asked_count; ++at) known |= strategy == t.asked[at].strategy;
  if (!known) return violate("an acknowledged strategy is lost");
  const uint64_t next = cell.next->load();
  if (!strategy_of(e.strategy).durable) {
    if (next != 0) violate("a memory dispenser does not start anew");
    t.base = t.released = t.drawn = t.skipped = t.wasted = 0;
  } else if (cell.kind != Kind::kRandom) {
    check_progress(t, next, e.written.wasted);
  }
  t.created = true;
  t.delete_asked = false;
  t.strategy = strategy;
  t.asked_count = 0;
  std::ranges::fill(t.asked, std::decay_t<decltype(t.asked[0])>{});
  t.acknowledged_change = 0;
}

}  // namespace

uint8_t tenant_in_slot(uint32_t slot) {
  const uint64_t generation = world.state->tenancies_[slot].generation;
  for (uint8_t tenant = 0; tenant < world.tenant_count; ++tenant)
    if (world.tenants[tenant].generation == generation) return tenant;
  return kTenants;
}

uint8_t new_tenant(uint32_t slot, uint8_t name, uint8_t kind, uint8_t strategy) {
  if (world.tenant_count == kTenants) std::abort();
  Tenant& t = world.tenants[world.tenant_count];
  t.generation = world.state->tenancies_[slot].generation;
  t.name = name;
  t.kind = kind;
  t.strategy = strategy;
  t.ever = static_cast<uint8_t>(1u << strategy);
  return world.tenant_count++;
}

void note_drawn(uint8_t tenant, uint64_t ordinal) {
  Tenant& t = world.tenants[tenant];
  t.drawn = std::max(t.drawn, ordinal + 1);
}

void note_released(uint8_t tenant, uint64_t ordinal) {
  Tenant& t = world.tenants[tenant];
  if (kDefinitions[t.kind].kind == Kind::kRandom) return;
  if (ordinal >= t.base + 64) std::abort();
  const uint64_t bit = ordinal < t.base ? 0 : uint64_t{1} << (ordinal - t.base);
  if (bit == 0 || (t.released & bit) != 0)
    violate(fmt::format("number {} of '{}' reached two clients", ordinal, kNameTexts[t.name]));
  t.released |= bit;
}

void note_asked(uint8_t tenant, uint64_t change, uint8_t strategy) {
  Tenant& t = world.tenants[tenant];
  if (t.asked_count == std::size(t.asked)) std::abort();
  t.asked[t.asked_count].change = change;
  t.asked[t.asked_count].strategy = strategy;
  ++t.asked_count;
  t.ever = static_cast<uint8_t>(t.ever | 1u << strategy);
}

void note_settled(const Held& held) {
  Tenant& t = world.tenants[held.tenant];
  t.created = true;
  if (held.what == OpKind::kDelete) t.deleted = true;
  if (held.what != OpKind::kSwitch || held.number < t.acknowledged_change) return;
  t.strategy = held.strategy;
  t.acknowledged_change = held.number;
  // What was asked for before cannot come back; what was asked for later may.
  const auto end = std::remove_if(t.asked, t.asked + t.asked_count, [&](const auto& asked) {
    return asked.change <= t.acknowledged_change;
  });
  std::fill(end, std::end(t.asked), std::decay_t<decltype(t.asked[0])>{});
  t.asked_count = static_cast<uint8_t>(end - t.asked);
}

void check_started() {
  bool present[kTenants] = {};
  for (Registry::Entry& e : world.registry->entries_) {
    if (e.state == Registry::State::kFree) continue;
    const uint8_t tenant = tenant_in_slot(e.cell.slot);
    if (tenant == kTenants || world.tenants[tenant].gone)
      return violate("a dispenser came back that was gone");
    present[tenant] = true;
    if (world.tenants[tenant].deleted) return violate("an acknowledged DEL is lost");
    check_tenant(world.tenants[tenant], e);
  }
  for (uint8_t tenant = 0; tenant < world.tenant_count; ++tenant) {
    Tenant& t = world.tenants[tenant];
    if (present[tenant]) continue;
    if (t.created && !t.delete_asked) return violate("an acknowledged dispenser is lost");
    t.gone = true;
  }
}

// With nothing under way and nothing left to do, no reply may still be held.
void check_state() {
  if (!world.serving || world.flushing || world.registry->has_work()) return;
  for (const Actor& a : world.actors)
    if (a.busy) return;
  const uint64_t log_end = world.registry->log_end();
  for (const Registry::View* view : world.registry->views_)
    if (view->announced_ != log_end) return;
  for (unsigned loop = 0; loop < kLoops; ++loop)
    for (const Held& held : std::span(world.held[loop], world.held_count[loop])) {
      const auto& bound = held.what == OpKind::kGet
                              ? world.registry->entries_[held.slot].cell.durable_bound
                              : world.registry->settled();
      if (bound.load() <= held.number) violate("a reply is held for ever");
    }
}

}  // namespace number_dispenser::model
