// The table of everything that can be configured: one row is an option of the command line, a
// variable of the environment and a key of the file. Parsing, help and --check-config walk it.
#pragma once

#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "number_dispenser/config/config.h"

namespace number_dispenser {

struct Option {
  std::string_view name;        // without dashes; empty: only in the file
  std::string_view value_name;  // with bars, in lower case: all that is accepted
  std::string_view variable;    // of the environment; empty: none
  std::string_view key;         // section.key of the file; empty: not in the file
  std::string_view help;
  // Several values: the option repeated, the variable with commas, the key with a list.
  bool is_list = false;
  // The commands of the command line that use it.
  std::string_view commands = "serve";
  // Puts a value into the configuration, or says what is wrong with it. `first`: of those that one
  // source has, so what other sources had is replaced.
  std::expected<void, std::string> (*apply)(Config&, const std::string& value, bool first);
  // The value for people, and what the help calls the default where that depends on the
  // environment. Null for rows that have no effect.
  std::string (*show)(const Config&);
  std::string_view default_text;
};

std::span<const Option> options();
// Those rows of it that are about TLS.
std::span<const Option> tls_options();
// Those rows of it that are about clients.
std::span<const Option> client_options();
// Those rows of it that are about what is watched.
std::span<const Option> monitoring_options();
// Those rows of it that are about the cluster.
std::span<const Option> cluster_options();

// Of the row whose value, within the file, has the last word on whether the cluster is on.
inline constexpr std::string_view kClusterEnabledKey = "cluster.enabled";
// What is wrong with the values taken together.
std::optional<std::string> fault_of(const ClusterSettings& cluster);

// A value that some source has for a row, and how an error names the place. Those of one row stand
// together.
struct Setting {
  const Option* option;
  std::string value;
  std::string where;
  // In the file: where the key and the value begin.
  struct Place {
    int line = -1;  // from 0
    int column = -1;
  };
  Place key_place{};
  Place value_place{};
};

using Settings = std::vector<Setting>;

}  // namespace number_dispenser
