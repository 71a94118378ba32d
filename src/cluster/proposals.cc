// How a change of definitions is decided: in etcd, by comparing; then it is made here, and the
// client is told when it is durable on this node too. The other nodes hear of it by their watch.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "number_dispenser/base/log.h"
#include "number_dispenser/cluster/cluster.h"
#include "records.h"
#include "segment_size.h"

namespace number_dispenser {
namespace {

constexpr uint64_t kPatienceNs = 3'000'000'000;  // with room, and with others who change the same
constexpr size_t kNamesAtOnce = 40;              // two operations each

}  // namespace

struct Cluster::Running {
  std::shared_ptr<Proposal> proposal;
  uint64_t give_up_ns = 0;
  uint64_t not_before_ns = 0;
  size_t erased = 0;               // names of a removal that are done with
  bool doubtful = false;           // an attempt may have been made, without a word of it
  bool unanswered = false;         // and one may come yet
  std::string refusal{};           // etcd's, after which it was looked up whether one was made
  etcd::Revision asked_after = 0;  // of the first attempt
  etcd::Revision compared = 0;     // the node's key, by the latest attempt to create
  etcd::KeyValue kv{};             // as etcd has the definition now
  Lease lease{};                   // that came with it
};

std::shared_ptr<const Proposal> Cluster::propose(Proposal proposal) {
  auto shared = std::make_shared<Proposal>(std::move(proposal));
  const std::lock_guard lock(mutex_);
  proposed_.push_back(shared);
  has_proposals_.store(true);
  return shared;
}

void Cluster::take_proposals() {
  place_again();
  for (RunningPtr& running : std::exchange(early_, {})) begin(std::move(running));
  if (!has_proposals_.load()) return;
  std::vector<std::shared_ptr<Proposal>> taken;
  {
    const std::lock_guard lock(mutex_);
    std::swap(taken, proposed_);
    has_proposals_.store(false);
  }
  for (auto& proposal : taken) {
    auto running = std::make_shared<Running>();
    running->proposal = std::move(proposal);
    running->give_up_ns = now_ns_ + kPatienceNs;
    begin(std::move(running));
  }
}

// While the node joins, for a while not at all. Nor while an earlier attempt to create may still be
// made: it could come when what this one makes was deleted again, and its numbers begin anew.
void Cluster::begin(RunningPtr running) {
  const bool is_fenced =
      running->proposal->what != Proposal::What::kDefine || node_revision_ > in_doubt_;
  if (now_ns_ < running->not_before_ns) {
    wake_at(running->not_before_ns);
    early_.push_back(std::move(running));
    return;
  }
  const bool serves = connected_.load() && joined_.load();
  if (serves && is_fenced) return attempt(running);
  const bool waits = (serves || !joined_.load()) && now_ns_ < running->give_up_ns;
  if (!waits || !(serves || leases())) return finish(*running, Proposal::Outcome::kAway);
  early_.push_back(std::move(running));
}

void Cluster::attempt(const RunningPtr& running) {
  switch (running->proposal->what) {
    case Proposal::What::kDefine:
      return create(running);
    case Proposal::What::kSwitch:
      return look_up(running);
    case Proposal::What::kRemove:
      return erase(running);
  }
}

void Cluster::ask_for(RunningPtr running, etcd::Txn txn,
                      std::function<void(const etcd::TxnResult&)> then) {
  if (running->asked_after == 0) running->asked_after = newest_;
  transact(std::move(txn), [this, running = std::move(running),
                            then = std::move(then)](const etcd::Answer<etcd::TxnResult>& answer) {
    if (step_ == Step::kFailed) return finish(*running, Proposal::Outcome::kUnknown);
    if (answer) return then(*answer);
    const etcd::Failure& failure = answer.error();
    const bool is_refused = failure.kind == etcd::Failure::Kind::kRefused;
    const bool may_come = failure.may_have_happened && !is_refused;
    running->doubtful = running->doubtful || failure.may_have_happened || running->erased > 0;
    running->unanswered = running->unanswered || may_come;
    if (may_come) in_doubt_ = std::max(in_doubt_, running->compared);
    // Also where nobody tries again: it must not come when a later one was deleted.
    if (node_revision_ <= in_doubt_) want_fence();
    const bool again = running->proposal->what != Proposal::What::kRemove;
    if (is_refused) {
      // Etcd may refuse to change what it lets be read: what an earlier attempt has made, or this.
      if (again && running->doubtful && running->refusal.empty()) {
        running->refusal = failure.text;
        return look_up(running);
      }
      return finish(*running, Proposal::Outcome::kRefused, failure.text);
    }
    // Creating, when an earlier attempt cannot come any more, or switching twice, says what is
    // there: an attempt that was not answered costs nothing but time.
    if (again && now_ns_ < running->give_up_ns) {
      running->not_before_ns = now_ns_ + backoff_ns();
      return begin(running);
    }
    finish(*running, Proposal::Outcome::kAway);
  });
}

// What was read is overtaken: once more, for a while.
void Cluster::attempt_anew(const RunningPtr& running) {
  if (now_ns_ < running->give_up_ns) return begin(running);
  finish(*running, Proposal::Outcome::kRefused, "others change it all the time");
}

// Only while the node's key is as it was: so each move of that ends the attempts before it.
void Cluster::create(const RunningPtr& running) {
  const Proposal& wanted = *running->proposal;
  const std::string& name = wanted.names.front();
  const StrategyId strategy = wanted.strategy.value_or(kDefaultStrategy);
  Segment first;
  if (Registry::is_leased(wanted.definition, strategy))
    first.end = segment_ordinals({.capacity = capacity_of(wanted.definition)}, 0,
                                 settings_.segment_minutes);
  const CounterRecord counter{first.end, 0, settings_.node_id, run_};
  const DefinitionRecord record{wanted.definition, strategy, clock_.unix_us()};
  const std::string node_key = key("node", settings_.node_id);
  running->compared = node_revision_;
  etcd::Txn txn{
      .compares = {{key("def", name)},
                   {key("alloc", name)},
                   {node_key, etcd::Compare::What::kModified, node_revision_}},
      .then = {etcd::put(key("def", name), record.text()),
               etcd::put(key("alloc", name), counter.text()), etcd::put(changes_key(), "")},
      .otherwise = {etcd::get(key("def", name)), etcd::get(key("alloc", name)),
                    etcd::get(changes_key()), etcd::get(node_key)}};
  ask_for(running, std::move(txn), [this, running, first](const etcd::TxnResult& answer) {
    if (answer.held) return created(running, answer, first);
    note_node(answer.results[3].found, running->compared);
    if (step_ == Step::kFailed) return finish(*running, Proposal::Outcome::kUnknown);
    found(running, answer);
  });
}

void Cluster::created(const RunningPtr& running, const etcd::TxnResult& answer, Segment first) {
  const Proposal& made = *running->proposal;
  const std::string& name = made.names.front();
  const etcd::Revision at = answer.revision;
  const DefinitionRecord record{made.definition, made.strategy.value_or(kDefaultStrategy), 0};
  running->kv = {key("def", name), record.text(), at, at};
  running->lease = {.end = first.end};
  if (was_overtaken(running, at)) return;
  known_[name] = {at, at, at, first.end, true};
  note_leased(first);
  place(running);
}

// Later changes, or the watch's word of this one, were here before etcd's answer.
bool Cluster::was_overtaken(const RunningPtr& running, etcd::Revision at) {
  const std::string& name = running->proposal->names.front();
  if (!is_old(name, at)) return false;
  take_first(*running);
  place(running);
  return true;
}

// The counter as an HSET of this run has made it, and nobody has moved it since.
bool Cluster::is_own_first(const etcd::KeyValue& kv, const CounterRecord& counter) const {
  return kv.modified == kv.created && counter.node == settings_.node_id && counter.run == run_ &&
         counter.first == 0 && counter.next > 0;
}

// The first segment, which came with a definition of this node's, goes to the dispenser that the
// watch's word of it, or another request, has made: once.
void Cluster::take_first(const Running& running) {
  const std::string& name = running.proposal->names.front();
  const auto known = known_.find(name);
  if (running.lease.end == 0 || known == known_.end() ||
      known->second.generation != running.kv.created ||
      std::exchange(known->second.has_first, true))
    return;
  note_leased({0, running.lease.end});
  if (const auto waiting = waiting_.find(name); waiting != waiting_.end()) {
    waiting->second.lease = running.lease;
    return;
  }
  // The wish that followed the watch's word may have been answered meanwhile: then this is lost.
  const Segment first{0, running.lease.end};
  if (!registry_.add_segment(name, static_cast<uint64_t>(running.kv.created), first))
    note_lost(first);
}

void Cluster::look_up(const RunningPtr& running) {
  const std::string& name = running->proposal->names.front();
  etcd::Txn txn{.then = {etcd::get(key("def", name)), etcd::get(key("alloc", name)),
                         etcd::get(changes_key())}};
  ask_for(running, std::move(txn),
          [this, running](const etcd::TxnResult& answer) { found(running, answer); });
}

// Etcd has refused, and what was asked for is not there: it was not made, where no definition has
// changed since; else it may have been, and undone.
void Cluster::refuse(const RunningPtr& running, const etcd::TxnResult& answer) {
  const auto& changes = answer.results[2].found;
  const bool unchanged = changes.empty() || changes[0].modified <= running->asked_after;
  if (unchanged && !running->unanswered) running->doubtful = false;
  finish(*running, Proposal::Outcome::kRefused, running->refusal);
}

// There is one of that name already, or there is none to be switched.
void Cluster::found(const RunningPtr& running, const etcd::TxnResult& answer) {
  const Proposal& wanted = *running->proposal;
  const bool defines = wanted.what == Proposal::What::kDefine;
  // What was read is old already.
  if (is_old(wanted.names.front(), answer.revision + 1)) return attempt_anew(running);
  if (answer.results[0].found.empty()) {
    if (!defines) return finish(*running, Proposal::Outcome::kNotFound);
    if (!running->refusal.empty()) return refuse(running, answer);
    // Somebody has deleted the definition alone, by hand; what the counter says may be issued.
    if (const auto& left = answer.results[1].found; !left.empty())
      return finish(*running, Proposal::Outcome::kRefused,
                    "a counter without a definition, " + left.front().key + ", is left over");
    return attempt_anew(running);  // the mark has moved, or it was deleted since
  }
  const etcd::KeyValue& kv = answer.results[0].found.front();
  const auto record = DefinitionRecord::read(kv.value);
  if (!record)
    return finish(*running, Proposal::Outcome::kRefused, "a broken definition: " + kv.key);
  if (defines && record->definition != wanted.definition)
    return finish(*running, Proposal::Outcome::kDiffers);
  const StrategyId strategy = wanted.strategy.value_or(record->strategy);
  if (strategy != record->strategy) {
    if (Registry::is_leased(record->definition, strategy) !=
        Registry::is_leased(record->definition, record->strategy))
      return finish(*running, Proposal::Outcome::kMemory);
    if (!running->refusal.empty()) return refuse(running, answer);
    return change_strategy(running, kv, *record);
  }
  running->kv = kv;
  running->lease = {};
  Known& known = known_[wanted.names.front()];
  const bool is_new = known.generation != kv.created;
  if (is_new) known = {kv.created};
  known.modified = std::max(known.modified, kv.modified);
  // Our own, which was not answered: its first segment is here.
  const auto& counters = answer.results[1].found;
  const auto counter = counters.empty() ? std::nullopt : CounterRecord::read(counters[0].value);
  if (running->doubtful && counter && counters[0].created == kv.created &&
      is_own_first(counters[0], *counter)) {
    running->lease.end = counter->next;
    if (is_new) {
      known = {kv.created, kv.modified, counters[0].modified, counter->next, true};
      note_leased({0, counter->next});
    } else {
      take_first(*running);
      running->lease = {};
    }
  }
  place(running);
}

void Cluster::change_strategy(const RunningPtr& running, const etcd::KeyValue& kv,
                              DefinitionRecord record) {
  record.strategy = *running->proposal->strategy;
  record.changed_us = clock_.unix_us();
  etcd::Txn txn{.compares = {{kv.key, etcd::Compare::What::kModified, kv.modified}},
                .then = {etcd::put(kv.key, record.text()), etcd::put(changes_key(), "")}};
  ask_for(running, std::move(txn), [this, running, kv, record](const etcd::TxnResult& answer) {
    if (!answer.held) return attempt_anew(running);
    running->kv = kv;
    running->kv.value = record.text();
    running->kv.modified = answer.revision;
    running->lease = {};
    if (was_overtaken(running, answer.revision)) return;
    Known& known = known_[running->proposal->names.front()];
    if (known.generation != kv.created) known = {kv.created};
    known.modified = answer.revision;
    place(running);
  });
}

// Within another, which an etcd without space does not refuse: it makes some.
void Cluster::erase(const RunningPtr& running) {
  const auto& names = running->proposal->names;
  etcd::Txn txn;
  for (size_t at = running->erased; at < std::min(running->erased + kNamesAtOnce, names.size());
       ++at) {
    txn.then.push_back(etcd::erase(key("def", names[at])));
    txn.then.push_back(etcd::erase(key("alloc", names[at])));
  }
  txn.then.push_back(etcd::put(changes_key(), ""));
  ask_for(running, {.then = {etcd::within(std::move(txn))}},
          [this, running](const etcd::TxnResult& answer) { erased(running, answer); });
}

void Cluster::erased(const RunningPtr& running, const etcd::TxnResult& answer) {
  Proposal& proposal = *running->proposal;
  const auto& results = answer.results[0].txn[0].results;
  for (size_t at = 0; at + 1 < results.size(); at += 2) {
    const std::string& name = proposal.names[running->erased++];
    proposal.removed += results[at].deleted;
    const auto known = known_.find(name);
    // Defined anew, and heard of before this answer.
    if (known != known_.end() && known->second.generation > answer.revision) continue;
    if (known != known_.end()) known_.erase(known);
    waiting_.erase(name);
    gone_[name] = std::max(gone_[name], answer.revision);
    proposal.change = remove_local(name).value_or(proposal.change);
  }
  if (running->erased < proposal.names.size()) return erase(running);
  finish(*running, Proposal::Outcome::kDone);
}

void Cluster::place(RunningPtr running) {
  const std::string& name = running->proposal->names.front();
  // What the watch has told since may wait for room too, or be here already; or it was deleted.
  const auto waiting = waiting_.find(name);
  if (waiting != waiting_.end() && waiting->second.kv.created == running->kv.created &&
      waiting->second.kv.modified > running->kv.modified)
    running->kv = waiting->second.kv;
  const auto known = known_.find(name);
  const bool is_latest = known != known_.end() && known->second.generation == running->kv.created &&
                         known->second.modified <= running->kv.modified;
  const auto change =
      is_latest ? place_definition(name, running->kv, running->lease) : registry_.request_flush();
  if (change) {
    running->proposal->change = *change;
    return finish(*running, Proposal::Outcome::kDone);
  }
  // place_waiting() goes on trying when this client has been told.
  if (now_ns_ >= running->give_up_ns) return finish(*running, Proposal::Outcome::kNoRoom);
  placing_.push_back(std::move(running));
  wake_at(now_ns_ + 10'000'000);
}

void Cluster::place_again() {
  for (RunningPtr& running : std::exchange(placing_, {})) place(std::move(running));
}

void Cluster::finish(Running& running, Proposal::Outcome outcome, std::string text) {
  // Each of the others says that nothing was changed. But where an attempt was not answered, what
  // it wanted may have been there in between, or may come yet.
  const bool is_made = outcome == Proposal::Outcome::kDone || outcome == Proposal::Outcome::kNoRoom;
  if (running.doubtful && !is_made) outcome = Proposal::Outcome::kUnknown;
  running.proposal->text = std::move(text);
  running.proposal->outcome.store(outcome);
  news_ = true;
}

}  // namespace number_dispenser
