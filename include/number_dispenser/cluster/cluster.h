// One node of a cluster: it joins etcd, follows the definitions there, leases segments of ordinals
// before they run out, and proves again and again that it is the only process with its node id.
//
// A state machine without threads and without blocking: the first loop calls tick() after each of
// its own ticks, and everything happens in it. Any thread may propose(), and read what is marked
// so. Between ticks nothing changes but what other threads have proposed.
//
// Keys in etcd, below the prefix (records.h has the values):
//   def/<name>    a definition; the revision that created it is its generation
//   alloc/<name>  how many of its ordinals are leased; only ever goes up, by compare-and-swap
//   imported/<file>/<name>  of an import from this state file, which is made once
//   changes       put with every change of a definition, so that a watch that hangs is seen
//   node/<id>     the mark and the epoch of the process that serves with this id
//   alive/<id>    is there while that process is in touch
#pragma once

#include <absl/container/flat_hash_map.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "number_dispenser/base/clock.h"
#include "number_dispenser/base/cluster_settings.h"
#include "number_dispenser/base/error.h"
#include "number_dispenser/base/random.h"
#include "number_dispenser/cluster/proposal.h"
#include "number_dispenser/dispenser/registry.h"
#include "number_dispenser/etcd/client.h"
#include "number_dispenser/state/state_file.h"

namespace number_dispenser {

struct CounterRecord;
struct DefinitionRecord;

// What INFO cluster shows.
struct ClusterStatus {
  std::string node_id;
  std::string state;  // joining, connected, away, failed
  uint64_t cluster_id = 0;
  uint64_t epoch = 0;
  uint64_t segments_leased = 0;
  uint64_t ordinals_leased = 0;
  uint64_t ordinals_dropped = 0;  // of leases that could not be trusted at the start
  uint64_t ordinals_lost = 0;     // leased, but too late: issued by nobody
  uint64_t conflicts = 0;         // another node was faster
  uint64_t away_s = 0;            // since etcd last answered
  uint64_t etcd_requests = 0;     // that were answered, or not
  uint64_t etcd_failures = 0;     // of those
  std::string last_failure;
  // How many changes of definitions were followed within so many milliseconds.
  static constexpr std::array<uint64_t, 8> kFollowMs{1, 5, 10, 20, 50, 100, 500, UINT64_MAX};
  std::array<uint64_t, kFollowMs.size()> followed{};
};

class Cluster {
 public:
  // `view`: the first loop's. `place`: Storage::place(). `host`: for people who look for the node.
  Cluster(const ClusterSettings& settings, etcd::Client& client, Registry& registry,
          Registry::View& view, StateFile& state, uint64_t place, std::string host,
          const Clock& clock, RandomSource& random);

  // True if requests that wait may go on.
  bool tick();
  // When tick() is to be called next though nothing has happened.
  uint64_t deadline_ns() const { return wake_ns_; }
  // The last thing: says that this process is gone, so that another need not wait. left(): said, or
  // given up. From then on tick() only takes answers: nothing new is leased, marked or kept alive,
  // so that after left() whatever is to be flushed comes to an end.
  void leave();
  bool left() const { return left_; }
  // Why this process must not go on, once.
  const std::optional<Error>& failure() const { return failure_; }

  // Any thread. The answer is there when done() is; then there is news (tick()).
  std::shared_ptr<const Proposal> propose(Proposal proposal);
  // Any thread: a segment that is missing is on its way; or etcd is there, but refuses.
  bool leases() const { return connected_.load() && !refused_.load(); }
  bool is_refused() const { return refused_.load(); }
  // Any thread: the node has joined, now or before.
  bool joined() const { return joined_.load(); }
  // Any thread: there is a failure().
  bool has_failed() const { return failed_.load(); }
  ClusterStatus status() const;

 private:
  enum class Step {
    kContact,  // who had the id, and may its leases be kept
    kDrop,
    kMark,
    kClaim,
    kList,
    kImport,
    kServe,
    kFailed,
  };

  // A definition as etcd has it, and its allocation counter as last seen.
  struct Known {
    etcd::Revision generation = 0;
    etcd::Revision modified = 0;
    etcd::Revision alloc_modified = 0;  // 0: not seen
    uint64_t alloc_next = 0;
    bool has_first = false;  // the segment that came with it is here, or lost
  };

  struct Grant {
    Registry::Wish wish;
    uint64_t too_many = kNoLimit;    // so many consecutive ordinals cannot be leased any more
    Segment asked{};                 // what the latest attempt wanted; empty: only to read
    etcd::Revision asked_after = 0;  // the counter's revision that it compared with
    bool doubtful = false;           // an attempt was not answered, and may have been made:
    Segment in_doubt{};
    etcd::Revision in_doubt_after = 0;
    unsigned attempts = 0;
    uint64_t not_before_ns = 0;
  };

  // join.cc
  void join();
  void contact(const etcd::TxnResult& answer);
  void wait_for_other(std::string_view who);
  void drop();
  void mark();
  void claim();
  void claimed(const etcd::TxnResult& answer);
  void list_page();
  void list_anew();
  void take_page(const etcd::TxnResult& answer);
  void import_some();
  void imported(const etcd::TxnResult& answer);
  void remove_imported(const std::string& name, const etcd::KeyValue& brought);
  void serve();
  // reconcile.cc
  struct Newest {
    std::string name{};
    etcd::Revision generation = 0;  // 0: none is the cluster's
  };
  std::vector<std::string> local_names() const;
  Newest newest_generation() const;
  bool is_listed(const std::string& name) const;
  bool is_listed_older(const std::string& name) const;
  void reconcile();
  void compare_local(const std::string& name);
  void compare_counter(const std::string& name, const Registry::Info& info);
  void fail_for_left_counter(const std::string& name);
  void fail_for_counter(const std::string& name);
  void fail_for_generation(const std::string& name);
  void fail_for_revision(etcd::Revision before, etcd::Revision now);
  void fail_for_restored(std::string_view sign);
  void adopt_import(const std::string& name, const Known& known, uint64_t end);
  // follow.cc
  void watch();
  void on_watched(const etcd::Answer<etcd::Watched>& news);
  void follow(const etcd::Event& event);
  std::optional<uint64_t> place_definition(const std::string& name, const etcd::KeyValue& kv,
                                           const Lease& lease);
  static bool may_switch(const Registry::Info& info, StrategyId strategy);
  bool is_old(const std::string& name, etcd::Revision at) const;
  std::optional<uint64_t> remove_local(const std::string& name);
  void place_waiting();
  void note_followed(int64_t changed_us);
  // grants.cc
  void send_grants();
  std::optional<etcd::Txn> grant_txn(Grant& grant);
  void granted(std::vector<Grant> grants, const etcd::Answer<etcd::TxnResult>& answer);
  void settle_grant(Grant grant, const etcd::TxnResult& answer, etcd::Revision revision);
  bool is_unanswered_first(const Grant& grant, const etcd::KeyValue& kv,
                           const CounterRecord& counter);
  void note_counter(const Registry::Wish& wish, etcd::Revision modified, uint64_t next);
  void look_back(Grant grant, const etcd::KeyValue& kv, bool is_latest);
  void look_again(Grant grant);
  void give(Grant& grant, Segment segment);
  void note_leased(Segment segment);
  void note_lost(Segment segment);
  void again(Grant grant, uint64_t wait_ns);
  // heartbeat.cc
  void heartbeat();
  void on_heartbeat(const etcd::Answer<etcd::TxnResult>& answer, etcd::Revision compared,
                    uint64_t moved);
  void end_move();
  // The node's key is to get another revision soon.
  void want_fence();
  void pass_fence(etcd::Revision node);
  // The key, where it is not what was compared with. Afterwards this process may have failed.
  void note_node(const std::vector<etcd::KeyValue>& node, etcd::Revision compared);
  void keep_alive();
  void revive();
  void move_mark();
  // proposals.cc
  struct Running;
  using RunningPtr = std::shared_ptr<Running>;
  void take_proposals();
  void begin(RunningPtr running);
  void attempt(const RunningPtr& running);
  void attempt_anew(const RunningPtr& running);
  void create(const RunningPtr& running);
  void created(const RunningPtr& running, const etcd::TxnResult& answer, Segment first);
  bool was_overtaken(const RunningPtr& running, etcd::Revision at);
  bool is_own_first(const etcd::KeyValue& kv, const CounterRecord& counter) const;
  void take_first(const Running& running);
  void look_up(const RunningPtr& running);
  void refuse(const RunningPtr& running, const etcd::TxnResult& answer);
  void found(const RunningPtr& running, const etcd::TxnResult& answer);
  void change_strategy(const RunningPtr& running, const etcd::KeyValue& kv,
                       DefinitionRecord record);
  void erase(const RunningPtr& running);
  void erased(const RunningPtr& running, const etcd::TxnResult& answer);
  void place(RunningPtr running);
  void place_again();
  void ask_for(RunningPtr running, etcd::Txn txn, std::function<void(const etcd::TxnResult&)> then);
  void finish(Running& running, Proposal::Outcome outcome, std::string text = {});
  // cluster.cc
  template <class Then>
  void ask(etcd::Txn txn, Then then);
  // `then` is told in any case; this process may have failed by then.
  void transact(etcd::Txn txn, etcd::Callback<etcd::TxnResult> then);
  // Null: it was answered with what was asked. Afterwards this process may have failed.
  void note_answer(const etcd::Failure* failure);
  void note_connected();
  bool is_other_etcd() const;
  void fail_for_other_etcd();
  uint64_t backoff_ns();
  void try_again(const etcd::Failure& failure);
  void retry_later();
  void wake_at(uint64_t time_ns);
  void log_away() const;
  // Issues nothing any more.
  void fail_for_good(ExitStatus status, std::string message);
  uint64_t jitter_ns(uint64_t most_ns) { return random_.below(most_ns) + 1; }
  uint64_t random_mark();
  std::string key(std::string_view kind, std::string_view name) const;
  std::string changes_key() const { return settings_.prefix + "/changes"; }

  const ClusterSettings settings_;
  etcd::Client& client_;
  Registry& registry_;
  Registry::View& view_;
  StateFile& state_;
  const ClusterStamp opened_;  // as the last run left it
  const uint64_t place_;
  const std::string host_;
  const Clock& clock_;
  RandomSource& random_;

  Step step_ = Step::kContact;
  bool asking_ = false;    // the step waits for an answer
  uint64_t change_ = 0;    // or for this change to settle; 0: for none
  uint64_t retry_ns_ = 0;  // not before
  unsigned failures_ = 0;  // in a row
  uint64_t now_ns_ = 0;    // of this tick
  uint64_t wake_ns_ = 0;
  uint64_t idle_ns_ = 0;  // when the join waited for this node's own disk, and asked nothing
  bool news_ = false;
  std::optional<Error> failure_;
  bool leaving_ = false;
  bool left_ = false;

  // The join.
  bool keep_ = false;           // the leases in the file are good
  unsigned looks_ = 0;          // whether another process has vanished
  uint64_t previous_mark_ = 0;  // that this file had, where etcd has it; 0: it never had any
  uint32_t run_ = 0;            // random, of this one: what it leases bears it
  uint32_t epoch_ = 0;          // for people: claims of this node id so far
  etcd::Revision node_revision_ = 0;
  etcd::Revision newest_ = 0;  // that etcd is known to have had
  int64_t alive_lease_ = 0;
  etcd::Revision listed_ = 0;   // the revision that is being listed; 0: the first page is to come
  bool listing_alloc_ = false;  // definitions come first
  std::string list_from_;
  struct Listed {
    etcd::KeyValue definition;
    etcd::KeyValue alloc;
  };
  std::map<std::string, Listed> listing_;  // in an order, so that a simulation repeats itself
  std::deque<std::string> imports_;
  std::vector<std::pair<std::string, uint64_t>> importing_;  // and the end of the first segment
  uint64_t say_ns_ = 0;                                      // when a failure is said again

  // Serving.
  absl::flat_hash_map<std::string, Known> known_;
  absl::flat_hash_map<std::string, etcd::Revision> gone_;  // deleted by us, ahead of the watch
  struct Waiting {
    etcd::KeyValue kv;
    Lease lease;
  };
  std::map<std::string, Waiting> waiting_;  // for room in the state file
  etcd::Revision watched_ = 0;              // everything up to it is followed
  bool watching_ = false;
  uint64_t watch_at_ns_ = 0;
  uint64_t watch_began_ns_ = 0;
  uint64_t placing_since_ns_ = 0;
  uint64_t place_at_ns_ = 0;  // when those that wait for room are tried again
  unsigned watch_failures_ = 0;
  etcd::Revision changes_before_ = 0;  // the latest change of a definition, at the last heartbeat

  std::deque<Grant> grants_;  // to be sent
  unsigned grants_in_flight_ = 0;

  uint64_t heartbeat_ns_ = 0;
  bool heartbeat_in_flight_ = false;
  bool keeping_alive_ = false;
  enum class Move { kNone, kFlushing, kFlushed } move_ = Move::kNone;
  uint64_t move_change_ = 0;
  uint64_t moved_ns_ = 0;     // when the mark in the file was durable
  bool moved_twice_ = false;  // and etcd has neither
  uint64_t flushes_marked_ = 0;
  bool fence_wanted_ = false;
  etcd::Revision in_doubt_ = 0;        // of the key, that an HSET compared with and may be made yet
  bool put_refused_ = false;           // of the mark, by the latest heartbeat
  std::atomic<uint64_t> answered_ns_;  // when etcd last answered

  std::mutex mutex_;  // of what other threads bring
  std::vector<std::shared_ptr<Proposal>> proposed_;
  std::atomic<bool> has_proposals_{false};
  std::vector<RunningPtr> placing_;  // wait for room
  std::vector<RunningPtr> early_;    // wait for the node to join, or for their next attempt

  std::atomic<bool> connected_{true};  // etcd has answered lately, or this run is young
  std::atomic<bool> refused_{false};   // it did not want to lease, lately
  std::atomic<bool> joined_{false};
  std::atomic<bool> failed_{false};
  mutable std::mutex status_mutex_;
  ClusterStatus status_;
};

}  // namespace number_dispenser
