// A machine on which the server's lower half runs over memory: state file, registry, keeper's steps
// and clients. Processes on it stop cleanly, are killed or lose their power, at any step.
//
// It keeps the oracle of SPEC.md section 1: every number that the gate let out, and what was
// acknowledged. Each start checks what recovery made of it, and every released number is checked to
// be new. One thread.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "memory_live.h"
#include "memory_storage.h"
#include "number_dispenser/base/clock.h"
#include "number_dispenser/dispenser/registry.h"
#include "number_dispenser/state/state_file.h"
#include "seeded_random.h"

namespace number_dispenser::testing_support {

class Machine {
 public:
  // A name from one HSET to its DEL, as its clients know it.
  struct Tenancy {
    std::string name;
    Definition definition;
    StrategyId strategy;             // acknowledged
    std::vector<StrategyId> wanted;  // asked for, not acknowledged, in order
    bool created = false;            // acknowledged
    bool removing = false;           // asked for
    bool gone = false;               // the DEL was acknowledged, or recovery did not find it
    std::vector<bool> released;      // by ordinal
    uint64_t released_count = 0;
    uint64_t lost = 0;    // drawn, but not let out when a process ended
    uint64_t wasted = 0;  // as INFO showed it at the last start
    uint64_t next = 0;    // one past the last ordinal drawn
  };

  explicit Machine(uint64_t seed);
  ~Machine();

  // A new process.
  void start();
  // Its three ends.
  void stop();
  void kill();
  void cut_power();

  // The keeper's steps. begin_flush: false if there is nothing to flush.
  bool begin_flush();
  void end_flush();
  // One tick: whatever is to be flushed is.
  void tick();
  // Ticks until nothing wants to be flushed.
  void settle();
  // Time passes, with the sweeps that belong to it.
  void idle_ms(uint64_t ms);

  // Clients. Requests are answered by later ticks.
  bool define(const std::string& name, Definition definition, StrategyId strategy);
  void switch_strategy(const std::string& name, StrategyId strategy);
  void remove(const std::string& name);
  // The ordinal; its reply waits at the gate.
  std::optional<uint64_t> draw(const std::string& name);
  // Draws and settles, `count` times.
  void draw_and_settle(const std::string& name, uint64_t count);
  // Whatever the gate lets out now reaches its client.
  void take_replies();

  // Null where no client has reason to know the name.
  Tenancy* tenancy(const std::string& name);
  Registry::Info info(const std::string& name);
  size_t held() const { return held_.size(); }
  bool running() const { return registry_ != nullptr; }

  ManualClock clock;
  SeededRandom random;
  MemoryStorage storage;
  MemoryLive live;
  Registry& registry() { return *registry_; }
  StateFile& state() { return *state_; }
  Registry::View& view() { return *view_; }

 private:
  enum class End { kStop, kKill, kPowerCut };
  struct Held {
    Tenancy* tenancy;
    const std::atomic<uint64_t>* bound;
    uint64_t ordinal;
  };
  struct Answer {
    uint64_t change;
    Tenancy* tenancy;
    enum class To { kCreation, kSwitch, kRemoval } to;
    StrategyId strategy{};
  };
  class Completed final : public Operation {
   public:
    void on_completion(const Completion&) override {}
  };

  void end_process(End how);
  void tear_a_record();
  void check_recovered(Tenancy& tenancy);
  void check_figures(Tenancy& tenancy, const Registry::Info& info);
  void release(const Held& held);

  Completed flush_;
  std::unique_ptr<StateFile> state_;
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<Registry::View> view_;
  std::list<Tenancy> tenancies_;             // also those that are gone
  std::map<std::string, Tenancy*> by_name_;  // as the registry's view has it
  std::vector<Held> held_;
  std::vector<Answer> answers_;
  End last_end_ = End::kStop;
};

// An incrementing definition that is told from others by `starting`.
inline Definition counting_from(uint64_t starting, uint64_t step = 1) {
  return {Kind::kIncrementing, 0, starting, step};
}

}  // namespace number_dispenser::testing_support
