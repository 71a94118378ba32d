// Every dispenser: definitions, bounds and who may see them. It decides what must become durable
// and when a number or a definition is; it does no I/O itself.
//
// Threads: loops call everything but the keeper's part, each with its own View. One loop, the
// keeper, also calls begin_flush, end_flush and sweep. A mutex guards the definitions and the
// books; a GET takes it only to ask for a raise.
//
// In a cluster the registry issues only what this node has leased: a cell's limit is the end of the
// segment in use, and a loop that finds it reached asks refill(). What is missing becomes a wish,
// which the cluster (on the keeper's loop) takes to etcd and answers with a segment.
//
// Life of a change (HSET, DEL): written to the store at once; durable after one flush (DEL, a
// switch of strategy) or two (a creation: PENDING, then LIVE); settled when it is durable and every
// loop has adopted it. Its reply waits for `settled() > change`, as a GET's waits for
// `durable_bound > ordinal`.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "number_dispenser/base/clock.h"
#include "number_dispenser/dispenser/bound.h"
#include "number_dispenser/dispenser/cell.h"
#include "number_dispenser/dispenser/kind.h"
#include "number_dispenser/dispenser/store.h"

namespace number_dispenser {

class Registry {
 public:
  // The names one loop knows. Used by that loop alone.
  class View {
   public:
    // Null where there is no such dispenser. The cell is good until the loop's next adopt().
    Cell* find(std::string_view name) const {
      const auto found = cells_.find(name);
      return found == cells_.end() ? nullptr : found->second;
    }

   private:
    friend class Registry;
    absl::flat_hash_map<std::string_view, Cell*> cells_;
    uint64_t adopted_ = 0;    // log entries applied
    uint64_t at_tick_ = 0;    // of those, before this tick looked at its held replies
    uint64_t announced_ = 0;  // of those, known to the registry (under its mutex)
    uint64_t logged_ = 0;     // where the log ended when this loop last defined or deleted
  };

  enum class Mode { kAlone, kClustered };

  // Takes over the store's tenants. The store outlives the registry. Clustered: nothing that needs
  // a lease is issued until resume_leases().
  Registry(Store& store, const Clock& clock, Mode mode = Mode::kAlone);

  // Before any loop runs.
  std::unique_ptr<View> make_view();

  enum class Outcome {
    kDone,      // created, switched, deleted, or the same definition again: settled with `change`
    kDiffers,   // exists with another definition; nothing changed
    kNotFound,  // nothing changed
    kNoRoom,    // the store must grow first; nothing changed: try again
    kRefused,   // the store cannot grow; nothing changed
  };
  struct Change {
    Outcome outcome;
    uint64_t change = 0;
  };
  // Creates a dispenser, or switches its strategy where only that differs. `strategy`: the default
  // for a new dispenser, and no change for an old one, where absent. `lease`: of a new one, in a
  // cluster. The caller's view knows it at once.
  Change define(View& view, std::string_view name, const Definition& definition,
                std::optional<StrategyId> strategy, const Lease& lease = {});
  Change switch_strategy(std::string_view name, StrategyId strategy);
  Change remove(View& view, std::string_view name);

  struct Info {
    Definition definition;
    StrategyId strategy;
    uint64_t next;    // ordinal
    uint64_t wasted;  // ordinals
    Lease lease;
    uint64_t segment_begin;  // where the segment in use began, or this run
    uint64_t lease_age_ns;   // since the latest segment came, or this run began

    // Ordinals that were this node's, and that it has moved past.
    uint64_t passed() const { return next - lease.skipped; }
    uint64_t generated() const { return passed() - wasted; }
    uint64_t left() const { return lease.end - std::min(next, lease.end) + lease.next.size(); }
  };
  std::optional<Info> info(std::string_view name) const;
  size_t size() const;

  // Names to `take`, in the order of their slots from `first` on, at most `count` of them. Returns
  // the slot to go on with, 0 at the end. The name is good during the call.
  template <class Take>
  uint64_t list(uint64_t first, uint64_t count, Take take) const {
    const std::lock_guard lock(mutex_);
    for (uint64_t slot = first; slot < entries_.size(); ++slot) {
      const Entry& e = entries_[slot];
      if (e.state != State::kLive && e.state != State::kCreating) continue;
      if (count-- == 0) return slot;
      take(e.name);
    }
    return 0;
  }
  // Every slot is below it.
  uint64_t slots() const;
  // What one takes: in the file, the live counter, and here.
  static const size_t kBytesPerDispenser;

  // A flush for its own sake; it has ended when the change is settled.
  uint64_t request_flush();
  int64_t last_flush_unix_s() const { return last_flush_unix_s_.load(std::memory_order_relaxed); }

  // Changes below it are settled.
  const std::atomic<uint64_t>& settled() const { return settled_; }

  // A loop that has drawn an ordinal at or past `raise_at` or `durable_bound`.
  void want_raise(Cell& cell);

  // A loop whose draw of `count` has failed.
  enum class Supply {
    kReady,      // draw again
    kComing,     // when a segment has come, that is when progress is announced: draw again
    kExhausted,  // there is no such ordinal any more, for nobody
    kBroken,     // only `left` consecutive ones are left of this segment, and the next is elsewhere
    kTooMany,    // so many consecutive ones are left nowhere, though others are
  };
  struct Refill {
    Supply supply = Supply::kExhausted;
    uint64_t left = 0;
  };
  Refill refill(Cell& cell, uint64_t count);
  // A loop that is to draw `count` times: so many are not here, but more are on their way, so that
  // it should wait. Never where this server serves alone.
  bool is_short(Cell& cell, uint64_t count);
  bool is_clustered() const { return mode_ == Mode::kClustered; }

  // In every tick, before held replies are looked at: learn what other loops have defined. True if
  // there was something: then every held reply has to be looked at.
  bool adopt(View& view);
  // At the end of a tick, after held replies have been looked at: true if changes settled, so that
  // other loops' held replies may now leave.
  bool announce(View& view);
  // Grows with every change that loops have to adopt.
  uint64_t log_end() const { return log_end_.load(std::memory_order_acquire); }
  // Grows with every change that this view's loop has made and others have to adopt.
  static uint64_t logged(const View& view) { return view.logged_; }
  // The same for what the keeper has retired; the keeper's loop.
  uint64_t retired() const { return retired_; }

  // --- the keeper ---

  // Writes every bound and definition that must move; true if a flush must start. None may be in
  // flight.
  bool begin_flush();
  // The flush that followed begin_flush() has ended well. After one that failed nothing may be
  // called but stop_issuing().
  void end_flush();
  // There is something for begin_flush(). Sequentially consistent, as the loops' announcements of
  // it are: whoever finds its work announced already knows that the keeper, which takes the
  // announcement back first, looks here after that.
  bool has_work() const { return has_work_.load(); }
  // Wakes the keeper's loop at the end of the caller's tick. Any loop.
  void call_keeper() { has_work_.store(true); }
  // Looks for idle dispensers whose bound goes back; to be called every kSweepMs while sweeping()
  // is true.
  static constexpr uint64_t kSweepMs = 500;
  void sweep();
  bool sweeping() const { return sweeping_.load(std::memory_order_relaxed); }

  // --- the cluster, on the keeper's loop ---

  // A segment that is wanted, of a dispenser that has no other on its way.
  struct Wish {
    uint32_t slot = 0;
    uint64_t generation = 0;
    std::string name{};
    uint64_t at_least = 1;  // ordinals
    bool is_waited_for = false;
    uint64_t last = 0;  // size of the latest segment; 0: none yet
    Usage usage{};      // since that came
    uint64_t capacity = kNoLimit;
    uint64_t leased_end = 0;  // where what is leased ends
    uint64_t left = 0;        // before that, consecutive
  };
  std::vector<Wish> take_wishes();
  bool has_wishes() const { return has_wishes_.load(); }
  // What came of a wish; forgotten where the dispenser is gone. Nothing: it may be wished for
  // again. An empty segment: the whole range is leased. `too_many`: so many consecutive ordinals
  // cannot be leased any more. False: the segment is lost, since others came before it.
  bool answer_wish(uint32_t slot, uint64_t generation, std::optional<Segment> segment,
                   uint64_t too_many = kNoLimit);
  // The same for one that was not wished for: a lease of the run before that it had not written.
  bool add_segment(std::string_view name, uint64_t generation, Segment segment);
  // Leases that recovery found are good: go on with them.
  void resume_leases();
  // They are not: what is left of them is wasted. A flush, as request_flush() is.
  uint64_t drop_leases();
  // A dispenser that this server defined when it was alone becomes the cluster's.
  void give_lease(std::string_view name, const Lease& lease);

  // Numbers of such a dispenser have to be leased.
  static bool is_leased(const Definition& definition, StrategyId strategy) {
    return definition.kind != Kind::kRandom && strategy_of(strategy).durable;
  }
  // What is leased, and how long that lasts; looks at every dispenser.
  struct Outlook {
    uint64_t dispensers = 0;  // that have something leased
    uint64_t ordinals = 0;    // that they have left
    // Of those in use, the one to run out first; empty: none is, or none for a second yet, and a
    // use over a shorter time says nothing.
    std::string first;
    uint64_t lasts_ns = 0;  // at its present rate
  };
  Outlook outlook() const;
  // Flushes that have ended; the keeper's loop.
  uint64_t flushes() const { return flushes_; }

  // While true, a definition that finds no room is refused instead of waiting for growth.
  void refuse_new(bool refuse) { refuse_new_.store(refuse, std::memory_order_release); }

  // No number and no definition is given out from now on: durability can no longer be promised.
  void stop_issuing() { issuing_.store(false, std::memory_order_release); }
  bool issuing() const { return issuing_.load(std::memory_order_acquire); }

  // The last call, with no loop running and no flush in flight: writes every exact position, so
  // that a flush makes the stop a clean one.
  void close();

 private:
  enum class State : uint8_t { kFree, kCreating, kLive, kDropped };

  struct Entry {
    Cell cell;
    std::string_view name;
    BoundRecord written;    // in the store; durable up to `durable`
    uint64_t durable = 0;   // bound
    StrategyId strategy{};  // wanted; written.strategy follows at the next flush
    State state = State::kFree;
    bool exact = false;    // write the exact position next (retraction)
    bool open = false;     // in open_
    bool created = false;  // the creation is settled
    uint8_t idle_sweeps = 0;
    uint64_t seen_next = 0;  // at the last sweep
    uint64_t written_ns = 0;
    uint64_t create_change = 0;
    Definition definition;

    Lease lease;  // written.lease follows at the next flush
    // kQueued: in wishes_. kTaken: with the cluster, which answers it.
    enum class Wishing : uint8_t { kNo, kQueued, kTaken } wishing = Wishing::kNo;
    bool range_over = false;       // nothing is left to be leased
    uint64_t at_least = 0;         // ordinals that a loop waits for
    uint64_t too_many = kNoLimit;  // consecutive ones, to be leased
    uint64_t segment_begin = 0;
    uint64_t leased = 0;       // size of the latest segment
    uint64_t leased_ns = 0;    // when it came
    uint64_t passed_then = 0;  // ordinals moved past at that time
    // The same of an earlier one that was in use for a second or more; of this one, if none was.
    uint64_t before_ns = 0;
    uint64_t passed_before = 0;
  };

  struct LogEntry {
    enum class What : uint8_t { kAdd, kRemove, kRetire } what;
    uint32_t slot;
  };

  struct OpenChange {
    uint64_t log_end;  // loops must have adopted so much
    bool durable = false;
  };

  struct SlotChange {
    uint32_t slot;
    uint64_t change;
  };

  // What waits for a flush, by the step that the flush completes.
  struct Batch {
    std::vector<uint32_t> raised;
    std::vector<uint32_t> pending;  // definitions written as PENDING
    std::vector<uint32_t> live;     // definitions written as LIVE
    std::vector<SlotChange> dropped;
    std::vector<SlotChange> switched;
    std::vector<uint64_t> requested;  // changes that are nothing but a flush
    bool empty() const {
      return raised.empty() && pending.empty() && live.empty() && dropped.empty() &&
             switched.empty() && requested.empty();
    }
  };

  Entry& entry(uint32_t slot);
  static bool keeps_bound(const Entry& entry);
  bool needs_lease(const Entry& entry) const;
  static uint64_t passed(const Entry& entry, uint64_t next) { return next - entry.lease.skipped; }
  uint64_t end_of_supply(const Entry& entry) const;
  uint64_t wish_at(const Entry& entry) const;
  void set_limit(Entry& entry);
  void note_segment(Entry& entry, uint64_t size);
  void wish(Entry& entry, uint64_t at_least);
  bool begin_next(Entry& entry, uint64_t first);
  void write_lease(Entry& entry);
  bool add(Entry& entry, Segment segment);
  void fill_cell(uint32_t slot, const Definition& definition);
  void publish(Entry& entry);
  void mark_dirty(uint32_t slot);
  void move_bound(uint32_t slot, uint64_t now_ns);
  void retract(uint32_t slot, uint64_t now_ns);
  void write(uint32_t slot, uint64_t bound, uint64_t position, uint64_t now_ns);
  void open_window(uint32_t slot);
  Change switch_to(uint32_t slot, StrategyId strategy);
  uint64_t new_change();
  uint64_t last_change() const;
  void mark_durable(uint64_t change);
  bool settle();
  void log(LogEntry::What what, uint32_t slot);
  void apply(View& view);
  uint64_t adopted_by_all() const;
  void trim_log();

  Store& store_;
  const Clock& clock_;
  const Mode mode_;
  bool leases_good_ = false;  // those that recovery found
  std::vector<uint32_t> wishes_;
  std::atomic<bool> has_wishes_{false};

  mutable std::mutex mutex_;
  std::deque<Entry> entries_;  // by slot; never moves an element
  absl::flat_hash_map<std::string_view, uint32_t> names_;
  std::vector<View*> views_;

  std::vector<uint32_t> dirty_;
  std::vector<uint32_t> open_;  // bounds ahead of their position that go back when idle
  Batch next_batch_;            // written, or to be written at the next begin_flush
  Batch in_flight_;
  std::vector<uint32_t> pended_;  // PENDING is durable: LIVE comes next

  std::deque<OpenChange> changes_;  // from settled_ on
  std::deque<LogEntry> log_;        // from log_base_ on
  uint64_t log_base_ = 0;
  std::atomic<uint64_t> log_end_{0};
  uint64_t retired_ = 0;
  uint64_t flushes_ = 0;
  std::atomic<uint64_t> settled_{1};  // change 0 is none
  std::atomic<int64_t> last_flush_unix_s_{0};
  std::atomic<bool> has_work_{false};
  std::atomic<bool> sweeping_{false};  // something is in open_
  std::atomic<bool> issuing_{true};
  std::atomic<bool> refuse_new_{false};
};

}  // namespace number_dispenser
