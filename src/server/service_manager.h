// What systemd wants to hear (sd_notify(3)); silent where no service manager asked. First loop's
// thread.
#pragma once

#include <cstdint>
#include <string>

namespace number_dispenser {

class ServiceManager {
 public:
  ServiceManager();

  void ready(const std::string& status);
  void reloading(uint64_t monotonic_ns);
  void stopping();
  void status(const std::string& status);
  // Half of the time after which systemd would kill a silent service; 0: no watchdog.
  uint64_t watchdog_ns() const { return watchdog_ns_; }
  void alive();

 private:
  uint64_t watchdog_ns_ = 0;
};

}  // namespace number_dispenser
