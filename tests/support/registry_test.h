// A registry over a store in memory, and one loop's view of it.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "fake_store.h"
#include "number_dispenser/base/clock.h"
#include "number_dispenser/dispenser/registry.h"

namespace number_dispenser::testing_support {

class RegistryTest : public testing::Test {
 protected:
  using Outcome = Registry::Outcome;
  static constexpr Definition kCounting{Kind::kIncrementing, 0, 0, 1};

  void restart() {
    view.reset();
    registry = std::make_unique<Registry>(store, clock);
    view = registry->make_view();
  }
  void flush() {
    if (registry->begin_flush()) registry->end_flush();
  }
  // One loop's tick.
  void tick(Registry::View& v) {
    registry->adopt(v);
    registry->announce(v);
  }
  void settle() {
    for (int ticks = 0; ticks < 8; ++ticks) {
      tick(*view);
      flush();
    }
    tick(*view);
  }
  uint64_t define(std::string_view name, StrategyId strategy = StrategyId::kElegantClose) {
    const auto change = registry->define(*view, name, kCounting, strategy);
    EXPECT_EQ(change.outcome, Outcome::kDone);
    return change.change;
  }
  Cell& cell(std::string_view name) {
    Cell* found = view->find(name);
    EXPECT_NE(found, nullptr) << name;
    return *found;
  }
  bool settled(uint64_t change) const { return registry->settled().load() > change; }
  // Draws, and asks for a raise where a GET would.
  uint64_t draw(Cell& c) {
    const uint64_t ordinal = c.draw(1).value();
    if (ordinal >= c.durable_bound.load() || ordinal >= c.raise_at.load()) registry->want_raise(c);
    return ordinal;
  }

  FakeStore store;
  ManualClock clock;
  std::unique_ptr<Registry> registry = std::make_unique<Registry>(store, clock);
  std::unique_ptr<Registry::View> view = registry->make_view();
};

}  // namespace number_dispenser::testing_support
