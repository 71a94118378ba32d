// System calls that fail when a test says so. The program is linked with --wrap for each, so that
// only calls from our own code come here, and whatever the tests' libraries do is untouched. One
// thread.
#pragma once

namespace number_dispenser::testing_support {

enum class Call {
  kFcntl,
  kFdatasync,
  kFstat,
  kFstatfs,
  kFsync,
  kFtruncate,
  kIoctl,
  kMkdir,
  kMmap,
  kOpen,
  kPwrite,
  kRename,
  kStatx,
  kCount,
};

// The call after `passed` more of its kind is not made: it fails with `error`, or, where that is 0,
// returns 0.
void fail_call(Call call, int error, unsigned passed = 0);
// Every fstatfs() says this type from now on; 0: the real one.
void show_file_system(long type);
// All calls are made again. True if a failure that was asked for has not come.
bool stop_failing();

}  // namespace number_dispenser::testing_support
