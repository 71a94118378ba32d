// How segments are leased: each wish of the registry moves its dispenser's counter in etcd, if the
// counter still is what this node has seen last.
#include <absl/container/flat_hash_set.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "number_dispenser/base/log.h"
#include "number_dispenser/cluster/cluster.h"
#include "records.h"
#include "segment_size.h"

namespace number_dispenser {
namespace {

constexpr size_t kGrantsAtOnce = 60;   // in one request
constexpr unsigned kMostInFlight = 4;  // requests
constexpr uint64_t kNsPerMs = 1'000'000;
constexpr uint64_t kLookNs = 100 * kNsPerMs;  // for a counter that is not there
constexpr unsigned kMostLooks = 50;
// The first segment of a dispenser that another node has defined is not wanted by all nodes at
// once.
constexpr uint64_t kFirstWishNs = 20 * kNsPerMs;

}  // namespace

void Cluster::send_grants() {
  if (registry_.has_wishes())
    for (Registry::Wish& wish : registry_.take_wishes()) {
      // Nobody waits for one that is defined just now.
      const bool waits = wish.last != 0 || wish.is_waited_for;
      grants_.push_back({.wish = std::move(wish),
                         .not_before_ns = waits ? 0 : now_ns_ + jitter_ns(kFirstWishNs)});
    }
  // Not before the heartbeat has seen that this is the etcd of before.
  if (!connected_.load()) return;
  uint64_t first_ns = UINT64_MAX;
  size_t left = grants_.size();
  while (left > 0 && grants_in_flight_ < kMostInFlight) {
    std::vector<Grant> batch;
    batch.reserve(kGrantsAtOnce);  // names look into it
    etcd::Txn all;
    absl::flat_hash_set<std::string_view> names;  // etcd takes a key once
    for (; left > 0 && batch.size() < kGrantsAtOnce; --left) {
      Grant grant = std::move(grants_.front());
      grants_.pop_front();
      if (grant.not_before_ns > now_ns_ || names.contains(grant.wish.name)) {
        first_ns = std::min(first_ns, std::max(grant.not_before_ns, now_ns_ + kNsPerMs));
        grants_.push_back(std::move(grant));
        continue;
      }
      auto txn = grant_txn(grant);
      if (!txn) continue;
      all.then.push_back(etcd::within(std::move(*txn)));
      batch.push_back(std::move(grant));
      names.insert(batch.back().wish.name);
    }
    if (batch.empty()) break;
    ++grants_in_flight_;
    transact(std::move(all), [this, batch](const etcd::Answer<etcd::TxnResult>& answer) mutable {
      --grants_in_flight_;
      granted(std::move(batch), answer);
    });
  }
  wake_at(first_ns);
}

// Nothing: there is nothing to be leased, and the wish is answered.
std::optional<etcd::Txn> Cluster::grant_txn(Grant& grant) {
  const auto found = known_.find(grant.wish.name);
  if (found == known_.end() ||
      static_cast<uint64_t>(found->second.generation) != grant.wish.generation) {
    registry_.answer_wish(grant.wish.slot, grant.wish.generation, std::nullopt);
    news_ = true;
    return std::nullopt;
  }
  const Known& known = found->second;
  const std::string counter_key = key("alloc", grant.wish.name);
  grant.asked = {};
  grant.asked_after = known.alloc_modified;
  // What is asked for while another attempt is in doubt is the very same: only one can be made.
  const bool has_moved = !grant.in_doubt.empty() && known.alloc_modified != grant.in_doubt_after;
  if (known.alloc_modified == 0 || grant.doubtful || has_moved)
    return etcd::Txn{.compares = {{counter_key, etcd::Compare::What::kModified, -1}},
                     .otherwise = {etcd::get(counter_key)}};
  const uint64_t size = segment_ordinals(grant.wish, known.alloc_next, settings_.segment_minutes);
  if (size == 0) {
    registry_.answer_wish(grant.wish.slot, grant.wish.generation, Segment{});
    news_ = true;
    return std::nullopt;
  }
  if (!can_be_met(grant.wish, known.alloc_next)) grant.too_many = grant.wish.at_least;
  grant.asked = {known.alloc_next, known.alloc_next + size};
  const CounterRecord counter{grant.asked.end, grant.asked.begin, settings_.node_id, run_};
  return etcd::Txn{
      .compares = {{counter_key, etcd::Compare::What::kModified, known.alloc_modified}},
      .then = {etcd::put(counter_key, counter.text())},
      .otherwise = {etcd::get(counter_key)}};
}

void Cluster::granted(std::vector<Grant> grants, const etcd::Answer<etcd::TxnResult>& answer) {
  if (step_ == Step::kFailed) return;
  const bool refused = !answer && answer.error().kind == etcd::Failure::Kind::kRefused;
  if (refused != refused_.exchange(refused)) {
    news_ = true;
    if (refused) log_warn("etcd refuses to lease segments: {}", answer.error().text);
  }
  for (size_t at = 0; at < grants.size(); ++at) {
    if (answer) {
      settle_grant(std::move(grants[at]), answer->results[at].txn[0], answer->revision);
      continue;
    }
    Grant& grant = grants[at];
    // One that was asked before and not answered stays in doubt until its counter was read.
    if (!grant.asked.empty() && answer.error().may_have_happened) {
      grant.in_doubt = grant.asked;
      grant.in_doubt_after = grant.asked_after;
      grant.doubtful = true;
    }
    again(std::move(grant), backoff_ns());
  }
}

void Cluster::settle_grant(Grant grant, const etcd::TxnResult& answer, etcd::Revision revision) {
  if (answer.held) {
    note_counter(grant.wish, revision, grant.asked.end);
    if (grant.asked.begin < grant.wish.leased_end) return fail_for_counter(grant.wish.name);
    return give(grant, grant.asked);
  }
  const auto& found = answer.results[0].found;
  const auto counter = found.empty() ? std::nullopt : CounterRecord::read(found[0].value);
  if (!counter || static_cast<uint64_t>(found[0].created) != grant.wish.generation)
    return look_again(std::move(grant));
  if (counter->next < grant.wish.leased_end) return fail_for_counter(grant.wish.name);
  note_counter(grant.wish, found[0].modified, counter->next);
  if (!grant.in_doubt.empty()) return look_back(std::move(grant), found[0], true);
  if (is_unanswered_first(grant, found[0], *counter)) return give(grant, {0, counter->next});
  if (!grant.asked.empty()) {
    const std::lock_guard lock(status_mutex_);
    ++status_.conflicts;
  }
  // At once the first time; then others are let go first.
  const unsigned tries = std::min(++grant.attempts, 6U);
  again(std::move(grant), tries < 2 ? 0 : jitter_ns((kNsPerMs << tries) / 2));
}

// The first segment, which came with a definition of this run's, of whose answer nothing was heard
// yet: now it is here.
bool Cluster::is_unanswered_first(const Grant& grant, const etcd::KeyValue& kv,
                                  const CounterRecord& counter) {
  const auto known = known_.find(grant.wish.name);
  return known != known_.end() &&
         static_cast<uint64_t>(known->second.generation) == grant.wish.generation &&
         grant.wish.leased_end == 0 && is_own_first(kv, counter) &&
         !std::exchange(known->second.has_first, true);
}

// There is no such counter: the dispenser was deleted, of which the watch will tell; or somebody
// has broken it.
void Cluster::look_again(Grant grant) {
  if (++grant.attempts < kMostLooks) return again(std::move(grant), kLookNs);
  log_error(
      "the counter of {} in etcd is missing, or is none: no more of it is issued. DEL it, then "
      "define "
      "it anew with a higher starting.",
      grant.wish.name);
  registry_.answer_wish(grant.wish.slot, grant.wish.generation, Segment{});
  news_ = true;
}

void Cluster::note_counter(const Registry::Wish& wish, etcd::Revision modified, uint64_t next) {
  const auto known = known_.find(wish.name);
  if (known == known_.end() || static_cast<uint64_t>(known->second.generation) != wish.generation)
    return;
  known->second.alloc_modified = modified;
  known->second.alloc_next = next;
}

// An attempt that was not answered was made, or not: the counter's history tells. `is_latest`: `kv`
// is the counter as it is now. While that has not moved, the attempt may still be on its way.
void Cluster::look_back(Grant grant, const etcd::KeyValue& kv, bool is_latest) {
  const auto counter = CounterRecord::read(kv.value);
  const bool is_ours = counter && counter->node == settings_.node_id && counter->run == run_ &&
                       counter->first == grant.in_doubt.begin &&
                       counter->next == grant.in_doubt.end;
  const bool is_before = kv.modified <= grant.in_doubt_after;
  if (is_ours || is_before || !counter) {
    grant.doubtful = false;
    if (is_ours) return give(grant, grant.in_doubt);
    if (!is_latest) grant.in_doubt = {};
    return again(std::move(grant), 0);
  }
  grant.doubtful = true;
  const std::string counter_key = key("alloc", grant.wish.name);
  transact({.then = {etcd::get(counter_key, kv.modified - 1)}},
           [this, grant](const etcd::Answer<etcd::TxnResult>& answer) mutable {
             if (step_ == Step::kFailed) return;
             if (!answer && answer.error().kind != etcd::Failure::Kind::kCompacted)
               return again(std::move(grant), backoff_ns());
             if (answer && !answer->results[0].found.empty())
               return look_back(std::move(grant), answer->results[0].found.front(), false);
             // Compacted or deleted: nobody issues it, if it was leased.
             note_lost(grant.in_doubt);
             grant.in_doubt = {};
             grant.doubtful = false;
             again(std::move(grant), backoff_ns());
           });
}

void Cluster::give(Grant& grant, Segment segment) {
  if (!registry_.answer_wish(grant.wish.slot, grant.wish.generation, segment, grant.too_many))
    note_lost(segment);
  note_leased(segment);
  news_ = true;
}

// Whichever way it came, once; nothing is leased of what needs no lease.
void Cluster::note_leased(Segment segment) {
  if (segment.empty()) return;
  const std::lock_guard lock(status_mutex_);
  ++status_.segments_leased;
  status_.ordinals_leased += segment.size();
}

// Leased, and issued by nobody.
void Cluster::note_lost(Segment segment) {
  const std::lock_guard lock(status_mutex_);
  status_.ordinals_lost += segment.size();
}

void Cluster::again(Grant grant, uint64_t wait_ns) {
  grant.not_before_ns = wait_ns == 0 ? 0 : now_ns_ + wait_ns;
  grants_.push_back(std::move(grant));
  wake_at(now_ns_ + wait_ns);
}

}  // namespace number_dispenser
