#include "lock.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>

namespace number_dispenser {

int lock_file(int fd) {
  // io_uring may hold on to a killed process's descriptors for some milliseconds more.
  constexpr int kTries = 50;
  constexpr int kPauseMs = 20;
  for (int tries = 1;; ++tries) {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    if (::fcntl(fd, F_OFD_SETLK, &lock) == 0) return 0;
    if (errno != EAGAIN && errno != EACCES) return errno;
    if (tries == kTries) return EAGAIN;
    ::poll(nullptr, 0, kPauseMs);
  }
}

}  // namespace number_dispenser
