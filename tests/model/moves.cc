// What may happen next in a state, and making it happen.
#include <cstdlib>

#include "explore.h"

namespace number_dispenser::model {

std::vector<Op> enabled(const Scenario& scenario) {
  std::vector<Op> ops;
  const Budget& left = world.left;
  if (left.kills > 0 && world.up) ops.push_back({.kind = OpKind::kKill});
  if (left.power_cuts > 0)
    for (uint32_t choice = power_cut_choices(left.faults > 0); choice-- > 0;)
      ops.push_back({.kind = OpKind::kPowerCut, .choice = choice});
  bool idle = true;
  for (uint8_t actor = 0; actor < kActors; ++actor) {
    idle &= !world.actors[actor].busy;
    if (may_step(actor)) ops.push_back({.kind = OpKind::kStep, .actor = actor});
  }
  if (!world.up) ops.push_back({.kind = OpKind::kStart, .actor = kKeeper});
  if (!world.serving) return ops;

  const bool unlocked = !world.registry->mutex_.held();
  const bool has_work = world.registry->has_work();
  if (!world.actors[kKeeper].busy && unlocked) {
    const auto keep = [&](OpKind kind) { ops.push_back({.kind = kind, .actor = kKeeper}); };
    if (world.flushing) keep(OpKind::kEndFlush);
    if (!world.flushing && has_work) keep(OpKind::kFlush);
    if (left.sweeps > 0 && world.registry->sweeping()) keep(OpKind::kSweep);
    if (left.closes > 0 && idle && !world.flushing && !has_work) keep(OpKind::kClose);
  }
  for (uint8_t loop = 0; loop < scenario.loops; ++loop) {
    if (world.actors[loop].busy) continue;
    const Registry::View& view = *world.views[loop];
    const bool behind = view.adopted_ != world.registry->log_end();
    bool ripe = behind || view.announced_ != view.adopted_;
    for (const Held& held : std::span(world.held[loop], world.held_count[loop]))
      ripe |= held.number < (held.what == OpKind::kGet
                                 ? world.registry->entries_[held.slot].cell.durable_bound.load()
                                 : world.registry->settled().load());
    if (ripe) ops.push_back({.kind = OpKind::kTick, .actor = loop});
    for (uint8_t name = 0; name < kNames; ++name) {
      const auto request = [&](OpKind kind, uint8_t strategy = 0) {
        ops.push_back({.kind = kind, .actor = loop, .name = name, .strategy = strategy});
      };
      if (left.gets[name] > 0 && view.find(kNameTexts[name]) != nullptr) request(OpKind::kGet);
      if (!unlocked) continue;
      if (left.creates[name] > 0) request(OpKind::kCreate);
      if (left.deletes[name] > 0) request(OpKind::kDelete);
      if (left.switches[name] > 0)
        for (const StrategyId to : scenario.switches)
          request(OpKind::kSwitch, static_cast<uint8_t>(to));
    }
  }
  return ops;
}

namespace {

void pay(const Op& op) {
  Budget& left = world.left;
  if (op.kind == OpKind::kGet) --left.gets[op.name];
  if (op.kind == OpKind::kCreate) --left.creates[op.name];
  if (op.kind == OpKind::kDelete) --left.deletes[op.name];
  if (op.kind == OpKind::kSwitch) --left.switches[op.name];
  if (op.kind == OpKind::kSweep) --left.sweeps;
  if (op.kind == OpKind::kClose) --left.closes;
  if (op.kind == OpKind::kKill) --left.kills;
  if (op.kind == OpKind::kPowerCut) --left.power_cuts;
}

}  // namespace

void apply(const Op& op) {
  pay(op);
  const bool crash_may_come = world.left.kills > 0 || world.left.power_cuts > 0;
  run_unseen(!crash_may_come && (op.kind == OpKind::kStart || op.kind == OpKind::kClose));
  if (op.kind == OpKind::kStep) {
    step(op.actor);
  } else if (op.kind == OpKind::kKill || op.kind == OpKind::kPowerCut) {
    if (op.kind == OpKind::kPowerCut) {
      world.lost_power = true;
      if (cut_power(op.choice)) --world.left.faults;
    }
    end_process();
  } else {
    begin(op);
  }
  if (!world.actors[kKeeper].busy && world.up && !world.serving) end_process();  // closed
  if (violation.empty()) check_state();
}

namespace {

std::string describe_access(const void* at) {
  if (const int unit = unit_at(at); unit >= 0)
    return "stores " + unit_name(static_cast<unsigned>(unit));
  if (world.registry == nullptr) return "goes on";
  for (const Registry::Entry& e : world.registry->entries_) {
    const Cell& cell = e.cell;
    if (at == cell.next) return fmt::format("next of slot {}", cell.slot);
    if (at == &cell.durable_bound) return fmt::format("durable_bound of slot {}", cell.slot);
    if (at == &cell.raise_at) return fmt::format("raise_at of slot {}", cell.slot);
    if (at == &cell.raise_wanted) return fmt::format("raise_wanted of slot {}", cell.slot);
  }
  return "goes on";
}

}  // namespace

std::string describe(const Op& op) {
  static constexpr std::string_view kTexts[] = {
      "GET",         "HSET",      "DEL",   "HSET auto_disk", "tick",
      "begin_flush", "end_flush", "sweep", "close",          "start"};
  const std::string who =
      op.actor == kKeeper ? "keeper" : fmt::format("loop {}", static_cast<int>(op.actor));
  if (op.kind == OpKind::kKill) return "SIGKILL";
  if (op.kind == OpKind::kPowerCut) return fmt::format("power cut, outcome {}", op.choice);
  if (op.kind != OpKind::kStep) {
    std::string text = fmt::format("{}: {}", who, kTexts[static_cast<size_t>(op.kind)]);
    if (op.kind <= OpKind::kSwitch) text += fmt::format(" {}", kNameTexts[op.name]);
    if (op.kind == OpKind::kSwitch)
      text += fmt::format(" {}", strategy_of(static_cast<StrategyId>(op.strategy)).name);
    return text;
  }
  const Actor& a = world.actors[op.actor];
  static constexpr std::string_view kWaits[] = {"", "", "", "takes the mutex", "disk, tmpfs"};
  return fmt::format("{}:   {}", who,
                     a.wait == Wait::kAccess || a.wait == Wait::kStore
                         ? describe_access(a.next_access)
                         : kWaits[static_cast<size_t>(a.wait)]);
}

}  // namespace number_dispenser::model
