// The folder of live counters in memory: it outlives a killed process, and lose() is the power cut.
// One thread; its users are gone before lose().
#pragma once

#include <cstring>
#include <map>
#include <memory>
#include <utility>

#include "number_dispenser/state/live.h"
#include "reservation.h"

namespace number_dispenser::testing_support {

class MemoryLive : public LiveMemory {
 public:
  explicit MemoryLive(uint64_t capacity_bytes = 4 << 20) : capacity_bytes_(capacity_bytes) {}

  std::span<const std::byte> open_previous(const layout::FileId& id, uint64_t epoch) override {
    previous_ = {id, epoch};
    const auto found = files_.find(previous_);
    if (found == files_.end()) return {};
    return {found->second.memory->data(), found->second.bytes};
  }
  bool newer_exists(const layout::FileId& id, uint64_t epoch) override {
    for (auto found = files_.upper_bound({id, epoch});
         found != files_.end() && found->first.first == id; ++found)
      if (found->second.durable) return true;
    return false;
  }
  Result<std::byte*> create(const layout::FileId& id, uint64_t epoch, uint64_t bytes) override {
    current_ = {id, epoch};
    memory_ = std::make_shared<Reservation>(capacity_bytes_);
    files_[current_] = {memory_, bytes, false};
    const layout::LiveHeader header{layout::kLiveMagic, id, epoch, {}};
    std::memcpy(memory_->data(), &header, sizeof header);
    return memory_->data();
  }
  void extend(uint64_t bytes) override {
    ND_CHECK(bytes <= capacity_bytes_, "{} bytes", bytes);
    if (const auto found = files_.find(current_); found != files_.end())
      found->second.bytes = bytes;
  }
  void drop_previous() override {
    if (const auto found = files_.find(current_); found != files_.end())
      found->second.durable = true;
    files_.erase(previous_);
  }
  void drop_newer() override {
    std::erase_if(files_, [&](const auto& file) {
      return file.first.first == current_.first && file.first.second > current_.second;
    });
  }
  void drop_current() override { files_.erase(current_); }

  void lose() { files_.clear(); }
  size_t files() const { return files_.size(); }
  // The counters of this epoch are called those of another one: a folder restored by hand.
  void rename(const layout::FileId& id, uint64_t from, uint64_t to) {
    auto node = files_.extract({id, from});
    node.key() = {id, to};
    files_.insert(std::move(node));
  }

 private:
  using Key = std::pair<layout::FileId, uint64_t>;
  struct File {
    std::shared_ptr<Reservation> memory;
    uint64_t bytes = 0;
    bool durable = false;  // the run's epoch
  };

  const uint64_t capacity_bytes_;
  std::map<Key, File> files_;
  Key previous_{}, current_{};
  std::shared_ptr<Reservation> memory_;  // of the process that runs, also once its file is gone
};

}  // namespace number_dispenser::testing_support
