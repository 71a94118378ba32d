// What the tests of the configuration share: a command line and an environment as plain lists, and
// a file that is gone afterwards.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "number_dispenser/config/config.h"

namespace number_dispenser::config_testing {

using Variables = std::map<std::string, std::string>;

inline Environment environment_of(Variables variables) {
  return [variables = std::move(variables)](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  };
}

inline Result<Invocation> parse(const std::vector<std::string>& arguments,
                                const Variables& variables = {}) {
  std::vector<const char*> argv{"number-dispenser"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  return parse_invocation(argv, environment_of(variables));
}

// The error, as "status: message"; empty where there is none.
inline std::string error_of(const Result<Invocation>& result) {
  if (result) return "";
  return std::to_string(static_cast<int>(result.error().status)) + ": " + result.error().message;
}

class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view text) {
    const int fd = ::mkstemp(path_.data());
    EXPECT_GE(fd, 0);
    ::close(fd);
    write(text);
  }
  ~TemporaryFile() { ::unlink(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  void write(std::string_view text) const {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << text;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_ = ::testing::TempDir() + "config-XXXXXX";
};

}  // namespace number_dispenser::config_testing
