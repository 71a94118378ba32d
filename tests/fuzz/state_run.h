// A server's state without its network: a state file in memory, its live counters, and the registry
// over them.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "memory_live.h"
#include "memory_storage.h"
#include "number_dispenser/base/clock.h"
#include "number_dispenser/dispenser/registry.h"
#include "number_dispenser/state/state_file.h"
#include "seeded_random.h"
#include "state_input.h"

namespace number_dispenser::fuzz {

class StateRun {
 public:
  // The live counters are those of the run that the file's header names, if any header is good.
  StateRun(const StateInput& input, uint64_t seed);

  // Recovers; the error where the file is refused.
  Result<void> start();
  void settle();
  // Draws one number; nothing where there is none. The ordinal is issued once settle() has
  // returned.
  std::optional<uint64_t> draw(std::string_view name);
  Registry& registry() { return *registry_; }
  Registry::View& view() { return *view_; }
  ManualClock& clock() { return clock_; }
  testing_support::SeededRandom& random() { return random_; }

  void stop();
  void kill();
  void cut_power();

  // What is there now.
  StateInput take() const;

 private:
  void end();

  testing_support::SeededRandom random_;
  ManualClock clock_;
  testing_support::MemoryStorage storage_;
  mutable testing_support::MemoryLive live_;
  std::unique_ptr<StateFile> state_;
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<Registry::View> view_;
};

}  // namespace number_dispenser::fuzz
