#include "secrets.h"

#include <algorithm>

#include "handlers.h"
#include "settings.h"
#include "text.h"

namespace number_dispenser {
namespace {

constexpr std::string_view kRedacted = "(redacted)";
// Settings of Redis, or of the file only, that CONFIG SET refuses: what was meant for them is a
// secret still.
constexpr std::string_view kSecretElsewhere[] = {"cluster-password", "masterauth", "masteruser",
                                                 "tls-client-key-file-pass", "tls-key-file-pass"};

bool is_secret(std::string_view name) {
  const RuntimeSetting* setting = find_runtime_setting(name);
  return (setting != nullptr && setting->get == nullptr) ||
         std::ranges::any_of(kSecretElsewhere,
                             [&](auto other) { return equals_ignoring_case(other, name); });
}

}  // namespace

std::vector<std::string_view> without_secrets(const Command& command,
                                              std::span<const std::string_view> words) {
  std::vector<std::string_view> shown(words.begin(), words.end());
  const auto hide_from = [&](size_t first, size_t count) {
    for (size_t at = first; at < std::min(first + count, shown.size()); ++at) shown[at] = kRedacted;
  };
  if (command.handler == handlers::auth) {
    hide_from(1, shown.size());
  } else if (command.handler == handlers::acl_setuser) {
    hide_from(2, shown.size());
  } else if (command.handler == handlers::hello) {
    for (size_t at = 2; at < words.size(); ++at) {
      if (equals_ignoring_case(words[at], "setname")) {
        ++at;
      } else if (equals_ignoring_case(words[at], "auth")) {
        hide_from(at + 1, 2);
        at += 2;
      }
    }
  } else if (command.handler == handlers::config_set) {
    for (size_t at = 2; at < words.size(); at += 2)
      if (is_secret(words[at])) hide_from(at + 1, 1);
  }
  return shown;
}

}  // namespace number_dispenser
