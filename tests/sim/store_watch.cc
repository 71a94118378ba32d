#include "store_watch.h"

#include <sys/mman.h>

#include <algorithm>
#include <csignal>
#include <cstdint>

namespace number_dispenser::sim {
namespace {

constexpr size_t kPageBytes = 4096;

struct Watch {
  std::vector<std::byte*> pages;
  std::function<void(std::byte*)> stored;
};
Watch watch;

// Raised by a store of this thread into a page of ours, outside any library: it may do what any
// code may.
void on_fault(int signal, siginfo_t* info, void*) {
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr) & ~uintptr_t{kPageBytes - 1};
  auto* page = reinterpret_cast<std::byte*>(address);
  const auto found = std::ranges::find(watch.pages, page);
  if (found == watch.pages.end()) {
    // Not ours: happens again, and ends the program.
    ::signal(signal, SIG_DFL);
    return;
  }
  watch.pages.erase(found);
  ::mprotect(page, kPageBytes, PROT_READ | PROT_WRITE);
  watch.stored(page);
}

}  // namespace

void watch_stores(const std::vector<std::byte*>& pages, std::function<void(std::byte*)> stored) {
  for (std::byte* page : watch.pages) ::mprotect(page, kPageBytes, PROT_READ | PROT_WRITE);
  watch = {pages, std::move(stored)};
  if (pages.empty()) return;
  struct sigaction action {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGSEGV, &action, nullptr);
  for (std::byte* page : pages) ::mprotect(page, kPageBytes, PROT_READ);
}

}  // namespace number_dispenser::sim
