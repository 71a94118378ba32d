#include "number_dispenser/state/live.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include "number_dispenser/base/check.h"
#include "number_dispenser/base/log.h"

namespace number_dispenser {
namespace {

constexpr uint64_t kReservedBytes = layout::live_bytes(layout::kMaxExtents);
constexpr std::string_view kSuffix = ".live";
constexpr std::string_view kNew = ".new";

std::string prefix_of(const layout::FileId& id) {
  std::string name = "number-dispenser-";
  for (const uint8_t byte : id) name += fmt::format("{:02x}", byte);
  return name + "-";
}

uint64_t page_floor(uint64_t bytes) {
  return bytes & ~uint64_t{layout::kPageBytes - 1};
}
uint64_t page_ceiling(uint64_t bytes) {
  return page_floor(bytes + layout::kPageBytes - 1);
}

// Only memory dies with the machine; only a file of our own can be believed.
bool is_trustworthy(int fd) {
  struct statfs where {};
  struct stat what {};
  return ::fstatfs(fd, &where) == 0 && where.f_type == TMPFS_MAGIC && ::fstat(fd, &what) == 0 &&
         S_ISREG(what.st_mode) && what.st_uid == ::geteuid() && (what.st_mode & 077) == 0;
}

}  // namespace

LiveDirectory::LiveDirectory(std::string directory) : directory_(std::move(directory)) {}

LiveDirectory::~LiveDirectory() {
  if (base_ != nullptr) ::munmap(base_, kReservedBytes);
  if (!previous_.empty()) ::munmap(const_cast<std::byte*>(previous_.data()), previous_.size());
}

std::string LiveDirectory::path_of(const layout::FileId& id, uint64_t epoch) const {
  return fmt::format("{}/{}{}{}", directory_, prefix_of(id), epoch, kSuffix);
}

std::span<const std::byte> LiveDirectory::open_previous(const layout::FileId& id, uint64_t epoch) {
  std::string path = path_of(id, epoch);
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd.valid()) {
    // Killed after the epoch was durable and before the file had its name.
    path += kNew;
    fd = Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  }
  struct stat found {};
  if (!fd.valid() || ::fstat(fd.get(), &found) != 0) return {};
  const auto bytes = static_cast<uint64_t>(found.st_size);
  previous_path_ = path;
  if (!is_trustworthy(fd.get()) || bytes < sizeof(layout::LiveHeader)) return {};
  void* mapped = ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd.get(), 0);
  if (mapped == MAP_FAILED) return {};
  previous_ = {static_cast<const std::byte*>(mapped), bytes};
  layout::LiveHeader header{};
  std::memcpy(&header, previous_.data(), sizeof header);
  if (header.magic != layout::kLiveMagic || header.id != id || header.epoch != epoch) return {};
  return previous_;
}

std::vector<LiveDirectory::Found> LiveDirectory::list(const layout::FileId& id) const {
  const std::string prefix = prefix_of(id);
  std::vector<Found> all;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(directory_.c_str()), ::closedir);
  while (const dirent* entry = directory ? ::readdir(directory.get()) : nullptr) {
    const std::string_view name = entry->d_name;
    if (!name.starts_with(prefix)) continue;
    Found found{std::string(name), 0, false};
    const char* const end = name.data() + name.size();
    const auto parsed = std::from_chars(name.data() + prefix.size(), end, found.epoch);
    const std::string_view rest(parsed.ptr, end);
    found.named = rest == kSuffix;
    if (found.named || rest == std::string(kSuffix) + std::string(kNew)) all.push_back(found);
  }
  return all;
}

bool LiveDirectory::newer_exists(const layout::FileId& id, uint64_t epoch) {
  return std::ranges::any_of(
      list(id), [&](const Found& found) { return found.named && found.epoch > epoch; });
}

Result<void> LiveDirectory::create_file(const std::string& path, uint64_t bytes) {
  // The state file's lock is ours, so a file of this name is left over from a start that did not
  // finish.
  ::unlink(path.c_str());
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.valid()) return fail_errno(ExitStatus::kIoError, path, errno);
  if (!is_trustworthy(fd.get())) {
    ::unlink(path.c_str());
    return fail(ExitStatus::kIoError, fmt::format("{} is not on a tmpfs", directory_));
  }
  // Allocated before use: a full tmpfs shows here, not as SIGBUS at a store.
  if (const int error = ::posix_fallocate(fd.get(), 0, static_cast<off_t>(bytes)); error != 0) {
    ::unlink(path.c_str());
    return fail_errno(ExitStatus::kIoError, path, error);
  }
  path_ = path;
  fd_ = std::move(fd);
  return {};
}

std::byte* LiveDirectory::create(const layout::FileId& id, uint64_t epoch, uint64_t bytes) {
  ND_CHECK(base_ == nullptr, "created twice");
  void* reserved = ::mmap(nullptr, kReservedBytes, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED) return nullptr;
  base_ = static_cast<std::byte*>(reserved);
  id_ = id;
  epoch_ = epoch;
  if (const auto made = create_file(path_of(id, epoch) + std::string(kNew), page_ceiling(bytes));
      !made)
    log_warn("no live counters, so SIGKILL will cost what a power cut does: {}",
             made.error().message);
  extend(bytes);
  layout::LiveHeader header{.magic = layout::kLiveMagic, .id = id, .epoch = epoch};
  std::memcpy(base_, &header, sizeof header);
  return base_;
}

void LiveDirectory::extend(uint64_t bytes) {
  const uint64_t begin = bytes_;
  const uint64_t end = page_ceiling(bytes);
  ND_CHECK(end <= kReservedBytes, "{} bytes", bytes);
  if (end <= begin) return;
  int flags = MAP_SHARED | MAP_FIXED;
  if (fd_.valid()) {
    const int error =
        ::posix_fallocate(fd_.get(), static_cast<off_t>(begin), static_cast<off_t>(end - begin));
    if (error != 0) {
      log_warn(
          "no room for more live counters in {}, so SIGKILL will cost new dispensers what a "
          "power cut does: {}",
          directory_, std::strerror(error));
      fd_.reset();
    }
  }
  if (!fd_.valid()) flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
  void* mapped = ::mmap(base_ + begin, end - begin, PROT_READ | PROT_WRITE, flags, fd_.get(),
                        fd_.valid() ? static_cast<off_t>(begin) : 0);
  ND_CHECK(mapped != MAP_FAILED, "mmap: {}", std::strerror(errno));
  bytes_ = end;
}

void LiveDirectory::drop_previous() {
  if (!path_.empty()) {
    const std::string named = path_.substr(0, path_.size() - kNew.size());
    if (::rename(path_.c_str(), named.c_str()) == 0) path_ = named;
  }
  if (!previous_path_.empty()) ::unlink(previous_path_.c_str());
  previous_path_.clear();
  // Of starts that were killed before they came here. Newer ones stay: they tell a restored copy.
  for (const Found& found : list(id_))
    if (found.epoch < epoch_) ::unlink(fmt::format("{}/{}", directory_, found.name).c_str());
}

void LiveDirectory::drop_newer() {
  for (const Found& found : list(id_))
    if (found.epoch > epoch_) ::unlink(fmt::format("{}/{}", directory_, found.name).c_str());
}

void LiveDirectory::drop_current() {
  if (!path_.empty()) ::unlink(path_.c_str());
  path_.clear();
}

}  // namespace number_dispenser
