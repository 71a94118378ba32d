// The registry's part for clusters: which ordinals this node has leased, and what it wishes for.
// Private functions are called under the mutex.
#include <algorithm>
#include <utility>

#include "number_dispenser/base/check.h"
#include "number_dispenser/dispenser/registry.h"

namespace number_dispenser {
namespace {

constexpr uint64_t kShortestUseNs = 1'000'000'000;  // that tells a rate

}  // namespace

bool Registry::needs_lease(const Entry& e) const {
  return mode_ == Mode::kClustered && is_leased(e.definition, e.strategy);
}

// No ordinal at or past it may be drawn now, or made durable.
uint64_t Registry::end_of_supply(const Entry& e) const {
  return needs_lease(e) ? e.lease.end : capacity_of(e.definition);
}

void Registry::set_limit(Entry& e) {
  const bool suspended = needs_lease(e) && !leases_good_;
  e.cell.limit.store(suspended ? 0 : end_of_supply(e));
}

// The ordinal whose draw is to wish for a segment: when half of the latest one is left.
uint64_t Registry::wish_at(const Entry& e) const {
  if (!needs_lease(e) || !leases_good_ || e.wishing != Entry::Wishing::kNo || e.range_over ||
      !e.lease.next.empty())
    return kNoLimit;
  return e.lease.end - std::min(e.leased / 2, e.lease.end);
}

// From here on the use of this segment is measured.
void Registry::note_segment(Entry& e, uint64_t size) {
  e.leased = size;
  e.leased_ns = e.before_ns = clock_.monotonic_ns();
  e.passed_then = e.passed_before = passed(e, e.cell.next->load());
  e.segment_begin = e.cell.next->load();
}

void Registry::wish(Entry& e, uint64_t at_least) {
  e.at_least = std::max(e.at_least, at_least);
  if (e.wishing != Entry::Wishing::kNo) return;
  e.wishing = Entry::Wishing::kQueued;
  wishes_.push_back(e.cell.slot);
  has_wishes_.store(true);
  has_work_.store(true);  // wakes the keeper's loop
}

// The present bound with the present lease: may be written at any time when no flush is in flight.
void Registry::write_lease(Entry& e) {
  e.written.lease = e.lease;
  store_.write_bound(e.cell.slot, e.written);
}

// Begins the next segment at once, although ordinals from `first` on are left of the present one;
// false if somebody has drawn since.
bool Registry::begin_next(Entry& e, uint64_t first) {
  // In this order (cell.h).
  uint64_t expected = first;
  // LCOV_EXCL_START: whether another loop draws just before this is up to the scheduler.
  if (!e.cell.next->compare_exchange_weak(expected, e.lease.next.begin)) return false;
  // LCOV_EXCL_STOP
  e.written.wasted += e.lease.end - first;
  e.lease.skipped += e.lease.next.begin - e.lease.end;
  e.lease.end = e.lease.next.end;
  e.segment_begin = e.lease.next.begin;
  e.lease.next = {};
  set_limit(e);
  mark_dirty(e.cell.slot);
  return true;
}

Registry::Refill Registry::refill(Cell& cell, uint64_t count) {
  if (mode_ == Mode::kAlone) return {Supply::kExhausted};
  const std::lock_guard lock(mutex_);
  Entry& e = entries_[cell.slot];
  const uint64_t first = cell.next->load();
  // Deleted: before it is tried again the loop has heard of that.
  if (e.state == State::kDropped || (needs_lease(e) && !leases_good_)) return {Supply::kComing};
  if (!needs_lease(e)) return {Supply::kExhausted};
  const uint64_t left = e.lease.end - std::min(first, e.lease.end);
  if (count <= left) return {Supply::kReady};
  if (count > capacity_of(e.definition) - first) return {Supply::kExhausted};
  if (e.lease.next.empty() && e.range_over)
    return {left == 0 ? Supply::kExhausted : Supply::kBroken, left};
  if (count >= e.too_many && count > e.lease.next.size()) return {Supply::kTooMany};
  if (e.lease.next.empty()) {
    wish(e, count);
    return {Supply::kComing};
  }
  // Skipping the rest of a segment wastes it, as far as the budget goes.
  const bool allowed =
      left <= budget_left(strategy_of(e.strategy), passed(e, first), e.written.wasted);
  const bool helps = count <= e.lease.next.size();
  if (left > 0 && !(allowed && helps)) return {Supply::kBroken, left};
  begin_next(e, first);
  return {Supply::kReady};
}

bool Registry::is_short(Cell& cell, uint64_t count) {
  if (mode_ == Mode::kAlone) return false;
  const std::lock_guard lock(mutex_);
  Entry& e = entries_[cell.slot];
  if (e.state == State::kDropped || (needs_lease(e) && !leases_good_)) return true;
  if (!needs_lease(e)) return false;
  const uint64_t left = e.lease.end - std::min(cell.next->load(), e.lease.end);
  // Only behind the latest segment does another one follow, up to the end of the range.
  const bool is_last =
      e.range_over || !e.lease.next.empty() || e.lease.end == capacity_of(e.definition);
  if (count <= left + e.lease.next.size() || is_last) return false;
  wish(e, count - left);
  return true;
}

std::vector<Registry::Wish> Registry::take_wishes() {
  const std::lock_guard lock(mutex_);
  std::vector<Wish> taken;
  has_wishes_.store(false);
  for (const uint32_t slot : std::exchange(wishes_, {})) {
    Entry& e = entries_[slot];
    const bool gone = e.state == State::kDropped || e.state == State::kFree;
    if (gone || e.wishing != Entry::Wishing::kQueued) continue;
    e.wishing = Entry::Wishing::kTaken;
    const uint64_t next = e.cell.next->load();
    const bool alone = e.lease.next.empty();
    Wish& wanted = taken.emplace_back();
    wanted.slot = slot;
    wanted.generation = e.lease.generation;
    wanted.name = e.name;
    wanted.at_least = std::max<uint64_t>(e.at_least, 1);
    wanted.is_waited_for = e.at_least > 0;
    wanted.last = e.leased;
    wanted.usage = {passed(e, next) - e.passed_then, clock_.monotonic_ns() - e.leased_ns};
    wanted.capacity = capacity_of(e.definition);
    wanted.leased_end = alone ? e.lease.end : e.lease.next.end;
    wanted.left = alone ? e.lease.end - std::min(next, e.lease.end) : e.lease.next.size();
  }
  return taken;
}

bool Registry::answer_wish(uint32_t slot, uint64_t generation, std::optional<Segment> segment,
                           uint64_t too_many) {
  const std::lock_guard lock(mutex_);
  Entry& e = entries_[slot];
  if (e.lease.generation != generation || e.state == State::kDropped || e.state == State::kFree)
    return true;
  e.wishing = Entry::Wishing::kNo;
  e.at_least = 0;
  e.too_many = std::min(e.too_many, too_many);
  if (segment && !segment->empty()) return add(e, *segment);
  e.range_over = segment.has_value();
  // Whoever draws next asks again.
  if (!e.range_over) e.cell.raise_at.store(0);
  return true;
}

bool Registry::add_segment(std::string_view name, uint64_t generation, Segment segment) {
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(name);
  return found != names_.end() && entries_[found->second].lease.generation == generation &&
         add(entries_[found->second], segment);
}

bool Registry::add(Entry& e, Segment segment) {
  uint64_t& last = e.lease.next.empty() ? e.lease.end : e.lease.next.end;
  // Behind what is leased already: it came late, and order forbids to go back.
  if (segment.begin < last || segment.end <= segment.begin ||
      segment.end > capacity_of(e.definition))
    return false;
  if (segment.begin == last)
    last = segment.end;
  else if (e.lease.next.empty())
    e.lease.next = segment;
  else
    return false;
  const uint64_t begun = e.segment_begin;
  const bool lasted = clock_.monotonic_ns() - e.leased_ns >= kShortestUseNs;
  const uint64_t before_ns = lasted ? e.leased_ns : e.before_ns;
  const uint64_t passed_before = lasted ? e.passed_then : e.passed_before;
  note_segment(e, segment.size());
  e.segment_begin = begun;
  e.before_ns = before_ns;
  e.passed_before = passed_before;
  set_limit(e);
  mark_dirty(e.cell.slot);
  return true;
}

void Registry::resume_leases() {
  const std::lock_guard lock(mutex_);
  leases_good_ = true;
  for (Entry& e : entries_) {
    if (e.state != State::kLive && e.state != State::kCreating) continue;
    set_limit(e);
    publish(e);
    if (needs_lease(e) && e.leased == 0) wish(e, 0);
  }
}

uint64_t Registry::drop_leases() {
  const std::lock_guard lock(mutex_);
  ND_CHECK(!leases_good_, "leases that are in use are dropped");
  for (Entry& e : entries_) {
    if (e.state != State::kLive || !needs_lease(e) || e.lease.generation == 0) continue;
    const uint64_t next = e.cell.next->load();
    e.written.wasted += e.lease.end - next + e.lease.next.size();
    if (!e.lease.next.empty()) {
      e.lease.skipped += e.lease.next.begin - e.lease.end;
      e.lease.end = e.lease.next.end;
      e.lease.next = {};
    }
    e.cell.next->store(e.lease.end);
    note_segment(e, 0);
    e.exact = true;
    mark_dirty(e.cell.slot);
  }
  const uint64_t change = new_change();
  next_batch_.requested.push_back(change);
  has_work_.store(true);
  return change;
}

void Registry::give_lease(std::string_view name, const Lease& lease) {
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(name);
  ND_CHECK(found != names_.end(), "no dispenser {}", name);
  Entry& e = entries_[found->second];
  e.lease = lease;
  note_segment(e, lease.end - std::min(lease.end, e.cell.next->load()));
  set_limit(e);
  e.exact = true;
  mark_dirty(found->second);
}

Registry::Outlook Registry::outlook() const {
  const std::lock_guard lock(mutex_);
  const uint64_t now_ns = clock_.monotonic_ns();
  Outlook all;
  for (const Entry& e : entries_) {
    if (e.state != State::kLive || !needs_lease(e) || e.lease.generation == 0) continue;
    const uint64_t next = e.cell.next->load();
    const uint64_t left = e.lease.end - std::min(next, e.lease.end) + e.lease.next.size();
    all.dispensers += left > 0 ? 1 : 0;
    all.ordinals += left;
    const bool is_new = now_ns - e.leased_ns < kShortestUseNs;
    const uint64_t elapsed_ns = now_ns - (is_new ? e.before_ns : e.leased_ns);
    const uint64_t used = passed(e, next) - (is_new ? e.passed_before : e.passed_then);
    if (elapsed_ns < kShortestUseNs || used == 0 || e.range_over) continue;
    const double ns = std::min(9e18, static_cast<double>(left) * static_cast<double>(elapsed_ns) /
                                         static_cast<double>(used));
    if (!all.first.empty() && ns >= static_cast<double>(all.lasts_ns)) continue;
    all.first = e.name;
    all.lasts_ns = static_cast<uint64_t>(ns);
  }
  return all;
}

}  // namespace number_dispenser
