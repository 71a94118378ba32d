// The registry's inner part: how bounds move, and how changes settle. Callers hold the mutex.
#include <algorithm>

#include "number_dispenser/base/check.h"
#include "number_dispenser/dispenser/registry.h"

namespace number_dispenser {

Registry::Entry& Registry::entry(uint32_t slot) {
  while (entries_.size() <= slot) entries_.emplace_back();
  return entries_[slot];
}

// Its numbers wait for a durable bound.
bool Registry::keeps_bound(const Entry& e) {
  return e.cell.kind != Kind::kRandom && strategy_of(e.written.strategy).durable;
}

void Registry::fill_cell(uint32_t slot, const Definition& definition) {
  Entry& e = entries_[slot];
  e.definition = definition;
  Cell& cell = e.cell;
  cell.next = &store_.live_counter(slot);
  cell.starting = definition.starting;
  cell.step = definition.step;
  cell.slot = slot;
  cell.kind = definition.kind;
  cell.length = definition.length;
  cell.raise_wanted.store(false);
  set_limit(e);
}

// Makes what is durable known to the loops.
void Registry::publish(Entry& e) {
  Cell& cell = e.cell;
  if (e.state == State::kDropped) {
    // Before the tombstone is durable the last durable bound holds; replies held past it wait for
    // it.
    return;
  }
  const bool random = cell.kind == Kind::kRandom;
  const bool counts = strategy_of(e.written.strategy).durable;
  // A random dispenser's first draw after each write has its statistics written again.
  const uint64_t raise_at =
      !counts  ? kNoLimit
      : random ? (e.open ? kNoLimit : e.written.position)
               : raise_threshold(std::min(e.written.position, e.durable), e.durable);
  cell.raise_at.store(std::min(raise_at, wish_at(e)));
  if (e.state == State::kCreating)
    cell.durable_bound.store(0);
  else
    cell.durable_bound.store(keeps_bound(e) ? e.durable : kNoLimit);
}

void Registry::mark_dirty(uint32_t slot) {
  if (entries_[slot].cell.raise_wanted.exchange(true)) return;
  dirty_.push_back(slot);
  has_work_.store(true);
}

void Registry::move_bound(uint32_t slot, uint64_t now_ns) {
  Entry& e = entries_[slot];
  Cell& cell = e.cell;
  cell.raise_wanted.store(false);  // before reading `next`: who draws after that asks again
  if (e.state == State::kFree || e.state == State::kDropped) return;
  if (std::exchange(e.exact, false)) return retract(slot, now_ns);
  if (!strategy_of(e.written.strategy).durable) return;
  if (cell.kind == Kind::kRandom) {
    cell.raise_at.store(kNoLimit);
    return open_window(slot);
  }
  const uint64_t next = e.cell.next->load();
  const uint64_t position = e.written.position;
  ND_CHECK(next >= position, "next {} behind {}", next, position);
  const uint64_t used = passed(e, next) - (position - e.written.lease.skipped);
  const Usage usage{used, now_ns - e.written_ns};
  const uint64_t window =
      window_ordinals(strategy_of(e.written.strategy), passed(e, next), e.written.wasted, usage);
  const uint64_t end = end_of_supply(e);
  const uint64_t bound = next + std::min(window, end - std::min(next, end));
  if (next >= wish_at(e)) wish(e, 0);
  if (bound <= e.written.bound && e.lease == e.written.lease) {
    // The present bound is enough for now: ask again when less of it is left.
    cell.raise_at.store(std::min(raise_threshold(next, e.written.bound), wish_at(e)));
    return;
  }
  if (bound <= e.written.bound) {
    write_lease(e);
  } else {
    write(slot, bound, next, now_ns);
  }
  // Not from here to the new bound: that is on its way to the disk already.
  cell.raise_at.store(std::min(raise_threshold(next, e.written.bound), wish_at(e)));
  in_flight_.raised.push_back(slot);
  if (strategy_of(e.strategy).retracts_when_idle && bound > next) open_window(slot);
}

// Brings the bound to the exact position, which may lower it; also the way into another strategy.
void Registry::retract(uint32_t slot, uint64_t now_ns) {
  Entry& e = entries_[slot];
  if (e.state == State::kDropped) return;
  if (e.cell.kind != Kind::kRandom && strategy_of(e.strategy).durable) {
    const uint64_t next = e.cell.next->load();
    // In memory first, written after (cell.h): from here on nothing leaves on the old bound.
    e.cell.raise_at.store(next);
    // Never up: what was drawn past the durable bound is still held.
    if (e.state == State::kLive)
      e.cell.durable_bound.store(std::min(next, e.cell.durable_bound.load()));
  }
  const uint64_t exact = e.cell.next->load();
  write(slot, exact, exact, now_ns);
  in_flight_.raised.push_back(slot);
}

void Registry::write(uint32_t slot, uint64_t bound, uint64_t position, uint64_t now_ns) {
  Entry& e = entries_[slot];
  e.written = {bound, position, e.written.wasted, e.strategy, e.lease};
  e.written_ns = now_ns;
  store_.write_bound(slot, e.written);
}

void Registry::open_window(uint32_t slot) {
  Entry& e = entries_[slot];
  e.idle_sweeps = 0;
  e.seen_next = e.cell.next->load();
  if (std::exchange(e.open, true)) return;
  open_.push_back(slot);
  sweeping_.store(true, std::memory_order_relaxed);
}

uint64_t Registry::last_change() const {
  return settled_.load(std::memory_order_relaxed) + changes_.size() - 1;
}

uint64_t Registry::new_change() {
  changes_.push_back({log_base_ + log_.size()});
  return last_change();
}

void Registry::mark_durable(uint64_t change) {
  const uint64_t first = settled_.load(std::memory_order_relaxed);
  ND_CHECK(change >= first && change - first < changes_.size(), "change {} of {}+{}", change, first,
           changes_.size());
  changes_[change - first].durable = true;
}

bool Registry::settle() {
  const uint64_t adopted = adopted_by_all();
  const uint64_t before = settled_.load(std::memory_order_relaxed);
  uint64_t settled = before;
  while (!changes_.empty() && changes_.front().durable && changes_.front().log_end <= adopted) {
    changes_.pop_front();
    ++settled;
  }
  settled_.store(settled);
  return settled != before;
}

void Registry::log(LogEntry::What what, uint32_t slot) {
  log_.push_back({what, slot});
  log_end_.store(log_base_ + log_.size(), std::memory_order_release);
}

void Registry::apply(View& view) {
  for (uint64_t at = view.adopted_; at < log_base_ + log_.size(); ++at) {
    const LogEntry& change = log_[at - log_base_];
    Entry& e = entries_[change.slot];
    if (change.what == LogEntry::What::kAdd) view.cells_.emplace(e.name, &e.cell);
    if (change.what == LogEntry::What::kRemove) view.cells_.erase(e.name);
  }
  view.adopted_ = log_base_ + log_.size();
}

uint64_t Registry::adopted_by_all() const {
  uint64_t adopted = log_base_ + log_.size();
  for (const View* view : views_) adopted = std::min(adopted, view->announced_);
  return adopted;
}

// A retired slot is free once every loop has ended a tick that began after its tombstone was
// durable: no loop has its cell, and no held reply points at it.
void Registry::trim_log() {
  const uint64_t adopted = adopted_by_all();
  for (; log_base_ < adopted; ++log_base_) {
    const LogEntry change = log_.front();
    log_.pop_front();
    if (change.what != LogEntry::What::kRetire) continue;
    entries_[change.slot].state = State::kFree;
    store_.give_slot(change.slot);
  }
}

}  // namespace number_dispenser
