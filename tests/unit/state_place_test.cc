// What a file's place depends on, in a folder that looks like sysfs.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "number_dispenser/base/fd.h"
#include "state/place.h"
#include "temporary_directory.h"

namespace number_dispenser {
namespace {

namespace fs = std::filesystem;

class PlaceTest : public testing::Test {
 protected:
  PlaceTest() {
    file = Fd(::open((folder.path() + "/file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    struct stat found {};
    EXPECT_EQ(::fstat(file.get(), &found), 0);
    inode = found.st_ino;
    number = fmt::format("{}:{}", major(found.st_dev), minor(found.st_dev));
    fs::create_directories(sysfs / "dev/block");
  }
  uint64_t place() const { return place_of(file.get(), inode, sysfs); }
  // An attribute of the device under `devices`; without a text it goes.
  void set(const std::string& name, const std::string& text) {
    const fs::path path = sysfs / "devices" / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  // The file is on this device.
  void put_on(const std::string& device) {
    fs::create_directories(sysfs / "devices" / device);
    fs::remove(sysfs / "dev/block" / number);
    fs::create_symlink("../../devices/" + device, sysfs / "dev/block" / number);
  }
  void stack(const std::string& upper, const std::string& lower) {
    fs::create_directories(sysfs / "devices" / upper / "slaves");
    fs::create_symlink("../../" + lower, sysfs / "devices" / upper / "slaves" / lower);
  }
  // Each of the texts makes another place, and none of them is the place without it.
  void expect_to_matter(const std::string& name) {
    std::set<uint64_t> places{place()};
    for (const char* text : {"one\n", "two\n"}) {
      set(name, text);
      places.insert(place());
    }
    EXPECT_EQ(places.size(), 3U) << name;
    for (const char* nothing : {"", " \n"}) {
      set(name, nothing);
      places.insert(place());
    }
    EXPECT_EQ(places.size(), 3U) << name << " without a text";
  }
  void expect_not_to_matter(const std::string& name) {
    const uint64_t before = place();
    set(name, "one\n");
    EXPECT_EQ(place(), before) << name;
  }

  testing_support::TemporaryDirectory folder;
  const fs::path sysfs = folder.path() + "/sys";
  Fd file;
  uint64_t inode = 0;
  std::string number;
};

TEST_F(PlaceTest, AFileStaysInItsPlaceWithAndWithoutADevice) {
  EXPECT_EQ(place(), place());
  EXPECT_NE(place(), 0U);
  EXPECT_NE(place_of(file.get(), inode + 1, sysfs), place());
  put_on("sda");
  EXPECT_EQ(place(), place());
}

TEST_F(PlaceTest, EachIdOfADiskMatters) {
  put_on("sda");
  for (const char* name : {"serial", "device/serial", "wwid", "device/wwid"}) {
    expect_to_matter(std::string("sda/") + name);
    set(std::string("sda/") + name, "kept\n");
  }
}

TEST_F(PlaceTest, APartitionHasItsStartAndTheIdOfItsDisk) {
  put_on("sda/sda1");
  set("sda/sda1/start", "2048\n");
  expect_to_matter("sda/wwid");
  expect_to_matter("sda/md/uuid");
  expect_not_to_matter("sda/sda1/wwid");
  const uint64_t first = place();
  set("sda/sda1/start", "4096\n");
  EXPECT_NE(place(), first);
}

TEST_F(PlaceTest, AnArrayHasItsIdAndNotThoseOfItsDisks) {
  put_on("md0");
  stack("md0", "sda");
  expect_to_matter("md0/md/uuid");
  set("md0/md/uuid", "kept\n");
  expect_not_to_matter("sda/wwid");
}

TEST_F(PlaceTest, AVolumeOrSeveralPathsHaveTheirIdAndNotThoseBelow) {
  put_on("dm-0");
  stack("dm-0", "sda");
  expect_to_matter("dm-0/dm/uuid");
  for (const char* uuid : {"LVM-abc\n", "mpath-3600\n"}) {
    set("dm-0/dm/uuid", uuid);
    expect_not_to_matter("sda/wwid");
    fs::remove(sysfs / "devices/sda/wwid");
  }
}

TEST_F(PlaceTest, AnEncryptedDeviceAlsoHasWhatIsBelowIt) {
  put_on("dm-0");
  set("dm-0/dm/uuid", "CRYPT-LUKS2-abc\n");
  const uint64_t without = place();
  fs::create_directories(sysfs / "devices/dm-0/slaves");
  EXPECT_EQ(place(), without);
  stack("dm-0", "sda");
  set("sda/wwid", "one\n");
  const uint64_t below = place();
  EXPECT_NE(below, without);
  set("sda/wwid", "two\n");
  EXPECT_NE(place(), below);
  stack("dm-0", "sdb");
  const uint64_t several = place();
  set("sda/wwid", "one\n");
  EXPECT_EQ(place(), several);
}

}  // namespace
}  // namespace number_dispenser
