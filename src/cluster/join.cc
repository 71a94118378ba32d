// How a node joins: it finds out whether the leases in its file are its own still, takes its node
// id over, and learns what there is. In this order, so that nothing is ever issued twice:
//
//   contact   is the file's mark the one that etcd has, and has the run that wrote the file ended?
//   drop      if not, what its leases had left is wasted, durably;
//   mark      a new mark, durable in the file;
//   claim     the same mark into etcd, by comparing with what was read first; then the run's
//             number and a mark before this one into the file, which say that it had the id;
//   list      all definitions and counters, at one revision;
//   import    what this server had defined before it was a node.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "asking.h"
#include "number_dispenser/base/log.h"
#include "records.h"
#include "segment_size.h"

namespace number_dispenser {
namespace {

constexpr uint64_t kNsPerS = 1'000'000'000;
// For another process to vanish, one a second: looks, since time also passes while this process
// stands still.
constexpr unsigned kMostLooks = 30;
constexpr uint64_t kPlacingNs = 10 * kNsPerS;  // for the state file to grow
constexpr uint64_t kSettleNs = 2'000'000;      // how often to look whether a change has settled
constexpr int64_t kAliveS = 10;
constexpr int64_t kPage = 500;
constexpr size_t kImportsAtOnce = 40;

}  // namespace

void Cluster::join() {
  if (asking_) return;
  if (change_ != 0) {
    idle_ns_ = now_ns_;
    if (registry_.settled().load() <= change_) return wake_at(now_ns_ + kSettleNs);
    change_ = 0;
  }
  if (now_ns_ < retry_ns_) return wake_at(retry_ns_);
  switch (step_) {
    case Step::kContact:
      return ask({.then = {etcd::get(key("node", settings_.node_id)),
                           etcd::get(key("alive", settings_.node_id)), get_by_log(changes_key())}},
                 &Cluster::contact);
    case Step::kDrop:
      return drop();
    case Step::kMark:
      return mark();
    case Step::kClaim:
      return claim();
    case Step::kList:
      return list_page();
    case Step::kImport:
      return import_some();
    case Step::kServe:
    case Step::kFailed:
      return;
  }
}

void Cluster::contact(const etcd::TxnResult& answer) {
  // What this run has stamped since, with a claim that was lost, proves nothing.
  const ClusterStamp& stamp = opened_;
  const bool was_node = stamp.mark != 0;
  const auto& node = answer.results[0].found;
  const auto& alive = answer.results[1].found;
  const auto found = node.empty() ? std::nullopt : NodeRecord::read(node[0].value);
  if (!node.empty() && !found)
    log_warn("the key of node {} in etcd cannot be read: it proves nothing, and is written anew",
             settings_.node_id);
  const NodeRecord record = found.value_or(NodeRecord{});
  if (node.empty() && was_node && stamp.previous_mark != 0)
    return fail_for_good(
        ExitStatus::kConfiguration,
        fmt::format("etcd does not know node {}, which this data directory belongs to: etcd was "
                    "emptied or restored, so it may lease again what was issued. See "
                    "number-dispenser-cluster(7), \"Backup\".",
                    settings_.node_id));
  // An answer that is older than what is here is not asked whose leases these are.
  if (const Newest newest = newest_generation(); newest.generation > answer.revision)
    return fail_for_generation(newest.name);
  node_revision_ = node.empty() ? 0 : node[0].modified;
  // Without a key the mark before this file's first is still the latest: none.
  const bool is_clean = state_.last_end() == LastEnd::kClean;
  const bool is_fresh = was_node && (node.empty() || found) &&
                        (record.mark == stamp.mark || record.mark == stamp.previous_mark ||
                         (is_clean && record.mark == stamp.confirmed_mark));
  const bool in_place = stamp.place == place_;
  const bool has_ended = is_clean || in_place;
  // Live counters are of the last run on this machine, and nobody elsewhere takes over the leases
  // of a run that had the id and was killed: no mark is needed. Those of a run that never had it
  // say nothing of what happened before.
  const bool is_counted =
      was_node && in_place && stamp.run != 0 && state_.last_end() == LastEnd::kCounted;
  keep_ = is_counted || (is_fresh && has_ended);
  // Live counters and etcd's mark prove that it is our own last process; else it may be another.
  if (!(is_counted && is_fresh) && !alive.empty()) return wait_for_other(record.host);
  // A claim that is lost must not make the owner's mark one of this file's. 0 says that nobody with
  // this file ever had the id.
  const bool had_id = (was_node && stamp.previous_mark != 0) || state_.stamp().previous_mark != 0;
  previous_mark_ = keep_ && record.mark != 0 ? record.mark : had_id ? random_mark() : 0;
  epoch_ = record.epoch + 1;
  step_ = keep_ || !was_node ? Step::kMark : Step::kDrop;
  if (step_ == Step::kDrop)
    log_warn("{}, so what this node had leased is not issued any more",
             is_fresh ? "the data directory is not where its last run left it, and that may still "
                        "be running"
                      : "the data directory is older than the last run of this node");
}

void Cluster::wait_for_other(std::string_view who) {
  if (looks_ == 0)
    log_warn("node id {} is in use, on {}: waiting for it to be given up", settings_.node_id, who);
  if (++looks_ > kMostLooks)
    return fail_for_good(
        ExitStatus::kTemporary,
        fmt::format("node id {} is in use by another process, on {}: every node needs an id and a "
                    "data directory of its own",
                    settings_.node_id, who));
  refused_.store(true);  // clients need not wait so long
  news_ = true;
  retry_ns_ = now_ns_ + kNsPerS;
}

void Cluster::drop() {
  const Registry::Outlook outlook = registry_.outlook();
  {
    const std::lock_guard lock(status_mutex_);
    status_.ordinals_dropped += outlook.ordinals;
  }
  change_ = registry_.drop_leases();
  step_ = Step::kMark;
}

// Behind drop(), and both durable before the claim: with this mark in etcd old leases would be
// good.
void Cluster::mark() {
  run_ = static_cast<uint32_t>(random_.below(UINT32_MAX) + 1);
  state_.set_stamp(
      {client_.cluster_id(), random_mark(), previous_mark_, place_, 0, previous_mark_});
  change_ = registry_.request_flush();
  step_ = Step::kClaim;
}

void Cluster::claim() {
  asking_ = true;
  client_.grant_lease(kAliveS, [this](const etcd::Answer<int64_t>& lease) {
    asking_ = false;
    note_answer(lease ? nullptr : &lease.error());
    if (step_ == Step::kFailed) return;
    if (!lease) return try_again(lease.error());
    alive_lease_ = *lease;
    const NodeRecord record{state_.stamp().mark, epoch_, host_};
    ask({.compares = {{key("node", settings_.node_id), etcd::Compare::What::kModified,
                       node_revision_}},
         .then = {etcd::put(key("node", settings_.node_id), record.text()),
                  etcd::put(key("alive", settings_.node_id), host_, alive_lease_)},
         .otherwise = {etcd::get(key("node", settings_.node_id))}},
        &Cluster::claimed);
  });
}

void Cluster::claimed(const etcd::TxnResult& answer) {
  if (answer.held) {
    node_revision_ = answer.revision;
    ClusterStamp stamp = state_.stamp();
    stamp.run = run_;
    // Before anything is leased, so that no file with leases says that it never had the id.
    if (stamp.previous_mark == 0) stamp.previous_mark = stamp.mark;
    state_.set_stamp(stamp);
    change_ = registry_.request_flush();
    step_ = Step::kList;
    return;
  }
  const auto& node = answer.results[0].found;
  const auto record = node.empty() ? std::nullopt : NodeRecord::read(node[0].value);
  if (record && record->mark == state_.stamp().mark) {
    // An earlier try was made though it was not answered: once more, with this try's lease.
    node_revision_ = node[0].modified;
    return;
  }
  log_warn("another process has taken node id {} just now", settings_.node_id);
  step_ = Step::kContact;
  retry_later();
}

void Cluster::list_page() {
  const std::string_view kind = listing_alloc_ ? "alloc" : "def";
  const std::string all = key(kind, "");
  etcd::Op page{.kind = etcd::Op::Kind::kList,
                .key = list_from_.empty() ? all : list_from_,
                .end = etcd::after_prefix(all),
                .limit = kPage,
                .revision = listed_};
  ask({.then = {std::move(page)}}, &Cluster::take_page);
}

// The revision that was being listed is no longer kept: another.
void Cluster::list_anew() {
  listing_.clear();
  list_from_.clear();
  listed_ = 0;
  listing_alloc_ = false;
}

void Cluster::take_page(const etcd::TxnResult& answer) {
  if (listed_ == 0) listed_ = answer.revision;
  const size_t skipped = key(listing_alloc_ ? "alloc" : "def", "").size();
  for (const etcd::KeyValue& kv : answer.results[0].found) {
    Listed& listed = listing_[kv.key.substr(skipped)];
    (listing_alloc_ ? listed.alloc : listed.definition) = kv;
    list_from_ = kv.key + '\0';
  }
  if (answer.results[0].more) return;
  list_from_.clear();
  if (!std::exchange(listing_alloc_, true)) return;
  listing_alloc_ = false;
  reconcile();
}

// What this server issued while it was alone is behind its position; the cluster's first segment
// begins there.
void Cluster::import_some() {
  importing_.clear();
  etcd::Txn all;
  // Those that are not answered are asked for once more.
  for (const std::string& name : imports_) {
    if (importing_.size() == kImportsAtOnce) break;
    const auto info = registry_.info(name);
    if (!info) continue;
    CounterRecord counter{0, 0, settings_.node_id, run_};
    if (Registry::is_leased(info->definition, info->strategy)) {
      counter.first = info->next;
      counter.next = info->next + segment_ordinals({.capacity = capacity_of(info->definition)},
                                                   info->next, settings_.segment_minutes);
    }
    const DefinitionRecord record{info->definition, info->strategy, clock_.unix_us(),
                                  settings_.node_id, counter.first};
    // What this file brings, it brings once: if it is deleted in the cluster, it stays deleted.
    const std::string brought =
        key("imported", fmt::format("{:02x}/{}", fmt::join(state_.id(), ""), name));
    etcd::Txn one{
        .compares = {{key("def", name)},
                     {key("alloc", name)},
                     {brought},
                     {key("node", settings_.node_id), etcd::Compare::What::kModified,
                      node_revision_}},
        .then = {etcd::put(key("def", name), record.text()),
                 etcd::put(key("alloc", name), counter.text()), etcd::put(brought, record.text())},
        .otherwise = {etcd::get(brought), etcd::get(key("def", name))}};
    all.then.push_back(etcd::within(std::move(one)));
    importing_.emplace_back(name, counter.next);
  }
  if (importing_.empty()) {
    // What is not placed yet would be answered as if it did not exist.
    place_waiting();
    idle_ns_ = now_ns_;
    const bool waits = !waiting_.empty() && now_ns_ - placing_since_ns_ < kPlacingNs;
    if (waits && !joined_.load()) return;
    return serve();
  }
  all.then.push_back(etcd::put(changes_key(), ""));
  ask(std::move(all), &Cluster::imported);
}

void Cluster::imported(const etcd::TxnResult& answer) {
  while (imports_.front() != importing_.back().first) imports_.pop_front();
  imports_.pop_front();
  for (size_t at = 0; at < importing_.size(); ++at) {
    const auto& [name, end] = importing_[at];
    const etcd::TxnResult& one = answer.results[at].txn[0];
    if (one.held) {
      adopt_import(name, {answer.revision, answer.revision, answer.revision, end, true}, end);
      continue;
    }
    const auto& brought = one.results[0].found;
    if (!brought.empty() && one.results[1].found.empty()) {
      remove_imported(name, brought.front());
      if (step_ == Step::kFailed) return;
      continue;
    }
    // It is there since the list was made, or the id is another's. Look again.
    step_ = Step::kClaim;
  }
}

// It was imported from this file, and deleted since: by who did not know of a copy that has served
// alone again, or is older.
void Cluster::remove_imported(const std::string& name, const etcd::KeyValue& brought) {
  const auto info = registry_.info(name);
  const auto record = DefinitionRecord::read(brought.value);
  if (!info) return;
  const bool is_leased = Registry::is_leased(info->definition, info->strategy);
  if (record && record->definition == info->definition &&
      (!is_leased || info->next == record->import_next)) {
    log_warn(
        "dispenser {} was imported from this state file before, and deleted since: so here too",
        name);
    remove_local(name);
    return;
  }
  fail_for_good(
      ExitStatus::kConfiguration,
      fmt::format("dispenser {} was imported from this state file before and deleted since, but is "
                  "at another number here: delete {} in etcd to import it as it is",
                  name, brought.key));
}

void Cluster::serve() {
  step_ = Step::kServe;
  refused_.store(false);
  if (joined_.load()) return;  // a second look
  registry_.resume_leases();
  {
    const std::lock_guard lock(status_mutex_);
    status_.epoch = epoch_;
    status_.cluster_id = client_.cluster_id();
  }
  joined_.store(true);
  heartbeat_ns_ = now_ns_;
  flushes_marked_ = registry_.flushes();
  news_ = true;
  log_info("joined the cluster {:016x} as node {}, epoch {}: {} definitions", client_.cluster_id(),
           settings_.node_id, epoch_, known_.size());
}

}  // namespace number_dispenser
