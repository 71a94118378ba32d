// A state file on a real file system: locked, mapped at one place for good, grown by zeros that are
// written (not only allocated, so that a full disk shows at growth and never as SIGBUS).
#pragma once

#include <memory>
#include <string>

#include "number_dispenser/base/fd.h"
#include "number_dispenser/state/storage.h"

namespace number_dispenser {

class FileStorage final : public Storage {
 public:
  // Opens `directory`/dispensers.state, creating both where missing, and takes the lock. `initial`
  // are the bytes a new file starts with. The lock of a process that was just killed is waited for
  // briefly.
  static Result<std::unique_ptr<FileStorage>> open(const std::string& directory,
                                                   std::span<const std::byte> initial);
  ~FileStorage() override;

  // Growth and flushes that do not block run on this ring.
  void attach(Ring& ring) { ring_ = &ring; }

  std::byte* data() override { return base_; }
  uint64_t size() const override { return bytes_; }
  uint64_t place() const override { return place_; }
  Result<void> flush_now() override;
  void start_flush(Operation& operation) override;
  void start_growth(Operation& operation, uint64_t bytes) override;

  const std::string& path() const { return path_; }
  // True where the file was made by this open.
  bool created() const { return created_; }

  static constexpr std::string_view kFileName = "dispensers.state";
  static constexpr std::string_view kLockName = "dispensers.lock";

 private:
  FileStorage() = default;
  Result<void> map(uint64_t bytes);
  void on_growth_step(const Completion& completion);
  void grow_on();

  std::string path_;
  Fd lock_;
  Fd fd_;
  // Of its own: the kernel reports a failed write once to each open file, and a growth's flush
  // would take it from a flush of the bounds that runs beside it.
  Fd growth_fd_;
  std::byte* base_ = nullptr;
  uint64_t bytes_ = 0;
  uint64_t place_ = 0;
  bool created_ = false;
  Ring* ring_ = nullptr;

  MemberOperation<FileStorage, &FileStorage::on_growth_step> growth_step_{*this};
  Operation* growth_ = nullptr;  // whom to tell
  uint64_t growth_target_ = 0;
  uint64_t growth_written_ = 0;  // file offset; the target once the zeros are there
  bool growth_flushing_ = false;
};

}  // namespace number_dispenser
