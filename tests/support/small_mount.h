// A tmpfs of a few KiB in a directory of its own, where the user may mount one. In a mount
// namespace of this process, so that nothing is left behind.
#pragma once

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <string>

#include "temporary_directory.h"

namespace number_dispenser::testing_support {

class SmallMount {
 public:
  explicit SmallMount(unsigned kib) {
    static const bool own_namespace =
        ::unshare(CLONE_NEWNS) == 0 &&
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    const std::string size = "mode=0700,size=" + std::to_string(kib) + "k";
    mounted_ = own_namespace && ::mount("tmpfs", path().c_str(), "tmpfs", 0, size.c_str()) == 0;
  }
  ~SmallMount() {
    if (mounted_) ::umount2(path().c_str(), MNT_DETACH);
  }
  SmallMount(const SmallMount&) = delete;
  SmallMount& operator=(const SmallMount&) = delete;

  bool mounted() const { return mounted_; }
  const std::string& path() const { return directory_.path(); }

 private:
  TemporaryDirectory directory_;
  bool mounted_ = false;
};

}  // namespace number_dispenser::testing_support
