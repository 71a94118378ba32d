#include "number_dispenser/net/keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "number_dispenser/base/log.h"

namespace number_dispenser {
namespace {

constexpr uint64_t kNsPerMs = 1'000'000;
constexpr uint64_t kGrowthRetryNs = 1000 * kNsPerMs;

bool is_no_room(int error) {
  return error == ENOSPC || error == EDQUOT || error == EFBIG || error == ENOMEM;
}

}  // namespace

Keeper::Keeper(Registry& registry, StateFile& state, Storage& storage, const Clock& clock)
    : registry_(registry), state_(state), storage_(storage), clock_(clock) {}

void Keeper::tick() {
  if (failed()) return;
  const uint64_t now_ns = clock_.monotonic_ns();
  if (sweep_ns_ != 0 && now_ns >= sweep_ns_) {
    registry_.sweep();
    sweep_ns_ = 0;
  }
  if (state_.is_full()) registry_.refuse_new(true);
  if (!growing_ && !grown_ && state_.wants_growth() && now_ns >= growth_retry_ns_) start_growth();
  if (!flushing_ && (grown_ || registry_.has_work())) {
    flushing_ = registry_.begin_flush();
    if (std::exchange(grown_, false)) ++progress_;
    flush_began_ns_ = now_ns;
    if (flushing_) storage_.start_flush(flush_);
  }
  if (sweep_ns_ == 0 && registry_.sweeping()) sweep_ns_ = now_ns + Registry::kSweepMs * kNsPerMs;
}

uint64_t Keeper::deadline_ns() const {
  if (failed()) return std::numeric_limits<uint64_t>::max();
  return sweep_ns_ != 0 ? sweep_ns_ : std::numeric_limits<uint64_t>::max();
}

void Keeper::start_growth() {
  // A process that was killed before it could say so has grown the file already.
  if (storage_.size() >= state_.growth_bytes()) {
    grown_ = true;
    return;
  }
  growing_ = true;
  storage_.start_growth(growth_, state_.growth_bytes());
}

void Keeper::on_flush(const Completion& completion) {
  flushing_ = false;
  // After a failure elsewhere a flush that ends well proves nothing.
  if (failed()) return;
  if (completion.result < 0) return fail(-completion.result);
  registry_.end_flush();
  ++progress_;
  if (watcher_) watcher_(clock_.monotonic_ns() - flush_began_ns_);
}

void Keeper::on_growth(const Completion& completion) {
  growing_ = false;
  const int error = -completion.result;
  if (error == 0) {
    grown_ = true;
    growth_retry_ns_ = 0;
    registry_.refuse_new(false);
    return;
  }
  if (!is_no_room(error)) return fail(error);
  if (growth_retry_ns_ == 0)
    log_warn("no room for more dispensers in the state file: {}", std::strerror(error));
  growth_retry_ns_ = clock_.monotonic_ns() + kGrowthRetryNs;
  registry_.refuse_new(true);
  ++progress_;
}

void Keeper::fail(int error) {
  failure_ = std::strerror(error);
  failed_.store(true);
  registry_.stop_issuing();
  ++progress_;
  log_error(
      "the state file could not be flushed ({}): what was not flushed may be lost, so no more "
      "numbers are issued. Check the disk, then start again.",
      failure_);
}

}  // namespace number_dispenser
