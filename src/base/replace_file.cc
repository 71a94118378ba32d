#include "number_dispenser/base/replace_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "number_dispenser/base/fd.h"

namespace number_dispenser {
namespace {

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t wrote = ::write(fd, text.data(), text.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return false;
    text.remove_prefix(static_cast<size_t>(wrote));
  }
  return true;
}

// So that the new name outlives a power cut.
bool flush_folder(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return fd.valid() && ::fsync(fd.get()) == 0;
}

}  // namespace

std::optional<std::string> replace_file(const std::string& path, std::string_view text,
                                        mode_t mode) {
  const auto failed = [](std::string_view what, const std::string& name) {
    return fmt::format("cannot {} {}: {}", what, name, std::strerror(errno));
  };
  const std::string fresh = path + ".new";
  const Fd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd.valid() || ::fchmod(fd.get(), mode) != 0 || !write_all(fd.get(), text) ||
      ::fsync(fd.get()) != 0)
    return failed("write", fresh);
  if (::rename(fresh.c_str(), path.c_str()) != 0) return failed("rename", fresh);
  if (!flush_folder(path)) return failed("flush the folder of", path);
  return std::nullopt;
}

}  // namespace number_dispenser
