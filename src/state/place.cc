#include "place.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include "number_dispenser/base/fd.h"

namespace number_dispenser {
namespace {

// FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv): the number is in files, so it must
// not depend on a library's choice. Not two CRCs: these differ by the same bits for all contents.
class Hash {
 public:
  void add(std::span<const std::byte> bytes) {
    for (const std::byte byte : bytes)
      value_ = (value_ ^ std::to_integer<uint64_t>(byte)) * 0x100000001b3;
  }
  void add(uint64_t word) { add(std::as_bytes(std::span(&word, 1))); }
  // With its length: what follows cannot be taken for a part of it.
  void add(std::string_view text) {
    add(text.size());
    add(std::as_bytes(std::span(text)));
  }
  uint64_t value() const { return value_; }

 private:
  uint64_t value_ = 0xcbf29ce484222325;
};

void add_machine(Hash& hash) {
  std::array<std::byte, 64> id;
  // Containers often have no id: then the file is in its place until the machine starts anew.
  for (const char* path : {"/etc/machine-id", "/proc/sys/kernel/random/boot_id"}) {
    const Fd fd(::open(path, O_RDONLY | O_CLOEXEC));
    const ssize_t got = ::read(fd.get(), id.data(), id.size());
    if (got <= 0) continue;
    return hash.add(std::span(id).first(static_cast<size_t>(got)));
  }
}

// One line of text without the white space around it; empty where there is none.
std::string read_attribute(const std::string& path) {
  std::array<char, 256> line{};
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const ssize_t got = ::read(fd.get(), line.data(), line.size());
  std::string_view text(line.data(), static_cast<size_t>(std::max<ssize_t>(got, 0)));
  constexpr std::string_view kSpace = " \t\r\n";
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  return std::string(text.substr(0, text.find_last_not_of(kSpace) + 1));
}

std::string id_of_disk(const std::string& disk) {
  for (const char* name : {"/device/wwid", "/wwid", "/device/serial", "/serial"})
    if (std::string id = read_attribute(disk + name); !id.empty()) return id;
  return "";
}

// The device below a mapped one, where there is no other.
std::string only_device_below(const std::string& device) {
  std::error_code failed;
  std::filesystem::directory_iterator below(device + "/slaves", failed);
  if (failed || below == std::filesystem::directory_iterator()) return "";
  std::string first = below->path();
  if (below.increment(failed) != std::filesystem::directory_iterator()) return "";
  return first;
}

// `device`: its folder in sysfs. Below a logical volume, several paths or an array of disks nothing
// counts: these gain and lose members without going anywhere else.
void add_device(Hash& hash, const std::string& device) {
  const std::string start = read_attribute(device + "/start");
  const std::string disk = start.empty() ? device : device + "/..";
  const std::string mapped = read_attribute(device + "/dm/uuid");
  hash.add(start);
  hash.add(mapped);
  hash.add(read_attribute(disk + "/md/uuid"));
  hash.add(id_of_disk(disk));
  if (mapped.empty() || mapped.starts_with("LVM-") || mapped.starts_with("mpath-")) return;
  if (const std::string below = only_device_below(device); !below.empty()) add_device(hash, below);
}

// The snapshot of a subvolume has the inodes and times of the original. Elsewhere this id is the
// file system's, which clones share, or the device's number, which may be another at each boot.
void add_subvolume(Hash& hash, int fd) {
  struct statfs where {};
  if (::fstatfs(fd, &where) == 0 && where.f_type == BTRFS_SUPER_MAGIC)
    hash.add(std::as_bytes(std::span(&where.f_fsid, 1)));
}

}  // namespace

uint64_t place_of(int fd, uint64_t inode, const std::string& sysfs) {
  struct statx file {};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &file) != 0 || (file.stx_mask & STATX_BTIME) == 0)
    file.stx_btime = {};
  Hash hash;
  hash.add(inode);
  hash.add(static_cast<uint64_t>(file.stx_btime.tv_sec));
  hash.add(file.stx_btime.tv_nsec);
  add_machine(hash);
  add_subvolume(hash, fd);
  add_device(hash,
             fmt::format("{}/dev/block/{}:{}", sysfs, file.stx_dev_major, file.stx_dev_minor));
  return hash.value() | 1;
}

}  // namespace number_dispenser
