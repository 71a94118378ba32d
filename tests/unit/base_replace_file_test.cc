#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "number_dispenser/base/replace_file.h"
#include "temporary_directory.h"

namespace number_dispenser {
namespace {

std::string text_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(ReplaceFile, TheNewTextIsThereWithItsPermissionsAndNothingElse) {
  const testing_support::TemporaryDirectory folder;
  const std::string path = folder.path() + "/file";
  for (const auto& [text, mode] : std::initializer_list<std::pair<std::string, mode_t>>{
           {"first\n", 0600}, {std::string(100'000, 'x'), 0644}, {"", 0640}}) {
    EXPECT_EQ(replace_file(path, text, mode), std::nullopt);
    EXPECT_EQ(text_of(path), text);
    struct stat now {};
    ASSERT_EQ(::stat(path.c_str(), &now), 0);
    EXPECT_EQ(now.st_mode & 0777, mode);
  }
  const auto files = std::filesystem::directory_iterator(folder.path());
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
}

TEST(ReplaceFile, AFailureSaysWhatFailedAndLeavesTheOldText) {
  const testing_support::TemporaryDirectory folder;
  EXPECT_EQ(replace_file(folder.path() + "/none/file", "x", 0600),
            "cannot write " + folder.path() + "/none/file.new: No such file or directory");
  const std::string taken = folder.path() + "/taken";
  std::filesystem::create_directories(taken + "/inside");
  EXPECT_EQ(replace_file(taken, "x", 0600), "cannot rename " + taken + ".new: Is a directory");
}

}  // namespace
}  // namespace number_dispenser
