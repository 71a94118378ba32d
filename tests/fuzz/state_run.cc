#include "state_run.h"

#include <cstring>

#include "number_dispenser/base/check.h"
#include "number_dispenser/state/scan.h"

namespace number_dispenser::fuzz {

namespace {

// Whole pages, as a mapping has.
std::span<const std::byte> pages_of(const std::vector<std::byte>& file) {
  return std::span(file).first(file.size() / layout::kPageBytes * layout::kPageBytes);
}

}  // namespace

StateRun::StateRun(const StateInput& input, uint64_t seed)
    : random_(seed), storage_(pages_of(input.file), StateInput::kMostFileBytes) {
  const auto found = scan(input.file);
  if (!found || input.live.size() < sizeof(layout::LiveHeader)) return;
  std::byte* counters =
      live_.create(found->header.id, found->header.epoch, input.live.size()).value();
  constexpr size_t kHeader = offsetof(layout::LiveHeader, run);
  std::memcpy(counters + kHeader, input.live.data() + kHeader, input.live.size() - kHeader);
}

Result<void> StateRun::start() {
  auto opened = StateFile::open(storage_, live_, clock_, "memory");
  if (!opened) return std::unexpected(opened.error());
  state_ = std::move(*opened);
  registry_ = std::make_unique<Registry>(*state_, clock_);
  view_ = registry_->make_view();
  return {};
}

void StateRun::settle() {
  for (int ticks = 0; ticks < 4; ++ticks) {
    registry_->adopt(*view_);
    if (registry_->begin_flush()) {
      const auto flushed = storage_.flush_now();
      ND_CHECK(flushed.has_value(), "{}", flushed.error().message);
      registry_->end_flush();
    }
    registry_->announce(*view_);
  }
}

std::optional<uint64_t> StateRun::draw(std::string_view name) {
  Cell* cell = view_->find(name);
  const auto ordinal = cell == nullptr ? std::nullopt : cell->draw(1);
  if (ordinal && (*ordinal >= cell->raise_at.load() || *ordinal >= cell->durable_bound.load()))
    registry_->want_raise(*cell);
  return ordinal;
}

void StateRun::stop() {
  settle();
  registry_->close();
  const auto closed = state_->close();
  ND_CHECK(closed.has_value(), "{}", closed.error().message);
  end();
}

void StateRun::kill() {
  end();
}

void StateRun::cut_power() {
  storage_.cut_power(random_);
  live_.lose();
  end();
}

void StateRun::end() {
  view_.reset();
  registry_.reset();
  state_.reset();
  storage_.forget_operations();
}

StateInput StateRun::take() const {
  StateInput result{{storage_.bytes().begin(), storage_.bytes().end()}, {}};
  if (const auto found = scan(result.file)) {
    const auto live = live_.open_previous(found->header.id, found->header.epoch);
    result.live.assign(live.begin(), live.end());
  }
  return result;
}

}  // namespace number_dispenser::fuzz
