#include "number_dispenser/dispenser/registry.h"

#include <algorithm>

#include "number_dispenser/base/check.h"

namespace number_dispenser {

Registry::Registry(Store& store, const Clock& clock, Mode mode)
    : store_(store), clock_(clock), mode_(mode) {
  last_flush_unix_s_.store(clock_.unix_us() / 1'000'000, std::memory_order_relaxed);
  for (const Store::Tenant& tenant : store_.tenants()) {
    Entry& e = entry(tenant.slot);
    e.name = tenant.name;
    e.written = tenant.record;
    e.durable = tenant.record.bound;
    e.strategy = tenant.record.strategy;
    e.state = State::kLive;
    e.created = true;
    e.written_ns = clock_.monotonic_ns();
    // A node's file is not served alone: whatever leases are here are not ours to keep.
    if (mode_ == Mode::kAlone) e.written.lease = {};
    e.lease = e.written.lease;
    fill_cell(tenant.slot, tenant.definition);
    e.cell.next->store(tenant.record.position);
    note_segment(e,
                 e.lease.end - std::min(e.lease.end, tenant.record.position) + e.lease.next.size());
    publish(e);
    const bool fresh = names_.emplace(e.name, tenant.slot).second;
    ND_CHECK(fresh, "two dispensers are called {}", e.name);
  }
}

std::unique_ptr<Registry::View> Registry::make_view() {
  auto view = std::make_unique<View>();
  const std::lock_guard lock(mutex_);
  view->cells_.reserve(names_.size());
  for (const auto& [name, slot] : names_) view->cells_.emplace(name, &entries_[slot].cell);
  view->adopted_ = view->announced_ = view->at_tick_ = log_base_ + log_.size();
  views_.push_back(view.get());
  return view;
}

Registry::Change Registry::define(View& view, std::string_view name, const Definition& definition,
                                  std::optional<StrategyId> strategy, const Lease& lease) {
  ND_CHECK(is_valid(definition), "kind {}", static_cast<int>(definition.kind));
  const std::lock_guard lock(mutex_);
  if (const auto found = names_.find(name); found != names_.end()) {
    if (entries_[found->second].definition != definition) return {Outcome::kDiffers};
    return switch_to(found->second, strategy.value_or(entries_[found->second].strategy));
  }
  const std::optional<uint32_t> slot = store_.take_slot();
  if (!slot) return {refuse_new_.load() ? Outcome::kRefused : Outcome::kNoRoom};

  Entry& e = entry(*slot);
  ND_CHECK(e.state == State::kFree, "slot {} is in use", *slot);
  e.strategy = strategy.value_or(kDefaultStrategy);
  e.written = {.strategy = e.strategy, .lease = lease};
  e.lease = lease;
  e.name = store_.write_pending(*slot, name, definition, e.written);
  e.durable = 0;
  e.state = State::kCreating;
  e.created = e.exact = e.open = false;
  e.written_ns = clock_.monotonic_ns();
  fill_cell(*slot, definition);
  e.wishing = Entry::Wishing::kNo;
  e.range_over = false;
  e.at_least = 0;
  e.too_many = kNoLimit;
  note_segment(e, lease.end);
  publish(e);
  if (needs_lease(e) && lease.end == 0) wish(e, 0);
  names_.emplace(e.name, *slot);
  log(LogEntry::What::kAdd, *slot);
  e.create_change = new_change();
  next_batch_.pending.push_back(*slot);
  has_work_.store(true);
  apply(view);
  view.logged_ = view.adopted_;
  return {Outcome::kDone, e.create_change};
}

Registry::Change Registry::switch_strategy(std::string_view name, StrategyId strategy) {
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(name);
  if (found == names_.end()) return {Outcome::kNotFound};
  return switch_to(found->second, strategy);
}

Registry::Change Registry::switch_to(uint32_t slot, StrategyId strategy) {
  Entry& e = entries_[slot];
  // Nothing new still answers only once whatever is under way for this name has settled.
  if (e.strategy == strategy) return {Outcome::kDone, last_change()};
  e.strategy = strategy;
  const uint64_t change = new_change();
  next_batch_.switched.push_back({slot, change});
  has_work_.store(true);
  return {Outcome::kDone, change};
}

Registry::Change Registry::remove(View& view, std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(name);
  // Another client's DEL of this name may still be on its way to the disk.
  if (found == names_.end()) return {Outcome::kNotFound, last_change()};
  const uint32_t slot = found->second;
  names_.erase(found);
  entries_[slot].state = State::kDropped;
  store_.write_tombstone(slot);
  log(LogEntry::What::kRemove, slot);
  const uint64_t change = new_change();
  next_batch_.dropped.push_back({slot, change});
  has_work_.store(true);
  apply(view);
  view.logged_ = view.adopted_;
  return {Outcome::kDone, change};
}

std::optional<Registry::Info> Registry::info(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(name);
  if (found == names_.end()) return std::nullopt;
  const Entry& e = entries_[found->second];
  return Info{e.definition,
              e.strategy,
              e.cell.next->load(),
              e.written.wasted,
              e.lease,
              e.segment_begin,
              clock_.monotonic_ns() - e.leased_ns};
}

size_t Registry::size() const {
  const std::lock_guard lock(mutex_);
  return names_.size();
}

const size_t Registry::kBytesPerDispenser =
    512 + 64 + sizeof(Entry) + 2 * sizeof(std::pair<std::string_view, void*>);

uint64_t Registry::slots() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

uint64_t Registry::request_flush() {
  const std::lock_guard lock(mutex_);
  const uint64_t change = new_change();
  next_batch_.requested.push_back(change);
  has_work_.store(true);
  return change;
}

void Registry::want_raise(Cell& cell) {
  if (cell.raise_wanted.exchange(true)) return;
  const std::lock_guard lock(mutex_);
  dirty_.push_back(cell.slot);
  has_work_.store(true);
}

bool Registry::adopt(View& view) {
  if (view.adopted_ != log_end_.load(std::memory_order_acquire)) {
    const std::lock_guard lock(mutex_);
    apply(view);
  }
  const bool news = view.at_tick_ != view.adopted_;
  view.at_tick_ = view.adopted_;
  return news;
}

bool Registry::announce(View& view) {
  // Not what the tick itself has defined meanwhile: a slot retired after the held replies were
  // looked at may still be pointed at by one of them.
  if (view.announced_ == view.at_tick_) return false;
  const std::lock_guard lock(mutex_);
  view.announced_ = view.at_tick_;
  trim_log();
  return settle();
}

bool Registry::begin_flush() {
  const std::lock_guard lock(mutex_);
  ND_CHECK(in_flight_.empty(), "a flush is in flight");
  has_work_.store(false);
  const uint64_t now_ns = clock_.monotonic_ns();
  const bool store_wrote = store_.before_flush();
  std::swap(in_flight_, next_batch_);
  for (const uint32_t slot : pended_) {
    if (entries_[slot].state == State::kDropped) continue;
    store_.write_live(slot);
    in_flight_.live.push_back(slot);
  }
  pended_.clear();
  for (const SlotChange& switched : in_flight_.switched) retract(switched.slot, now_ns);
  std::vector<uint32_t> dirty;
  std::swap(dirty, dirty_);
  for (const uint32_t slot : dirty) move_bound(slot, now_ns);
  return store_wrote || !in_flight_.empty();
}

void Registry::end_flush() {
  const std::lock_guard lock(mutex_);
  Batch done;
  std::swap(done, in_flight_);
  ++flushes_;
  last_flush_unix_s_.store(clock_.unix_us() / 1'000'000, std::memory_order_relaxed);
  for (const uint32_t slot : done.raised) {
    Entry& e = entries_[slot];
    e.durable = e.written.bound;
    publish(e);
  }
  for (const uint32_t slot : done.pending)
    if (entries_[slot].state == State::kCreating) pended_.push_back(slot);
  for (const uint32_t slot : done.live) {
    Entry& e = entries_[slot];
    if (e.state == State::kCreating) e.state = State::kLive;
    e.created = true;
    publish(e);
    mark_durable(e.create_change);
  }
  for (const SlotChange& switched : done.switched) mark_durable(switched.change);
  for (const uint64_t change : done.requested) mark_durable(change);
  for (const SlotChange& dropped : done.dropped) {
    Entry& e = entries_[dropped.slot];
    // A durable tombstone covers all of its numbers: replies still held may go.
    e.cell.durable_bound.store(kNoLimit);
    if (!e.created) mark_durable(e.create_change);
    mark_durable(dropped.change);
    log(LogEntry::What::kRetire, dropped.slot);
    ++retired_;
  }
  settle();
  if (!pended_.empty() || !dirty_.empty() || !next_batch_.empty()) has_work_.store(true);
}

void Registry::sweep() {
  constexpr uint8_t kIdleSweeps = 2;  // idle for 1.0 to 1.5 s, so that within 2 s the waste is 0
  const std::lock_guard lock(mutex_);
  const uint64_t now_ns = clock_.monotonic_ns();
  std::erase_if(open_, [&](uint32_t slot) {
    Entry& e = entries_[slot];
    const uint64_t next = e.cell.next->load();
    const bool random = e.cell.kind == Kind::kRandom;
    bool done = e.state == State::kDropped || e.state == State::kFree;
    if (!done && random) {
      done = e.exact = now_ns - e.written_ns >= kWindowNs;
    } else if (!done && next != std::exchange(e.seen_next, next)) {
      e.idle_sweeps = 0;
    } else if (!done) {
      done = e.exact = ++e.idle_sweeps >= kIdleSweeps;
    }
    if (done) e.open = false;
    if (e.exact) mark_dirty(slot);
    return done;
  });
  sweeping_.store(!open_.empty(), std::memory_order_relaxed);
}

void Registry::close() {
  const std::lock_guard lock(mutex_);
  const uint64_t now_ns = clock_.monotonic_ns();
  for (uint32_t slot = 0; slot < entries_.size(); ++slot) {
    Entry& e = entries_[slot];
    if (e.state != State::kLive || !strategy_of(e.strategy).durable) continue;
    const uint64_t next = e.cell.next->load();
    const BoundRecord exact{next, next, e.written.wasted, e.strategy, e.lease};
    if (exact != e.written) write(slot, next, next, now_ns);
  }
}

}  // namespace number_dispenser
