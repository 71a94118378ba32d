// A registry with its keeper over a state file in memory, for benchmarks of what happens between
// two flushes: the disk takes no time. One thread.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "../tests/support/memory_live.h"
#include "../tests/support/memory_storage.h"
#include "../tests/support/seeded_random.h"
#include "number_dispenser/base/check.h"
#include "number_dispenser/base/clock.h"
#include "number_dispenser/dispenser/registry.h"
#include "number_dispenser/net/keeper.h"
#include "number_dispenser/state/state_file.h"

namespace number_dispenser {

class MemoryRegistry {
 public:
  MemoryRegistry() : state_(open()), registry_(*state_, clock_), view_(registry_.make_view()) {}

  Registry& registry() { return registry_; }
  Registry::View& view() { return *view_; }
  Keeper& keeper() { return keeper_; }
  const Clock& clock() const { return clock_; }

  // An incrementing dispenser, durable and known to the view.
  void define(const std::string& name, StrategyId strategy) {
    for (;;) {
      const auto change = registry_.define(*view_, name, {Kind::kIncrementing, 0, 0, 1}, strategy);
      if (change.outcome == Registry::Outcome::kDone) break;
      ND_CHECK(change.outcome == Registry::Outcome::kNoRoom, "outcome {}",
               static_cast<int>(change.outcome));
      settle();
    }
    settle();
  }

  // What the keeper has started ends well.
  void end_io() {
    if (storage_.flushing()) storage_.end_flush();
    if (storage_.growing()) storage_.end_growth();
  }

  // Ticks until nothing is left to be made durable.
  void settle() {
    do {
      registry_.adopt(*view_);
      keeper_.tick();
      end_io();
      registry_.announce(*view_);
    } while (!keeper_.idle());
  }

 private:
  std::unique_ptr<StateFile> open() {
    auto opened = StateFile::open(storage_, live_, clock_, "memory");
    ND_CHECK(opened.has_value(), "{}", opened.error().message);
    return std::move(*opened);
  }

  ManualClock clock_;
  testing_support::SeededRandom random_{1};
  testing_support::MemoryStorage storage_{StateFile::fresh_file(random_), 64 << 20,
                                          testing_support::MemoryStorage::Memory::kForgetful};
  testing_support::MemoryLive live_;
  std::unique_ptr<StateFile> state_;
  Registry registry_;
  std::unique_ptr<Registry::View> view_;
  Keeper keeper_{registry_, *state_, storage_, clock_};
};

}  // namespace number_dispenser
