#include "place.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <span>

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

}  // namespace

uint64_t place_of(int fd, uint64_t inode) {
  struct statx file {};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &file) != 0 || (file.stx_mask & STATX_BTIME) == 0)
    file.stx_btime = {};
  Hash hash;
  hash.add(inode);
  hash.add(static_cast<uint64_t>(file.stx_btime.tv_sec));
  hash.add(file.stx_btime.tv_nsec);
  add_machine(hash);
  return hash.value() | 1;
}

}  // namespace number_dispenser
