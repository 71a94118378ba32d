#include "number_dispenser/state/file_storage.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "lock.h"
#include "number_dispenser/base/check.h"
#include "number_dispenser/base/log.h"
#include "number_dispenser/state/layout.h"
#include "place.h"

namespace number_dispenser {
namespace {

constexpr uint64_t kReservedBytes = layout::file_bytes(layout::kMaxExtents);
constexpr size_t kZeroBytes = 1 << 18;  // written at a time while growing
alignas(layout::kPageBytes) std::array<std::byte, kZeroBytes> zeros;

std::unexpected<Error> io_error(std::string_view what, int error) {
  return fail_errno(ExitStatus::kIoError, what, error);
}

Result<void> sync_directory(const std::string& directory) {
  const Fd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || ::fsync(fd.get()) != 0)
    return io_error(fmt::format("cannot flush the directory {}", directory), errno);
  return {};
}

std::string parent_of(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return path.substr(0, slash == 0 ? 1 : slash);
}

Result<void> make_directory(const std::string& directory) {
  for (size_t at = directory.find('/', 1);; at = directory.find('/', at + 1)) {
    const std::string part = directory.substr(0, at);
    const bool made = ::mkdir(part.c_str(), 0750) == 0;
    if (!made && errno != EEXIST)
      return io_error(fmt::format("cannot create the data directory {}", part), errno);
    if (made)
      if (auto synced = sync_directory(parent_of(part)); !synced) return synced;
    if (at == std::string::npos) return {};
  }
}

Result<void> take_lock(int fd, const std::string& path) {
  const int error = lock_file(fd);
  if (error == 0) return {};
  if (error != EAGAIN) return io_error(fmt::format("cannot lock {}", path), error);
  return fail(
      ExitStatus::kTemporary,
      fmt::format(
          "another number-dispenser holds {}: stop it, or choose another directory with --data",
          path));
}

Result<void> write_all(int fd, std::span<const std::byte> bytes) {
  off_t offset = 0;
  while (!bytes.empty()) {
    const ssize_t wrote = ::pwrite(fd, bytes.data(), bytes.size(), offset);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return io_error("write", errno);
    offset += wrote;
    bytes = bytes.subspan(static_cast<size_t>(wrote));
  }
  return {};
}

// Written under another name first: a state file is whole from the moment it has its name.
Result<void> create_file(const std::string& directory, const std::string& path,
                         std::span<const std::byte> initial) {
  const std::string fresh = path + ".new";
  const Fd fd(::open(fresh.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
  if (!fd.valid()) return io_error(fmt::format("cannot create {}", fresh), errno);
  struct statfs where {};
  if (::fstatfs(fd.get(), &where) == 0 && where.f_type == BTRFS_SUPER_MAGIC) {
    // Copy-on-write needs free space for every overwrite: a full disk would be SIGBUS.
    unsigned flags = FS_NOCOW_FL;
    if (::ioctl(fd.get(), FS_IOC_SETFLAGS, &flags) != 0)
      log_warn("{}: cannot switch copy-on-write off; a full disk may stop the server", fresh);
  }
  if (const auto wrote = write_all(fd.get(), initial); !wrote)
    return fail(wrote.error().status, fmt::format("{}: {}", fresh, wrote.error().message));
  if (::fsync(fd.get()) != 0) return io_error(fmt::format("cannot flush {}", fresh), errno);
  if (::rename(fresh.c_str(), path.c_str()) != 0)
    return io_error(fmt::format("cannot rename {}", fresh), errno);
  return sync_directory(directory);
}

void warn_of_file_system(int fd, const std::string& path) {
  struct statfs where {};
  if (::fstatfs(fd, &where) != 0) return;
  if (where.f_type == TMPFS_MAGIC)
    log_warn("{} is on a tmpfs: a reboot loses every dispenser", path);
  if (where.f_type == NFS_SUPER_MAGIC)
    log_warn("{} is on NFS: its locks and flushes are as good as that server's", path);
}

}  // namespace

Result<std::unique_ptr<FileStorage>> FileStorage::open(const std::string& directory,
                                                       std::span<const std::byte> initial) {
  if (auto made = make_directory(directory); !made) return std::unexpected(made.error());
  // Two locks: this file's, so that only one server creates the state file; and the state file's
  // own, which nobody can remove from under a running server.
  const std::string lock_path = fmt::format("{}/{}", directory, kLockName);
  Fd lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
  if (!lock.valid()) return io_error(fmt::format("cannot write {}", lock_path), errno);
  if (auto taken = take_lock(lock.get(), lock_path); !taken) return std::unexpected(taken.error());

  // LCOV_EXCL_START: only an exception would leave `new` half-way.
  std::unique_ptr<FileStorage> storage(new FileStorage);
  // LCOV_EXCL_STOP
  storage->lock_ = std::move(lock);
  storage->path_ = fmt::format("{}/{}", directory, kFileName);
  const char* path = storage->path_.c_str();
  storage->fd_ = Fd(::open(path, O_RDWR | O_CLOEXEC));
  if (!storage->fd_.valid() && errno == ENOENT) {
    if (auto made = create_file(directory, storage->path_, initial); !made)
      return std::unexpected(made.error());
    storage->created_ = true;
    storage->fd_ = Fd(::open(path, O_RDWR | O_CLOEXEC));
  }
  storage->growth_fd_ = Fd(::open(path, O_RDWR | O_CLOEXEC));
  struct stat found {};
  if (!storage->fd_.valid() || !storage->growth_fd_.valid() ||
      ::fstat(storage->fd_.get(), &found) != 0)
    return io_error(fmt::format("cannot open {}", path), errno);
  if (!S_ISREG(found.st_mode))
    return fail(ExitStatus::kIoError, fmt::format("{} is not a regular file", path));
  if (auto taken = take_lock(storage->fd_.get(), storage->path_); !taken)
    return std::unexpected(taken.error());
  // The start that gave the file its name may have been killed before the folder was flushed.
  if (auto synced = sync_directory(directory); !synced) return std::unexpected(synced.error());
  warn_of_file_system(storage->fd_.get(), storage->path_);

  void* reserved = ::mmap(nullptr, kReservedBytes, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED) return io_error("cannot reserve 8 GiB of address space", errno);
  storage->base_ = static_cast<std::byte*>(reserved);
  // A growth that did not finish may have left a part of a page: it is not in the header, so not in
  // use.
  const auto bytes = static_cast<uint64_t>(found.st_size) / layout::kPageBytes * layout::kPageBytes;
  if (auto mapped = storage->map(std::min(bytes, kReservedBytes)); !mapped)
    return std::unexpected(mapped.error());
  storage->place_ = place_of(storage->fd_.get(), found.st_ino);
  return storage;
}

FileStorage::~FileStorage() {
  if (base_ != nullptr) ::munmap(base_, kReservedBytes);
}

Result<void> FileStorage::map(uint64_t bytes) {
  if (bytes == bytes_) return {};
  void* mapped = ::mmap(base_ + bytes_, bytes - bytes_, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_FIXED, fd_.get(), static_cast<off_t>(bytes_));
  if (mapped == MAP_FAILED) return io_error(fmt::format("cannot map {}", path_), errno);
  bytes_ = bytes;
  return {};
}

Result<void> FileStorage::flush_now() {
  if (::fdatasync(fd_.get()) != 0) return io_error(fmt::format("cannot flush {}", path_), errno);
  return {};
}

void FileStorage::start_flush(Operation& operation) {
  ring_->flush(operation, fd_.get());
}

void FileStorage::start_growth(Operation& operation, uint64_t bytes) {
  ND_CHECK(growth_ == nullptr && bytes > bytes_, "growth from {} to {}", bytes_, bytes);
  growth_ = &operation;
  growth_target_ = bytes;
  growth_written_ = bytes_;
  growth_flushing_ = false;
  grow_on();
}

void FileStorage::grow_on() {
  if (growth_written_ < growth_target_) {
    const uint64_t length = std::min<uint64_t>(kZeroBytes, growth_target_ - growth_written_);
    ring_->write(growth_step_, growth_fd_.get(), std::span(zeros).first(length), growth_written_);
  } else {
    growth_flushing_ = true;
    ring_->flush(growth_step_, growth_fd_.get());
  }
}

void FileStorage::on_growth_step(const Completion& completion) {
  int result = completion.result;
  if (result > 0) growth_written_ += static_cast<uint64_t>(result);
  if (result > 0 || result == -EINTR || result == -EAGAIN) return grow_on();
  if (result == 0 && !growth_flushing_) result = -ENOSPC;
  // A flush reports what went wrong anywhere in the file, and only once.
  if (result < 0 && growth_flushing_) result = -EIO;
  if (result == 0) {
    if (!map(growth_target_)) result = -ENOMEM;
  } else if (!growth_flushing_) {
    // Written in part: give the space back, so that a full disk does not stay full because of us.
    if (::ftruncate(fd_.get(), static_cast<off_t>(bytes_)) != 0)
      log_warn("{}: cannot give back the space of a growth that failed", path_);
  }
  std::exchange(growth_, nullptr)->on_completion({.result = result});
}

}  // namespace number_dispenser
