// The settings that CONFIG shows and changes: one row each.
#pragma once

#include <expected>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "number_dispenser/command/context.h"

namespace number_dispenser {

struct RuntimeSetting {
  // What a new value does, once all values of a CONFIG SET have been found good; or why not.
  using Change = std::function<void(CommandContext&)>;
  using Prepared = std::expected<Change, std::string>;

  std::string_view name;                        // as redis-server has it
  std::string (*get)(const CommandContext&){};  // null: a secret, which is neither shown nor logged
  Prepared (*prepare)(const CommandContext&, std::string_view value){};  // null: cannot be changed

  // The key of the configuration file that CONFIG REWRITE keeps up, empty: none; and its value
  // where the file has other words for it.
  std::string_view key{};
  std::string (*file_value)(const CommandContext&){};
};

// Sorted by name.
std::span<const RuntimeSetting> runtime_settings();
// Ignoring case; null where there is none.
const RuntimeSetting* find_runtime_setting(std::string_view name);

// Those rows of it that are about clients' limits, and about TLS.
std::span<const RuntimeSetting> client_settings();
std::span<const RuntimeSetting> tls_settings();

}  // namespace number_dispenser
