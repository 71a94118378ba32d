// The YAML file as settings. Only its shape and its keys are checked here, not the values.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "config/option.h"

namespace number_dispenser {

// Errors: kNoPermission where this user may not read the file, else kConfiguration.
Result<Settings> read_config_file(const std::string& path);

// The same in two steps. Settings have their places, and sections too.
struct ConfigText {
  Settings settings;
  std::vector<std::pair<std::string, int>> section_lines;  // from 0
};
Result<std::string> read_config_text(const std::string& path);
Result<ConfigText> parse_config_text(const std::string& path, const std::string& text);

}  // namespace number_dispenser
