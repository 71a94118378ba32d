// The YAML file as settings. Only its shape and its keys are checked here, not the values.
#pragma once

#include <string>

#include "config/option.h"

namespace number_dispenser {

// Errors: kNoPermission where this user may not read the file, else kConfiguration.
Result<Settings> read_config_file(const std::string& path);

}  // namespace number_dispenser
