// The lock that says that a process runs with a file.
#pragma once

namespace number_dispenser {

// Locks the whole file for as long as `fd`, opened for writing, or a mapping of it is there. 0,
// EAGAIN where another process has it, or the errno of what else went wrong. The lock of a process
// that was just killed is waited for briefly.
int lock_file(int fd);

}  // namespace number_dispenser
