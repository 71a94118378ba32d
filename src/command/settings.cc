#include "number_dispenser/command/settings.h"

namespace number_dispenser {

void Settings::set_password(std::string password) {
  const std::lock_guard lock(mutex_);
  password_ = std::make_shared<std::string>(std::move(password));
  has_password_.store(!password_->empty(), std::memory_order_release);
}

std::shared_ptr<const std::string> Settings::password() const {
  const std::lock_guard lock(mutex_);
  return password_;
}

bool Settings::password_matches(std::string_view given) const {
  const auto expected = password();
  unsigned different = expected->size() == given.size() ? 0 : 1;
  for (size_t at = 0; at < given.size(); ++at) {
    const char other = expected->empty() ? '\0' : (*expected)[at % expected->size()];
    different |= static_cast<unsigned char>(given[at] ^ other);
  }
  return different == 0;
}

}  // namespace number_dispenser
