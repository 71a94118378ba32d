// `check` and `dump`: what a state file holds, stopped or in use, without changing it.
#pragma once

#include <string>

#include "number_dispenser/base/error.h"

namespace number_dispenser {

// A report for people. An error (74) where the file is damaged or cannot be read.
Result<std::string> check_state(const std::string& data_dir, const std::string& run_dir);

// The dispensers as a table, or as JSON.
Result<std::string> dump_state(const std::string& data_dir, const std::string& run_dir, bool json);

}  // namespace number_dispenser
