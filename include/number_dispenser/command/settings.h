// What may change while the server runs: any thread reads it, one writes at a time.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace number_dispenser {

class Settings {
 public:
  void set_password(std::string password);
  bool has_password() const { return has_password_.load(std::memory_order_acquire); }
  // In a time that depends on the length of `given` only.
  bool password_matches(std::string_view given) const;
  void set_protected_mode(bool on) { protected_mode_.store(on); }
  bool protected_mode() const { return protected_mode_.load(); }

 private:
  std::shared_ptr<const std::string> password() const;

  mutable std::mutex mutex_;
  std::shared_ptr<const std::string> password_ = std::make_shared<std::string>();
  std::atomic<bool> has_password_{false};
  std::atomic<bool> protected_mode_{true};
};

}  // namespace number_dispenser
