// etcd in memory, for any number of clients: one store with its history, transactions, watches and
// leases, which answers after a while, out of order, wrongly never, and sometimes not at all.
// Everything that happens follows from the random source and the clock.
//
// Requests travel, are made, and their answers travel back; each client takes them in poll(). A
// request whose client is gone is made all the same. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "number_dispenser/base/clock.h"
#include "number_dispenser/base/random.h"
#include "number_dispenser/etcd/client.h"

namespace number_dispenser::testing_support {

// How often what goes wrong, per mille of the occasions for it.
struct EtcdFaults {
  unsigned refused_connection = 0;  // never made, as the client knows at once
  unsigned lost_request = 0;        // never made
  unsigned lost_answer = 0;         // made, and the client does not hear of it
  unsigned late_request = 0;        // made when its client has given it up
  unsigned stale_read = 0;          // of those that only read: as of an earlier revision
  unsigned made_refusal = 0;        // of those that find no space: made, and refused all the same
  unsigned cut_watch = 0;
  unsigned stalled_watch = 0;  // says nothing more, without an end
  unsigned slow = 0;           // takes up to most_slow_ns more each way
  uint64_t most_delay_ns = 3'000'000;
  uint64_t most_slow_ns = 2'000'000'000;
};

// What etcd holds: every version of every key since the latest compaction. No time, no faults.
class EtcdStore {
 public:
  etcd::Answer<etcd::TxnResult> transact(const etcd::Txn& txn);
  // As if by somebody else, who is always answered.
  etcd::TxnResult make(const etcd::Txn& txn);
  // Forgets what was there before `revision`.
  void compact(etcd::Revision revision) { compacted_ = std::max(compacted_, revision); }
  etcd::Revision revision() const { return revision_; }
  etcd::Revision compacted() const { return compacted_; }
  // Null where there is no such key.
  const etcd::KeyValue* find(const std::string& key) const;
  std::string value_of(const std::string& key) const;
  // Of keys in [key, end), from the revision `first` on and up to `last`.
  std::vector<etcd::Event> events(const std::string& key, const std::string& end,
                                  etcd::Revision first, etcd::Revision last) const;

  void add_lease(int64_t id) { leases_.insert(id); }
  void end_lease(int64_t id);

 private:
  using Keys = std::map<std::string, etcd::KeyValue>;
  bool reads_forgotten(const etcd::Txn& txn) const;
  bool names_ended_lease(const etcd::Txn& txn) const;
  bool holds(const etcd::Compare& compare) const;
  void decide(const etcd::Txn& txn, etcd::TxnResult& result) const;
  void run(const etcd::Txn& txn, etcd::TxnResult& result, etcd::Revision next);
  etcd::OpResult run(const etcd::Op& op, etcd::Revision next);
  etcd::OpResult list(const etcd::Op& op, const Keys& keys) const;
  Keys as_of(etcd::Revision revision) const;
  void erase(const std::string& key, etcd::Revision next);

  Keys keys_;
  std::vector<etcd::Event> history_;  // in order
  std::set<int64_t> leases_;
  std::map<std::string, int64_t> leased_;  // keys, and by which lease they vanish
  etcd::Revision revision_ = 1;
  etcd::Revision compacted_ = 0;
};

class SimEtcd {
 public:
  SimEtcd(const Clock& clock, RandomSource& random) : clock_(clock), random_(random) {}

  // Of one process on machine `node`. Gone before this is. `notify`: poll() has something to do.
  std::unique_ptr<etcd::Client> connect(
      unsigned node, std::function<void()> notify = [] {});

  // Nothing goes between this machine and etcd for so long.
  void cut_off(unsigned node, uint64_t ns) { cut_off_ns_[node] = clock_.monotonic_ns() + ns; }
  bool is_cut_off(unsigned node) const;
  // No member answers anybody.
  void go_down(uint64_t ns);
  // No space: nothing can be put, but in transactions within others, unless `all`.
  void refuse(uint64_t ns, bool all = true) {
    refusing_ns_ = clock_.monotonic_ns() + ns;
    refuses_all_ = all;
  }
  void stall_watches();
  void cut_watches();
  // All of that is over.
  void recover();

  // What is due now. Clients' polls do it too.
  void run();
  // When something is due next; UINT64_MAX: never.
  uint64_t due_ns() const;

  EtcdStore store;
  EtcdFaults faults;
  etcd::ClusterId cluster_id = 0xc1;
  uint64_t progress_ns = 600'000'000'000;  // between notes of progress
  uint64_t requests = 0;
  // True for transactions of a machine's that are lost on their way; unset: none.
  std::function<bool(unsigned node, const etcd::Txn& txn)> loses;

 private:
  class Link;
  class Connection;
  struct Lease {
    uint64_t ttl_ns;
    uint64_t end_ns;
  };

  bool chance(unsigned permille) { return permille != 0 && random_.below(1000) < permille; }
  uint64_t delay_ns();
  bool is_down() const { return clock_.monotonic_ns() < down_ns_; }
  bool reaches(unsigned node) const { return !is_down() && !is_cut_off(node); }
  void at(uint64_t ns, std::function<void()> what) { due_.emplace(ns, std::move(what)); }
  bool refuses() const { return clock_.monotonic_ns() < refusing_ns_; }
  bool refuses(const etcd::Txn& txn) const;
  etcd::Answer<etcd::TxnResult> read(const etcd::Txn& txn);
  etcd::Answer<int64_t> grant(int64_t ttl_s);
  etcd::Answer<int64_t> prolong(int64_t lease);
  etcd::Answer<bool> revoke(int64_t lease);
  void end_leases();
  // `made` is run when the request arrives, and what it returns travels to `answer`.
  template <class T>
  void request(const std::shared_ptr<Link>& link, bool changes,
               std::function<etcd::Answer<T>()> made, etcd::Callback<T> answer);

  const Clock& clock_;
  RandomSource& random_;
  std::multimap<uint64_t, std::function<void()>> due_;
  std::vector<std::weak_ptr<Link>> links_;
  std::map<unsigned, uint64_t> cut_off_ns_;
  uint64_t down_ns_ = 0;
  uint64_t refusing_ns_ = 0;
  bool refuses_all_ = true;
  std::map<int64_t, Lease> leases_;
  int64_t last_lease_ = 0;
};

}  // namespace number_dispenser::testing_support
