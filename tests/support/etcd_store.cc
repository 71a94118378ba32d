#include <algorithm>

#include "number_dispenser/base/check.h"
#include "sim_etcd.h"

namespace number_dispenser::testing_support {

using etcd::Op;

etcd::Answer<etcd::TxnResult> EtcdStore::transact(const etcd::Txn& txn) {
  if (reads_forgotten(txn))
    return std::unexpected(
        etcd::Failure{etcd::Failure::Kind::kCompacted, false, "the revision has been compacted"});
  if (names_ended_lease(txn))
    return std::unexpected(
        etcd::Failure{etcd::Failure::Kind::kNotFound, false, "requested lease not found"});
  etcd::TxnResult result;
  // All comparisons come before all changes, those of inner transactions too.
  decide(txn, result);
  const size_t before = history_.size();
  run(txn, result, revision_ + 1);
  if (history_.size() != before) ++revision_;
  result.revision = revision_;
  return result;
}

etcd::TxnResult EtcdStore::make(const etcd::Txn& txn) {
  auto made = transact(txn);
  ND_CHECK(made.has_value(), "{}", made.error().text);
  return std::move(*made);
}

const etcd::KeyValue* EtcdStore::find(const std::string& key) const {
  const auto found = keys_.find(key);
  return found == keys_.end() ? nullptr : &found->second;
}

std::string EtcdStore::value_of(const std::string& key) const {
  const etcd::KeyValue* found = find(key);
  return found == nullptr ? std::string() : found->value;
}

std::vector<etcd::Event> EtcdStore::events(const std::string& key, const std::string& end,
                                           etcd::Revision first, etcd::Revision last) const {
  std::vector<etcd::Event> found;
  const auto from = std::ranges::lower_bound(
      history_, first, {}, [](const etcd::Event& event) { return event.kv.modified; });
  for (auto event = from; event != history_.end() && event->kv.modified <= last; ++event)
    if (event->kv.key >= key && event->kv.key < end) found.push_back(*event);
  return found;
}

void EtcdStore::end_lease(int64_t id) {
  leases_.erase(id);
  std::vector<std::string> ended;
  for (const auto& [key, lease] : leased_)
    if (lease == id) ended.push_back(key);
  for (const std::string& key : ended) erase(key, revision_ + 1);
  if (!ended.empty()) ++revision_;
}

bool EtcdStore::names_ended_lease(const etcd::Txn& txn) const {
  const auto ended = [this](const Op& op) {
    if (op.kind == Op::Kind::kTxn) return names_ended_lease(op.txn.front());
    return op.lease != 0 && !leases_.contains(op.lease);
  };
  return std::ranges::any_of(txn.then, ended) || std::ranges::any_of(txn.otherwise, ended);
}

bool EtcdStore::reads_forgotten(const etcd::Txn& txn) const {
  const auto forgotten = [this](const Op& op) {
    if (op.kind == Op::Kind::kTxn) return reads_forgotten(op.txn.front());
    return op.revision != 0 && op.revision < compacted_;
  };
  return std::ranges::any_of(txn.then, forgotten) || std::ranges::any_of(txn.otherwise, forgotten);
}

bool EtcdStore::holds(const etcd::Compare& compare) const {
  const etcd::KeyValue* found = find(compare.key);
  const etcd::Revision is = found == nullptr                                ? 0
                            : compare.what == etcd::Compare::What::kCreated ? found->created
                                                                            : found->modified;
  return is == compare.revision;
}

void EtcdStore::decide(const etcd::Txn& txn, etcd::TxnResult& result) const {
  result.held = std::ranges::all_of(txn.compares, [this](const auto& one) { return holds(one); });
  const auto& ops = result.held ? txn.then : txn.otherwise;
  ND_CHECK(ops.size() <= etcd::kMostOps, "{} operations", ops.size());
  result.results.resize(ops.size());
  for (size_t at = 0; at < ops.size(); ++at)
    if (ops[at].kind == Op::Kind::kTxn)
      decide(ops[at].txn.front(), result.results[at].txn.emplace_back());
}

void EtcdStore::run(const etcd::Txn& txn, etcd::TxnResult& result, etcd::Revision next) {
  const auto& ops = result.held ? txn.then : txn.otherwise;
  for (size_t at = 0; at < ops.size(); ++at) {
    if (ops[at].kind == Op::Kind::kTxn)
      run(ops[at].txn.front(), result.results[at].txn.front(), next);
    else
      result.results[at] = run(ops[at], next);
  }
}

etcd::OpResult EtcdStore::run(const Op& op, etcd::Revision next) {
  etcd::OpResult result;
  if (op.kind == Op::Kind::kPut) {
    etcd::KeyValue& kv = keys_[op.key];
    ND_CHECK(kv.modified != next, "{} is put twice in one transaction", op.key);
    kv = {op.key, op.value, kv.created == 0 ? next : kv.created, next};
    history_.push_back({false, kv});
    leased_.erase(op.key);
    if (op.lease != 0) leased_[op.key] = op.lease;
  } else if (op.kind == Op::Kind::kDelete) {
    result.deleted = keys_.contains(op.key) ? 1 : 0;
    if (result.deleted != 0) erase(op.key, next);
  } else if (op.kind == Op::Kind::kGet) {
    Op one = op;
    one.end = op.key + '\0';
    result = op.revision == 0 ? list(one, keys_) : list(one, as_of(op.revision));
  } else {
    result = op.revision == 0 ? list(op, keys_) : list(op, as_of(op.revision));
  }
  return result;
}

etcd::OpResult EtcdStore::list(const Op& op, const Keys& keys) const {
  etcd::OpResult result;
  for (auto at = keys.lower_bound(op.key); at != keys.end() && at->first < op.end; ++at) {
    if (op.limit != 0 && result.found.size() == static_cast<size_t>(op.limit)) {
      result.more = true;
      break;
    }
    result.found.push_back(at->second);
  }
  return result;
}

EtcdStore::Keys EtcdStore::as_of(etcd::Revision revision) const {
  Keys keys;
  for (const etcd::Event& event : history_) {
    if (event.kv.modified > revision) break;
    if (event.deleted)
      keys.erase(event.kv.key);
    else
      keys[event.kv.key] = event.kv;
  }
  return keys;
}

void EtcdStore::erase(const std::string& key, etcd::Revision next) {
  keys_.erase(key);
  leased_.erase(key);
  history_.push_back({true, {key, "", 0, next}});
}

}  // namespace number_dispenser::testing_support
