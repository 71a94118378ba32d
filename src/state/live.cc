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

#include "lock.h"
#include "number_dispenser/base/check.h"
#include "number_dispenser/base/log.h"

namespace number_dispenser {
namespace {

constexpr uint64_t page_ceiling(uint64_t bytes) {
  return (bytes + layout::kPageBytes - 1) & ~uint64_t{layout::kPageBytes - 1};
}

constexpr uint64_t kReservedBytes = page_ceiling(layout::live_bytes(layout::kMaxExtents));
constexpr std::string_view kSuffix = ".live";
constexpr std::string_view kNew = ".new";
constexpr std::string_view kSuffixNew = ".live.new";

std::string prefix_of(const layout::FileId& id) {
  std::string name = "number-dispenser-";
  for (const uint8_t byte : id) name += fmt::format("{:02x}", byte);
  return name + "-";
}

// Only memory dies with the machine; only a file of our own can be believed.
bool is_trustworthy(int fd) {
  struct statfs where {};
  struct stat what {};
  return ::fstatfs(fd, &where) == 0 && where.f_type == TMPFS_MAGIC && ::fstat(fd, &what) == 0 &&
         what.st_uid == ::geteuid() && (what.st_mode & 077) == 0;
}

// What a server may have under this name: a file, and if another user's, then no one else's to
// lock. Does not wait for the other end of a FIFO.
Fd open_regular(const std::string& path, int access) {
  Fd fd(::open(path.c_str(), access | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat found {};
  if (fd.valid() && (::fstat(fd.get(), &found) != 0 || !S_ISREG(found.st_mode) ||
                     (found.st_uid != ::geteuid() && (found.st_mode & 077) != 0)))
    fd.reset();
  return fd;
}

// What no other start by this user can have made.
bool is_anothers(const std::string& path) {
  const Fd opened = open_regular(path, O_RDWR);
  struct stat found {};
  return !opened.valid() && ::lstat(path.c_str(), &found) == 0 &&
         (found.st_uid != ::geteuid() || !S_ISREG(found.st_mode));
}

// What only its owner can have locked, and this process cannot open.
bool is_closed_to_us(const std::string& path) {
  struct stat found {};
  return ::lstat(path.c_str(), &found) == 0 && (found.st_mode & 077) == 0;
}

// The name, which is in the same folder, is still this file's.
bool is_at(const std::string& path, int fd) {
  struct stat opened {};
  struct stat named {};
  return ::fstat(fd, &opened) == 0 && ::lstat(path.c_str(), &named) == 0 &&
         opened.st_ino == named.st_ino;
}

// False, and nothing is removed, where another process has it locked.
bool remove_unlocked(const std::string& path) {
  const Fd fd = open_regular(path, O_RDWR);
  if (!fd.valid()) return true;
  const int error = lock_file(fd.get());
  // Whoever had the lock may have removed it, and where there was none another start may have made
  // one: the name is then that start's, which can have locked it.
  if (error == 0 && is_at(path, fd.get())) ::unlink(path.c_str());
  return error != EAGAIN;
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
  Fd fd = open_regular(path, O_RDONLY);
  if (!fd.valid()) {
    // Killed after the epoch was durable and before the file had its name.
    path += kNew;
    fd = open_regular(path, O_RDONLY);
  }
  struct stat found {};
  if (!fd.valid() || ::fstat(fd.get(), &found) != 0) return {};
  const auto bytes = static_cast<uint64_t>(found.st_size);
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
    if (entry->d_type != DT_REG || !name.starts_with(prefix)) continue;
    Found found{std::string(name), 0, false};
    const char* const end = name.data() + name.size();
    const auto parsed = std::from_chars(name.data() + prefix.size(), end, found.epoch);
    const std::string_view rest(parsed.ptr, end);
    found.named = rest == kSuffix;
    if (found.named || rest == kSuffixNew) all.push_back(found);
  }
  return all;
}

bool LiveDirectory::newer_exists(const layout::FileId& id, uint64_t epoch) {
  return std::ranges::any_of(
      list(id), [&](const Found& found) { return found.named && found.epoch > epoch; });
}

std::unexpected<Error> LiveDirectory::in_use() const {
  return fail(ExitStatus::kTemporary,
              fmt::format("another number-dispenser runs with a copy of this state file (its live "
                          "counters in {} are locked): stop it, or give each server a data "
                          "directory of its own",
                          directory_));
}

bool LiveDirectory::another_runs() const {
  // Twice: a file that gets its name while the folder is read can be missed, but does so only once.
  for (int look = 0; look < 2; ++look)
    for (const Found& found : list(id_)) {
      const std::string path = fmt::format("{}/{}", directory_, found.name);
      if (path == path_) continue;
      const Fd fd = open_regular(path, O_RDWR);
      if (fd.valid() && lock_file(fd.get()) == EAGAIN) return true;
      if (look == 0 && !fd.valid() && is_closed_to_us(path))
        log_warn(
            "whether another number-dispenser runs with a copy of this state file cannot be told, "
            "and it would issue the same numbers: its live counters, {}, cannot be opened",
            path);
    }
  return false;
}

Result<void> LiveDirectory::create_file(const std::string& path, uint64_t bytes) {
  // Left over from a start that did not finish; or of a copy of the state file, which starts too.
  if (!remove_unlocked(path)) return in_use();
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.valid()) {
    const int error = errno;
    // Another start was quicker, even where that has been refused meanwhile: going on without
    // counters of its own, this one would not be seen by those that start now.
    if (error == EEXIST && !is_anothers(path)) return in_use();
    return fail_errno(ExitStatus::kIoError, path, error);
  }
  // A copy may have taken it for left over before it was locked.
  const int error = lock_file(fd.get());
  if (error == EAGAIN || !is_at(path, fd.get())) return in_use();
  if (error != 0 || !is_trustworthy(fd.get())) {
    ::unlink(path.c_str());
    if (error != 0) return fail_errno(ExitStatus::kIoError, path, error);
    return fail(ExitStatus::kIoError, fmt::format("{} is not on a tmpfs", directory_));
  }
  path_ = path;
  fd_ = std::move(fd);
  // Allocated before use: a full tmpfs shows here, not as SIGBUS at a store. The empty file still
  // tells a copy that this one runs.
  if (const int full = ::posix_fallocate(fd_.get(), 0, static_cast<off_t>(bytes)); full != 0)
    return fail_errno(ExitStatus::kIoError, path, full);
  has_room_ = true;
  return {};
}

Result<std::byte*> LiveDirectory::create(const layout::FileId& id, uint64_t epoch, uint64_t bytes) {
  ND_CHECK(base_ == nullptr, "created twice");
  void* reserved = ::mmap(nullptr, kReservedBytes, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED)
    return fail(
        ExitStatus::kIoError,
        "no address space to reserve for live counters: raise its limit (LimitAS, ulimit -v)");
  base_ = static_cast<std::byte*>(reserved);
  id_ = id;
  epoch_ = epoch;
  const auto made = create_file(path_of(id, epoch) + std::string(kNew), page_ceiling(bytes));
  if (!made && made.error().status == ExitStatus::kTemporary) return std::unexpected(made.error());
  // Not before one's own are locked: of two that start at the same time, one sees the other.
  if (another_runs()) {
    drop_current();
    return in_use();
  }
  if (!made)
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
  if (has_room_) {
    const int error =
        ::posix_fallocate(fd_.get(), static_cast<off_t>(begin), static_cast<off_t>(end - begin));
    if (error != 0) {
      log_warn(
          "no room for more live counters in {}, so SIGKILL will cost new dispensers what a "
          "power cut does: {}",
          directory_, std::strerror(error));
      has_room_ = false;
    }
  }
  if (!has_room_) flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
  void* mapped = ::mmap(base_ + begin, end - begin, PROT_READ | PROT_WRITE, flags,
                        has_room_ ? fd_.get() : -1, has_room_ ? static_cast<off_t>(begin) : 0);
  ND_CHECK(mapped != MAP_FAILED, "mmap: {}", std::strerror(errno));
  bytes_ = end;
}

void LiveDirectory::drop_previous() {
  if (!path_.empty()) {
    const std::string named = path_.substr(0, path_.size() - kNew.size());
    if (::rename(path_.c_str(), named.c_str()) == 0) path_ = named;
  }
  // Of the run before, and of starts that were killed before they came here. Newer ones stay: they
  // tell a restored copy.
  for (const Found& found : list(id_))
    if (found.epoch < epoch_) remove_unlocked(fmt::format("{}/{}", directory_, found.name));
}

void LiveDirectory::drop_newer() {
  for (const Found& found : list(id_)) {
    if (found.epoch <= epoch_) continue;
    const std::string path = fmt::format("{}/{}", directory_, found.name);
    remove_unlocked(path);
    if (::access(path.c_str(), F_OK) == 0)
      log_warn("{} cannot be removed, and while it is there no start keeps what it had leased",
               path);
  }
}

void LiveDirectory::drop_current() {
  if (!path_.empty()) ::unlink(path_.c_str());
  path_.clear();
}

}  // namespace number_dispenser
