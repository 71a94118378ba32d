// What INFO says: its arithmetic, the waste budget, and what recovery has made of a dispenser.
#include <algorithm>
#include <cstdlib>

#include "oracle.h"

namespace number_dispenser::sim {
namespace {

// "key:value" lines; the value, or nothing.
std::string_view field(std::string_view text, std::string_view key) {
  size_t at = 0;
  while (at < text.size()) {
    const std::string_view line = text.substr(at, text.find("\r\n", at) - at);
    if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == ':')
      return line.substr(key.size() + 1);
    at += line.size() + 2;
  }
  return "";
}

uint64_t number(std::string_view text, std::string_view key) {
  return std::strtoull(std::string(field(text, key)).c_str(), nullptr, 10);
}

}  // namespace

// False: it fits no definition of this name.
bool Oracle::read_info(const Name& name, const std::string& text, Shown& shown) {
  const Definition definition{static_cast<Kind>(number(text, "type")),
                              static_cast<uint8_t>(number(text, "length")),
                              number(text, "starting"), number(text, "step")};
  // The newest that fits: random ones have no numbers of their own.
  for (size_t at = 0; at < name.generations.size(); ++at)
    if (name.generations[at].definition == definition) shown.generation = static_cast<int>(at);
  const auto strategy = parse_strategy(field(text, "auto_disk"));
  if (shown.generation < 0 || !strategy || field(text, "name") != name.text) return false;
  shown.strategy = *strategy;
  shown.generated = number(text, "generated");
  shown.wasted = number(text, "wasted");
  shown.moved = definition.kind == Kind::kRandom
                    ? shown.generated + shown.wasted
                    : (number(text, "current") - definition.starting) / definition.step;
  const double rate = shown.moved == 0 ? 0.0
                                       : 100.0 * static_cast<double>(shown.wasted) /
                                             static_cast<double>(shown.moved);
  return field(text, "waste_rate") == fmt::format("{:.2f}%", rate);
}

void Oracle::judge_info(const Request& request, const Reply& reply) {
  Name& name = names_[request.name];
  State found;
  Shown shown;
  if (reply.is_error()) {
    if (reply.text != "ERR dispenser not found")
      return world_.violate("INFO {}: '{}'", name.text, reply.text);
    if (request.what == Request::What::kInfo && !may_be_missing(request))
      return world_.violate("INFO {}: not found, but it exists", name.text);
  } else {
    if (!reply.is_bulk() || !read_info(name, reply.text, shown))
      return world_.violate("INFO {} fits no definition: {}", name.text, reply.text);
    found = {shown.generation, shown.strategy};
  }
  if (request.what == Request::What::kResolve) return resolve(name, found);
  if (request.what == Request::What::kVerify) return verify(name, found, shown);
  if (found.generation < 0) return;
  const Generation& of = name.generations[static_cast<size_t>(found.generation)];
  check_figures(name, of, shown);
  if (shown.wasted != of.wasted)
    world_.violate("{} wastes {}, then {} without a crash", name.text, of.wasted, shown.wasted);
  if (found.generation == request.generation && of.definition.kind != Kind::kRandom &&
      shown.moved < request.floor)
    world_.violate("{} is at ordinal {}, but {} was received", name.text, shown.moved,
                   request.floor - 1);
}

void Oracle::check_figures(const Name& name, const Generation& of, const Shown& shown) {
  if (shown.generated + shown.wasted != shown.moved)
    world_.violate("{} has generated {} and wasted {}, but moved past {}", name.text,
                   shown.generated, shown.wasted, shown.moved);
  const int64_t gets = static_cast<int64_t>(name.gets_sent) - of.gets_base;
  if (static_cast<int64_t>(shown.generated) > gets)
    world_.violate("{} has generated {} for {} requests", name.text, shown.generated, gets);
  check_budget(name, of, shown);
}

void Oracle::check_budget(const Name& name, const Generation& of, const Shown& shown) {
  // The largest of the budgets that it has had.
  uint64_t generated_per_waste = 0;
  for (const Strategy& strategy : kStrategies) {
    const uint64_t per_waste = strategy.generated_per_waste;
    if ((of.strategies & (1u << static_cast<unsigned>(strategy.id))) == 0 || per_waste == 0)
      continue;
    if (generated_per_waste == 0 || per_waste < generated_per_waste)
      generated_per_waste = per_waste;
  }
  if (generated_per_waste == 0 ? shown.wasted != 0
                               : shown.wasted * generated_per_waste > shown.generated)
    world_.violate("{} has wasted {} of {}, more than its budget of one in {}", name.text,
                   shown.wasted, shown.moved, generated_per_waste + 1);
}

// Its owner's connection is gone, and no change that it sent is still on its way: what came after
// the one that was run last was never read.
void Oracle::resolve(Name& name, const State& found) {
  const auto last = std::find(name.states.rbegin(), name.states.rend(), found);
  if (last == name.states.rend())
    return world_.violate("{} is {}, which nobody has asked for", name.text, describe(name, found));
  name.states.erase(last.base(), name.states.end());
}

void Oracle::verify(Name& name, const State& found, const Shown& shown) {
  if (!restored_ && std::ranges::find(name.states, found) == name.states.end())
    return world_.violate("{} was acknowledged as {}, and is {} after the start", name.text,
                          describe(name, name.states.front()), describe(name, found));
  if (restored_ && found.generation >= 0) judge_restored(name, found.generation, shown);
  name.first_serial += name.states.size();
  name.states = {found};
  if (found.generation >= 0)
    judge_recovery(name, name.generations[static_cast<size_t>(found.generation)], shown);
  bury_dead(name);
}

// All up to the copy's bound may have been issued since it was made; more only where counters say
// so.
void Oracle::judge_restored(const Name& name, int generation, const Shown& shown) {
  const Generation& of = name.generations[static_cast<size_t>(generation)];
  const auto found = restored_bounds_.find(name.text);
  const bool memory = shown.strategy == StrategyId::kMemory;
  if (memory || of.definition.kind == Kind::kRandom || found == restored_bounds_.end()) return;
  const BoundRecord& record = found->second;
  const uint64_t skipped = record.bound - record.position;
  if (restored_counted_) {
    // A definition that was deleted since may have left its counter to another.
    const bool stayed = std::ranges::all_of(
        name.states, [=](const State& state) { return state.generation == generation; });
    if (stayed && shown.moved < of.top)
      world_.violate("{} goes on at ordinal {}, but {} was received, and the live counters know it",
                     name.text, shown.moved, of.top - 1);
  } else if (shown.moved != record.bound || shown.wasted != record.wasted + skipped) {
    world_.violate("{} goes on at ordinal {}, wasted {}, from a restored file with the bound {}",
                   name.text, shown.moved, shown.wasted, record.bound);
  }
}

void Oracle::judge_recovery(Name& name, Generation& of, const Shown& shown) {
  const bool memory = shown.strategy == StrategyId::kMemory;
  const bool random = of.definition.kind == Kind::kRandom;
  world_.trace("{}: recovered at ordinal {}, wasted {} (before: top {}, wasted {})", name.text,
               shown.moved, shown.wasted, of.top, of.wasted);
  if (restored_) {
    of.dead_at = 0;
  } else if (memory && shown.moved != 0 && !flush_failed_) {
    // A change to memory or from it may have been lost: then it goes on, whichever it was.
    world_.violate("{} is kept in memory, and goes on at ordinal {}", name.text, shown.moved);
  } else if (!memory && !random) {
    if (shown.moved < of.top)
      world_.violate("{} goes on at ordinal {}, but {} was received", name.text, shown.moved,
                     of.top - 1);
    if (shown.wasted < of.wasted)
      world_.violate("{} has wasted {}, then only {}", name.text, of.wasted, shown.wasted);
    if (shown.wasted != of.wasted && (!power_cut_ || of.exact))
      world_.violate("{} has wasted {}, and {} after {}", name.text, of.wasted, shown.wasted,
                     power_cut_ ? "a power cut while it was idle" : "a process's end");
  }
  of.exact = false;
  of.wasted = shown.wasted;
  if (memory || restored_) {
    of.seen.clear();
    of.top = shown.moved;
    of.gets_base = static_cast<int64_t>(name.gets_sent) - static_cast<int64_t>(shown.generated);
  }
  check_figures(name, of, shown);
}

void Oracle::ended(End end) {
  power_cut_ = power_cut_ || end == End::kPowerCut;
  if (restored_counted_ && end == End::kPowerCut) restored_bounds_.clear();
  for (Name& name : names_) name.gets_answered = name.gets_sent;
}

void Oracle::restored(Bounds bounds, bool counted) {
  restored_ = true;
  restored_counted_ = counted;
  restored_bounds_ = std::move(bounds);
}

void Oracle::verified() {
  power_cut_ = restored_ = flush_failed_ = false;
  restored_bounds_.clear();
}

void Oracle::idled() {
  for (Name& name : names_) {
    if (name.states.size() != 1 || name.states.front().generation < 0) continue;
    const bool settles = strategy_of(name.states.front().strategy).retracts_when_idle;
    Generation& of = name.generations[static_cast<size_t>(name.states.front().generation)];
    of.exact = settles && name.gets_answered == name.gets_sent;
  }
}

}  // namespace number_dispenser::sim
