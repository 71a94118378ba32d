// How a simulation of a cluster ends: without troubles, and with every promise looked at once more.
#include <algorithm>
#include <map>
#include <utility>

#include "../../src/cluster/records.h"
#include "cluster_simulator.h"

namespace number_dispenser::sim {

// All troubles end: every node joins, all know the same, and every number that is asked for comes.
void ClusterSimulator::last_life() {
  world_.trace("=== all troubles end ===");
  etcd_.recover();
  for (const auto& machine : machines_) {
    machine->paused_until_ns = 0;
    machine->world.faults = {};
    if (machine->running()) machine->server->live_on();
  }
  retire_doubles();
  idle(5000);  // one that was superseded finds out
  serve_all();
  idle(6000);  // a watch that hangs is noticed within it
  await_answers();
  check_agreement();
  oracle_.end_excuses();
  ask_all();
  check_marks();
  std::map<std::pair<unsigned, std::string>, uint64_t> wasted;
  for_each_info([&](unsigned machine, const std::string& name, const Registry::Info& info) {
    wasted[{machine, name}] = info.wasted;
  });
  for (const auto& machine : machines_)
    if (!over()) machine->tell_to_stop();
  const auto running = [](const auto& machine) { return machine->running(); };
  wait_until([&] { return std::ranges::none_of(machines_, running); }, 30'000,
             "a node does not stop");
  if (over()) return;
  // Where the last word was lost, the key's time runs out.
  idle(11'000);
  for (const auto& machine : machines_)
    if (etcd_.store.find("/number-dispenser/alive/" + machine->membership.settings.node_id))
      world_.violate("machine {} has stopped, and its alive key is there", machine->number);
  serve_all();
  for_each_info([&](unsigned machine, const std::string& name, const Registry::Info& info) {
    const bool older = std::ranges::any_of(
        machines_, [&](const auto& one) { return one->number == machine && one->was_restored; });
    if (!older && wasted[{machine, name}] != info.wasted && info.strategy != StrategyId::kMemory)
      world_.violate("machine {} has wasted {} of {}, and {} after a clean stop", machine,
                     wasted[{machine, name}], name, info.wasted);
  });
  ask_all();
  oracle_.judge_refusals();
}

// Of machines with the same id one stays.
void ClusterSimulator::retire_doubles() {
  std::map<std::string, ClusterMachine*> kept;
  for (const auto& machine : machines_) {
    ClusterMachine*& of_id = kept[machine->membership.settings.node_id];
    if (of_id == nullptr || (machine->serves() && !of_id->serves())) of_id = machine.get();
  }
  for (const auto& machine : machines_)
    if (kept[machine->membership.settings.node_id] != machine.get()) machine->end(Death::kProcess);
  std::erase_if(machines_, [&](const auto& machine) {
    return kept[machine->membership.settings.node_id] != machine.get();
  });
}

void ClusterSimulator::serve_all() {
  wait_until(
      [&] {
        bool all = true;
        for (const auto& machine : machines_) {
          if (!machine->running()) machine->start(false, false);
          all = all && machine->serves();
        }
        return all;
      },
      90'000, "a node does not join");
}

// Every node is asked for a number of each name.
void ClusterSimulator::ask_all() {
  for (const auto& machine : machines_)
    for (const auto& client : machine->clients)
      if (!over()) client->ask_each(names_);
  await_answers();
}

void ClusterSimulator::await_answers() {
  wait_until(
      [&] {
        for (const auto& machine : machines_) {
          if (!machine->running()) machine->start(false, false);
          for (const auto& client : machine->clients) client->move();
        }
        return std::ranges::none_of(machines_, [](const auto& machine) {
          return std::ranges::any_of(machine->clients,
                                     [](const auto& client) { return client->waiting(); });
        });
      },
      30'000, "requests are not answered");
  for (const auto& machine : machines_)
    for (const auto& client : machine->clients)
      if (client->waiting())
        machine->world.trace("a request about {} is not answered", client->waits_for().name);
}

// Each node knows what etcd has.
void ClusterSimulator::check_agreement() {
  if (over()) return;
  for (const auto& machine : machines_) {
    for (const std::string& name : names_) {
      const etcd::KeyValue* kv = etcd_.store.find("/number-dispenser/def/" + name);
      const auto record = kv == nullptr ? std::nullopt : DefinitionRecord::read(kv->value);
      const auto info = machine->server->registry().info(name);
      if (record.has_value() != info.has_value())
        return world_.violate("machine {} {} {}", machine->number,
                              info ? "still has" : "has not heard of", name);
      if (!record) continue;
      if (info->definition != record->definition || info->strategy != record->strategy ||
          info->lease.generation != static_cast<uint64_t>(kv->created))
        return world_.violate(
            "machine {} has a {} from {} on, {}, of revision {}; etcd one from {} on, {}, of {}",
            machine->number, name, info->definition.starting, strategy_of(info->strategy).name,
            info->lease.generation, record->definition.starting, strategy_of(record->strategy).name,
            kv->created);
    }
  }
}

// A node that issues moves its mark.
void ClusterSimulator::check_marks() {
  const auto mark = [&](const ClusterMachine& machine) {
    return etcd_.store.value_of("/number-dispenser/node/" + machine.membership.settings.node_id);
  };
  std::map<unsigned, std::pair<uint64_t, std::string>> before;
  if (over()) return;
  for (const auto& machine : machines_)
    before[machine->number] = {machine->server->registry().flushes(), mark(*machine)};
  ask_all();
  idle(5000);
  if (over()) return;
  for (const auto& machine : machines_) {
    const auto& [flushes, then] = before[machine->number];
    if (machine->server->registry().flushes() > flushes && mark(*machine) == then)
      world_.violate("machine {} issues, and its mark does not move", machine->number);
  }
}

void ClusterSimulator::for_each_info(
    const std::function<void(unsigned, const std::string&, const Registry::Info&)>& take) {
  if (over()) return;
  for (const auto& machine : machines_)
    for (const std::string& name : names_)
      if (const auto info = machine->server->registry().info(name))
        take(machine->number, name, *info);
}

}  // namespace number_dispenser::sim
