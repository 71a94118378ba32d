// The limits of clients as CONFIG shows and changes them: one row each.
#pragma once

#include <expected>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "number_dispenser/command/context.h"

namespace number_dispenser {

struct ClientSetting {
  // What a new value does, once all values of a CONFIG SET have been found good; or why not.
  using Change = std::function<void(CommandContext&)>;
  using Prepared = std::expected<Change, std::string>;

  std::string_view name;  // as redis-server has it
  std::string (*get)(const CommandContext&);
  Prepared (*prepare)(const CommandContext&, std::string_view value);
};

std::span<const ClientSetting> client_settings();

}  // namespace number_dispenser
