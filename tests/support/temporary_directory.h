// A directory that is gone, with all in it, afterwards.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>

#include "number_dispenser/base/check.h"

namespace number_dispenser::testing_support {

class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(const std::string& parent = std::filesystem::temp_directory_path()) {
    std::string name = parent + "/number-dispenser-test-XXXXXX";
    ND_CHECK(::mkdtemp(name.data()) != nullptr, "mkdtemp {}", name);
    path_ = name;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace number_dispenser::testing_support
