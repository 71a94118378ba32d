// Where a file is, as a number (Storage::place).
#pragma once

#include <cstdint>
#include <string>

namespace number_dispenser {

// Of the machine's id, the file's inode and the time of its birth, the subvolume (btrfs), and the
// partition, volume and disk that it is on, so that it stays the same over reopening, renaming and
// reboots, and is another one for a copy of the file, of its file system or of its disk. Not for
// one that was written over the file itself, nor on a machine that was cloned whole with disks that
// have no ids. What cannot be had (no /etc/machine-id, no times of birth, no id of the disk) counts
// as nothing. `sysfs`: where /sys is. The result is never 0.
uint64_t place_of(int fd, uint64_t inode, const std::string& sysfs = "/sys");

}  // namespace number_dispenser
