// Tells when somebody stores into a page, as the kernel learns of it: by a fault. One watch at a
// time.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

namespace number_dispenser::sim {

// Watches these pages of 4096 bytes instead of those before; each is told of once, at the first
// store.
void watch_stores(const std::vector<std::byte*>& pages, std::function<void(std::byte*)> stored);

}  // namespace number_dispenser::sim
