// System calls that fail when a test says so. The program is linked with --wrap for each, so that
// only calls from our own code come here, and whatever the tests' libraries do is untouched. One
// thread.
#pragma once

#include <functional>

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

// The `times` calls after `passed` more of their kind are not made: they fail with `error`, or,
// where that is 0, return 0.
void fail_call(Call call, int error, unsigned passed = 0, unsigned times = 1);
// Just before the call after `passed` more of its kind somebody else does this; then it is made.
void before_call(Call call, std::function<void()> other, unsigned passed = 0);
// Every fstatfs() says this type from now on; 0: the real one.
void show_file_system(long type);
// All calls are made again. True if something that was asked for has not come.
bool stop_failing();

}  // namespace number_dispenser::testing_support
