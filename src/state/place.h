// Where a file is, as a number (Storage::place).
#pragma once

#include <cstdint>

namespace number_dispenser {

// Of the machine's id, the file's inode and the time of its birth, so that it stays the same over
// reopening, renaming and reboots, and is another one for a copy. Not for one that was written over
// the file itself, nor on a machine that was cloned whole. What cannot be had (no /etc/machine-id,
// a file system without times of birth) counts as 0. The result is never 0.
uint64_t place_of(int fd, uint64_t inode);

}  // namespace number_dispenser
