// Tells when somebody stores into a page, as the kernel learns of it: by a fault. One thread.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

namespace number_dispenser::sim {

// Watches these pages of 4096 bytes instead of those that `owner` has watched before; each is told
// of once, just before the first store. A page has one owner.
void watch_stores(const void* owner, const std::vector<std::byte*>& pages,
                  std::function<void(std::byte*)> stored);

}  // namespace number_dispenser::sim
