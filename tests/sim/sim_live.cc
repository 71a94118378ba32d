#include "sim_live.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "number_dispenser/base/check.h"

namespace number_dispenser::sim {
namespace {

std::unique_ptr<std::byte, void (*)(void*)> zeroed(uint64_t bytes) {
  return {static_cast<std::byte*>(std::calloc(1, bytes)), std::free};
}

}  // namespace

std::span<const std::byte> SimLive::open_previous(const layout::FileId& id, uint64_t epoch) {
  previous_epoch_ = epoch;
  for (const File& file : files_)
    if (file.id == id && file.epoch == epoch) return {file.bytes.get(), file.size};
  return {};
}

bool SimLive::newer_exists(const layout::FileId& id, uint64_t epoch) {
  told_of_newer_ = !files_.empty() && files_.front().id == id && holds_newer(epoch);
  return told_of_newer_;
}

Result<std::byte*> SimLive::create(const layout::FileId& id, uint64_t epoch, uint64_t bytes) {
  ND_CHECK(bytes <= capacity_, "{} bytes of live counters", bytes);
  const bool is_dead = world_.death != Death::kNone;
  if (!is_dead)
    std::erase_if(files_, [&](const File& file) { return file.id == id && file.epoch == epoch; });
  made_epoch_ = epoch;
  epoch_ = refuse_ || is_dead ? 0 : epoch;
  if (epoch_ == 0) {
    world_.trace("live: no file, this run's counters die with its process");
    plain_ = zeroed(capacity_);
    return plain_.get();
  }
  files_.push_back({id, epoch, zeroed(capacity_), bytes, false});
  return files_.back().bytes.get();
}

void SimLive::extend(uint64_t bytes) {
  ND_CHECK(bytes <= capacity_, "{} bytes of live counters", bytes);
  for (File& file : files_)
    if (file.epoch == epoch_) file.size = bytes;
}

void SimLive::drop_previous() {
  if (world_.death != Death::kNone) return;
  std::erase_if(files_, [&](const File& file) { return file.epoch == previous_epoch_; });
  for (File& file : files_)
    if (file.epoch == epoch_) file.named = true;
}

void SimLive::drop_newer() {
  if (world_.death != Death::kNone) return;
  std::erase_if(files_, [&](const File& file) { return file.epoch > made_epoch_; });
}

void SimLive::drop_current() {
  if (world_.death != Death::kNone) return;
  std::erase_if(files_, [&](const File& file) { return file.epoch == epoch_; });
}

void SimLive::end_process() {
  told_of_newer_ = false;
  plain_.reset();
  epoch_ = 0;
}

void SimLive::end_machine() {
  end_process();
  files_.clear();
}

bool SimLive::holds(uint64_t epoch) const {
  return std::ranges::find(files_, epoch, &File::epoch) != files_.end();
}

bool SimLive::holds_newer(uint64_t epoch) const {
  return std::ranges::any_of(files_,
                             [&](const File& file) { return file.named && file.epoch > epoch; });
}

bool SimLive::holds_run(uint64_t epoch, uint64_t run) const {
  const auto found = std::ranges::find(files_, epoch, &File::epoch);
  layout::LiveHeader header{};
  if (found != files_.end()) std::memcpy(&header, found->bytes.get(), sizeof header);
  return header.run == run;
}

const SimLive::File* SimLive::current() const {
  const auto found = std::ranges::find(files_, epoch_, &File::epoch);
  return found == files_.end() ? nullptr : &*found;
}

std::vector<std::byte> SimLive::copy_current() const {
  const File* file = current();
  return file == nullptr ? std::vector<std::byte>()
                         : std::vector(file->bytes.get(), file->bytes.get() + file->size);
}

void SimLive::restore_current(std::span<const std::byte> bytes) {
  const File* file = current();
  if (file != nullptr) std::memcpy(file->bytes.get(), bytes.data(), bytes.size());
}

}  // namespace number_dispenser::sim
