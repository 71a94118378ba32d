// The outside world of the code under test: storage on the modelled disk, live counters on a
// modelled tmpfs, a clock that sweeps move.
#include <cstdlib>

#include "world.h"

namespace number_dispenser::model {
namespace {

class ModelStorage final : public Storage {
 public:
  std::byte* data() override { return state_bytes(); }
  uint64_t size() const override { return kStateBytes; }
  uint64_t place() const override { return 1; }
  Result<void> flush_now() override {
    // A flush that has not ended promises nothing: a crash in it is a crash before it.
    pause(Wait::kDisk, nullptr);
    flush_started();
    flush_ended();
    return {};
  }
  void start_flush(Operation&) override { std::abort(); }
  void start_growth(Operation&, uint64_t) override { std::abort(); }
};

class ModelLive final : public LiveMemory {
 public:
  std::span<const std::byte> open_previous(const layout::FileId&, uint64_t epoch) override {
    world.previous_epoch = epoch;
    const LiveFile& file = file_of(epoch);
    if (!file.exists || file.epoch != epoch) return {};
    return file.bytes;
  }
  bool newer_exists(const layout::FileId&, uint64_t epoch) override {
    for (const LiveFile& file : world.live)
      if (file.exists && file.epoch > epoch) return true;
    return false;
  }
  Result<std::byte*> create(const layout::FileId&, uint64_t epoch, uint64_t) override {
    pause(Wait::kDisk, nullptr);
    LiveFile& file = file_of(epoch);
    if (file.exists && file.epoch != epoch) std::abort();
    file = {.exists = true, .epoch = epoch, .bytes = {}};
    return file.bytes;
  }
  void extend(uint64_t) override { std::abort(); }
  void drop_previous() override {
    pause(Wait::kDisk, nullptr);
    LiveFile& file = file_of(world.previous_epoch);
    // Only the name goes: the start that drops it still has it mapped.
    if (file.epoch == world.previous_epoch) file.exists = false;
  }
  void drop_newer() override { std::abort(); }  // only of a node's file
  void drop_current() override {
    pause(Wait::kDisk, nullptr);
    file_of(world.state->epoch()) = {};
  }

 private:
  static LiveFile& file_of(uint64_t epoch) { return world.live[epoch % kLiveFiles]; }
};

class ModelClock final : public Clock {
 public:
  uint64_t monotonic_ns() const override { return world.now_ns; }
  int64_t unix_us() const override { return 0; }
};

}  // namespace

Storage& storage() {
  static ModelStorage instance;
  return instance;
}

LiveMemory& live_memory() {
  static ModelLive instance;
  return instance;
}

Clock& model_clock() {
  static ModelClock instance;
  return instance;
}

}  // namespace number_dispenser::model
