#include "store_watch.h"

#include <sys/mman.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <map>

namespace number_dispenser::sim {
namespace {

constexpr size_t kPageBytes = 4096;

struct Watch {
  std::vector<std::byte*> pages;
  std::function<void(std::byte*)> stored;
};
std::map<const void*, Watch> watches;  // by owner

// Raised by a store of this thread into a page of ours, outside any library: it may do what any
// code may.
void on_fault(int signal, siginfo_t* info, void*) {
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr) & ~uintptr_t{kPageBytes - 1};
  auto* page = reinterpret_cast<std::byte*>(address);
  for (auto& [owner, watch] : watches) {
    const auto found = std::ranges::find(watch.pages, page);
    if (found == watch.pages.end()) continue;
    watch.pages.erase(found);
    ::mprotect(page, kPageBytes, PROT_READ | PROT_WRITE);
    watch.stored(page);
    return;
  }
  // Not ours: happens again, and ends the program.
  ::signal(signal, SIG_DFL);
}

}  // namespace

void watch_stores(const void* owner, const std::vector<std::byte*>& pages,
                  std::function<void(std::byte*)> stored) {
  if (const auto before = watches.extract(owner))
    for (std::byte* page : before.mapped().pages)
      ::mprotect(page, kPageBytes, PROT_READ | PROT_WRITE);
  if (pages.empty()) return;
  watches[owner] = {pages, std::move(stored)};
  struct sigaction action {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGSEGV, &action, nullptr);
  for (std::byte* page : pages) ::mprotect(page, kPageBytes, PROT_READ);
}

}  // namespace number_dispenser::sim
