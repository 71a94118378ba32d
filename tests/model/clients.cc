// The operations of actors, on the real registry and state file, and the set-up of a scenario.
#include "clients.h"

namespace number_dispenser::model {
namespace {

const Scenario* scenario;

uint64_t bound_of(const Held& held) {
  return held.what == OpKind::kGet ? world.registry->entries_[held.slot].cell.durable_bound.load()
                                   : world.registry->settled().load();
}

void hold(const Op& op, uint8_t tenant, uint32_t slot, uint64_t number) {
  uint8_t& count = world.held_count[op.actor];
  if (count == kHeld) std::abort();
  Held& held = world.held[op.actor][count++];
  held.what = op.kind;
  held.tenant = tenant;
  held.strategy = op.strategy;
  held.slot = slot;
  held.number = number;
}

// As handlers::get() in src/command: the gate's first half.
void get(const Op& op) {
  Cell* cell = world.views[op.actor]->find(kNameTexts[op.name]);
  if (cell == nullptr) return;
  learn(cell->slot);
  const uint8_t tenant = tenant_in_slot(cell->slot);
  const auto ordinal = cell->draw(1);
  if (!ordinal) return;
  note_drawn(tenant, *ordinal);
  const uint64_t bound = cell->durable_bound.load();
  // It leaves at the end of the tick; the earliest moment is the hardest.
  if (*ordinal < bound) note_released(tenant, *ordinal);
  if (*ordinal >= cell->raise_at.load() || *ordinal >= bound) world.registry->want_raise(*cell);
  if (*ordinal >= bound) hold(op, tenant, cell->slot, *ordinal);
}

// The tenant that has the name now; kTenants: none.
uint8_t tenant_called(uint8_t name) {
  const auto& names = world.registry->names_;
  const auto found = names.find(kNameTexts[name]);
  return found == names.end() ? kTenants : tenant_in_slot(found->second);
}

// Nothing runs between the registry's unlocking and the end of these three.
void create(const Op& op) {
  const Dispenser& wanted = scenario->created[op.name];
  Op as = op;
  as.strategy = static_cast<uint8_t>(wanted.strategy);
  const auto done = world.registry->define(*world.views[op.actor], kNameTexts[op.name],
                                           kDefinitions[wanted.kind], wanted.strategy);
  if (done.outcome == Registry::Outcome::kDiffers) return;
  if (done.outcome != Registry::Outcome::kDone) return violate("no room for a dispenser");
  uint8_t tenant = tenant_called(op.name);
  if (tenant == kTenants) {
    const uint32_t slot = world.registry->names_.find(kNameTexts[op.name])->second;
    tenant = new_tenant(slot, op.name, wanted.kind, as.strategy);
  } else {
    as.kind = OpKind::kSwitch;
    note_asked(tenant, done.change, as.strategy);
  }
  hold(as, tenant, 0, done.change);
}

void switch_strategy(const Op& op) {
  const auto done =
      world.registry->switch_strategy(kNameTexts[op.name], static_cast<StrategyId>(op.strategy));
  if (done.outcome != Registry::Outcome::kDone) return;
  const uint8_t tenant = tenant_called(op.name);
  note_asked(tenant, done.change, op.strategy);
  hold(op, tenant, 0, done.change);
}

// Also a DEL that finds nothing says that the name is gone for good.
void remove(const Op& op) {
  const auto done = world.registry->remove(*world.views[op.actor], kNameTexts[op.name]);
  for (uint8_t tenant = world.tenant_count; tenant-- > 0;) {
    Tenant& t = world.tenants[tenant];
    if (t.name != op.name || t.gone) continue;
    if (done.outcome == Registry::Outcome::kDone) t.delete_asked = true;
    return hold(op, tenant, 0, done.change);
  }
}

// The parts of Loop::run_tick() that touch the registry. A request that is answered between the
// release and the announcement is as one before the next tick: the announcement speaks of what was
// adopted.
void tick(unsigned loop) {
  world.registry->adopt(*world.views[loop]);
  uint8_t& count = world.held_count[loop];
  for (unsigned at = 0; at < count;) {
    Held& held = world.held[loop][at];
    if (bound_of(held) <= held.number) {
      ++at;
      continue;
    }
    if (held.what == OpKind::kGet)
      note_released(held.tenant, held.number);
    else
      note_settled(held);
    std::copy(&held + 1, world.held[loop] + count, &held);
    world.held[loop][--count] = {};
  }
  world.registry->announce(*world.views[loop]);
}

void flush() {
  if (!world.registry->begin_flush()) return;
  pause(Wait::kDisk, nullptr);
  flush_started();
  world.flushing = true;
}

void start() {
  learn(state_key());
  world.up = true;
  auto state = StateFile::open(storage(), live_memory(), model_clock(), "model");
  if (!state) return violate("the server does not start: " + state.error().message);
  world.state = state->release();
  world.registry = new Registry(*world.state, model_clock());
  for (unsigned loop = 0; loop < scenario->loops; ++loop)
    world.views[loop] = world.registry->make_view().release();
  check_started();
  world.serving = true;
  world.clean = world.lost_power = false;
}

// Server::run() after its loops have ended: replies still held belong to clients that were cut off.
void close() {
  world.serving = false;
  std::memset(world.held, 0, sizeof world.held);
  std::ranges::fill(world.held_count, uint8_t{0});
  world.registry->close();
  if (!world.state->close()) return violate("the server does not stop");
  world.clean = true;
}

}  // namespace

void run_operation(const Op& op) {
  switch (op.kind) {
    case OpKind::kGet:
      return get(op);
    case OpKind::kCreate:
      return create(op);
    case OpKind::kDelete:
      return remove(op);
    case OpKind::kSwitch:
      return switch_strategy(op);
    case OpKind::kTick:
      return tick(op.actor);
    case OpKind::kFlush:
      return flush();
    case OpKind::kEndFlush:
      flush_ended();
      world.flushing = false;
      return world.registry->end_flush();
    case OpKind::kSweep:
      world.now_ns += kSweepNs;
      return world.registry->sweep();
    case OpKind::kClose:
      return close();
    case OpKind::kStart:
      return start();
    case OpKind::kStep:
    case OpKind::kKill:
    case OpKind::kPowerCut:
      break;
  }
  std::abort();
}

void end_process() {
  world.up = world.serving = world.flushing = false;
  world.registry = nullptr;
  world.state = nullptr;
  std::ranges::fill(world.views, nullptr);
  std::memset(world.held, 0, sizeof world.held);
  std::ranges::fill(world.held_count, uint8_t{0});
  for (Unit& u : world.units) u.flushing_from = 0;
  stop_actors();
  clear_heap();
}

// Everything here runs at once: no actor, so no pauses.
void set_up(const Scenario& wanted) {
  scenario = &wanted;
  std::memset(static_cast<void*>(&world), 0, sizeof world);
  make_disk();
  stop_actors();
  world.now_ns = 1'000'000'000;
  enter_heap();
  start();
  const auto settle = [] {
    while (world.registry->has_work() || world.held_count[0] != 0) {
      if (world.registry->begin_flush()) {
        flush_started();
        flush_ended();
        world.registry->end_flush();
      }
      for (unsigned loop = 0; loop < scenario->loops; ++loop) tick(loop);
    }
    for (unsigned loop = 0; loop < 2 * scenario->loops; ++loop) tick(loop % scenario->loops);
  };
  for (uint8_t name = 0; name < wanted.existing.size(); ++name) {
    const Dispenser& dispenser = wanted.existing[name];
    const Op op{OpKind::kCreate, 0, name, static_cast<uint8_t>(dispenser.strategy), 0};
    const auto done = world.registry->define(*world.views[0], kNameTexts[name],
                                             kDefinitions[dispenser.kind], dispenser.strategy);
    const uint32_t slot = world.registry->names_.find(kNameTexts[name])->second;
    const uint8_t tenant = new_tenant(slot, name, dispenser.kind, op.strategy);
    hold(op, tenant, 0, done.change);
    settle();
    if (dispenser.issued == 0) continue;
    Cell& cell = world.registry->entries_[slot].cell;
    cell.draw(dispenser.issued);
    world.registry->want_raise(cell);
    settle();
    world.tenants[tenant].base = world.tenants[tenant].drawn = dispenser.issued;
  }
  leave_heap();
  world.left = wanted.budget;
}

}  // namespace number_dispenser::model
