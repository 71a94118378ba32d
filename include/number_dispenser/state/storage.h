// The storage seam: the bytes of one state file, mapped. FileStorage is a real file; tests and the
// simulator lose, tear and fail what was not flushed.
//
// Stores into data() are durable once a flush that started after them has ended with 0. data()
// never moves. One thread, but for stores into data().
#pragma once

#include <cstddef>
#include <cstdint>

#include "number_dispenser/base/error.h"
#include "number_dispenser/uring/ring.h"

namespace number_dispenser {

class Storage {
 public:
  virtual ~Storage() = default;

  virtual std::byte* data() = 0;
  virtual uint64_t size() const = 0;  // bytes mapped
  // Where the file is: another number on another machine, and for a file that was put in this
  // one's place by creating it anew.
  virtual uint64_t place() const = 0;

  // Blocking, for start and stop.
  virtual Result<void> flush_now() = 0;

  // Completes with 0, or with -errno: then nothing since the last good flush may be believed, ever.
  virtual void start_flush(Operation& operation) = 0;
  // Appends zeros, written and flushed, up to `bytes`, and maps them. Completes with 0, or with the
  // size as it was and -ENOSPC, -EDQUOT, -EFBIG or -ENOMEM where there is no room, or any other
  // error, which means what it means for a flush. Flushes may run meanwhile.
  virtual void start_growth(Operation& operation, uint64_t bytes) = 0;
};

}  // namespace number_dispenser
