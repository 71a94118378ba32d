#include "service_manager.h"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

namespace number_dispenser {

ServiceManager::ServiceManager() {
  uint64_t timeout_us = 0;
  if (::sd_watchdog_enabled(0, &timeout_us) > 0) watchdog_ns_ = timeout_us * 1000 / 2;
}

void ServiceManager::ready(const std::string& status) {
  ::sd_notify(0, fmt::format("READY=1\nSTATUS={}", status).c_str());
}

void ServiceManager::reloading(uint64_t monotonic_ns) {
  ::sd_notify(0, fmt::format("RELOADING=1\nMONOTONIC_USEC={}", monotonic_ns / 1000).c_str());
}

void ServiceManager::stopping() {
  ::sd_notify(0, "STOPPING=1\nSTATUS=Stopping");
}

void ServiceManager::status(const std::string& status) {
  ::sd_notify(0, fmt::format("STATUS={}", status).c_str());
}

void ServiceManager::alive() {
  ::sd_notify(0, "WATCHDOG=1");
}

}  // namespace number_dispenser
