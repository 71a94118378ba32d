// A registry in a cluster, whose leases are good.
#pragma once

#include <memory>

#include "registry_test.h"

namespace number_dispenser::testing_support {

class RegistryLeases : public RegistryTest {
 protected:
  RegistryLeases() {
    restart_clustered();
    registry->resume_leases();
  }
  // Its leases are not known to be good.
  void restart_clustered() {
    view.reset();
    registry = std::make_unique<Registry>(store, clock, Registry::Mode::kClustered);
    view = registry->make_view();
  }
  Cell& define_leased(uint64_t end, StrategyId strategy = StrategyId::kPreBase,
                      Definition definition = kCounting, uint64_t generation = 7) {
    EXPECT_EQ(
        registry->define(*view, "d", definition, strategy, {.generation = generation, .end = end})
            .outcome,
        Outcome::kDone);
    settle();
    return cell("d");
  }
  // What recovery finds: issued up to `position`. Once a test.
  void find(const BoundRecord& record, Definition definition = kCounting) {
    const uint32_t slot = store.take_slot().value();
    store.found = {{slot, "d", definition, record}};
    store.records[slot] = record;
    restart_clustered();
  }
  void remove_and_settle() {
    registry->remove(*view, "d");
    settle();
  }
  Lease lease() { return registry->info("d")->lease; }
  Registry::Wish wish() {
    const auto wishes = registry->take_wishes();
    EXPECT_EQ(wishes.size(), 1U);
    return wishes.empty() ? Registry::Wish{} : wishes[0];
  }
};

}  // namespace number_dispenser::testing_support
