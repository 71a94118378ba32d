#include "sim_etcd.h"

#include <algorithm>
#include <utility>

#include "number_dispenser/base/check.h"

namespace number_dispenser::testing_support {
namespace {

constexpr uint64_t kNsPerS = 1'000'000'000;
constexpr uint64_t kPatienceNs = 2'500'000'000;  // of a client, for an answer
constexpr uint64_t kSilenceNs = 9 * kNsPerS;     // that ends a watch

bool puts(const etcd::Txn& txn, bool also_within);
bool puts(const std::vector<etcd::Op>& ops, bool also_within) {
  return std::ranges::any_of(ops, [also_within](const etcd::Op& op) {
    return op.kind == etcd::Op::Kind::kPut ||
           (also_within && op.kind == etcd::Op::Kind::kTxn && puts(op.txn.front(), true));
  });
}
bool puts(const etcd::Txn& txn, bool also_within) {
  return puts(txn.then, also_within) || puts(txn.otherwise, also_within);
}
bool changes(const std::vector<etcd::Op>& ops) {
  return std::ranges::any_of(ops, [](const etcd::Op& op) {
    return op.kind == etcd::Op::Kind::kPut || op.kind == etcd::Op::Kind::kDelete ||
           (op.kind == etcd::Op::Kind::kTxn &&
            (changes(op.txn.front().then) || changes(op.txn.front().otherwise)));
  });
}

bool only_reads(const std::vector<etcd::Op>& ops) {
  return std::ranges::all_of(ops, [](const etcd::Op& op) {
    return op.kind == etcd::Op::Kind::kGet || op.kind == etcd::Op::Kind::kList;
  });
}

etcd::Failure no_space() {
  return {etcd::Failure::Kind::kRefused, true, "etcdserver: mvcc: database space exceeded"};
}
etcd::Failure unreachable(bool may_have_happened) {
  return {etcd::Failure::Kind::kUnreachable, may_have_happened, "no answer"};
}

}  // namespace

// What connects one client with etcd, and outlives it while something is on its way.
class SimEtcd::Link {
 public:
  Link(SimEtcd& etcd, unsigned of, std::function<void()> notify)
      : node(of), etcd_(etcd), notify_(std::move(notify)) {}

  // Everything that has arrived. True if there was anything.
  bool poll() {
    bool any = false;
    for (auto& arrived : std::exchange(inbox_, {})) {
      any = true;
      arrived();
    }
    return any;
  }
  void arrive(std::function<void()> what) {
    if (!notify_) return;  // nobody is there any more
    inbox_.push_back(std::move(what));
    notify_();
  }
  // The process is gone, and with it whoever would take the answers.
  void hang_up() {
    end_watch();
    notify_ = nullptr;
    inbox_.clear();
  }

  void watch(std::string key, std::string end, etcd::Revision first,
             etcd::Callback<etcd::Watched> callback) {
    ++number_;
    watching_ = true;
    stalled_ = begun_ = false;
    key_ = std::move(key);
    end_ = std::move(end);
    first_ = next_ = first;
    callback_ = std::move(callback);
    heard_ns_ = told_ns_ = etcd_.clock_.monotonic_ns() + etcd_.delay_ns();
    progress_at_ns_ = heard_ns_ + etcd_.progress_ns;
  }
  void end_watch() {
    watching_ = false;
    ++number_;
  }
  void stall() { stalled_ = true; }
  void fail(etcd::Failure failure) {
    if (!std::exchange(watching_, false)) return;
    tell(std::unexpected(std::move(failure)));
  }

  void tend_watch(const std::shared_ptr<Link>& self) {
    self_ = self;
    const uint64_t now_ns = etcd_.clock_.monotonic_ns();
    if (!watching_ || now_ns < heard_ns_) return;
    if (!etcd_.reaches(node)) {
      if (now_ns - heard_ns_ > kSilenceNs) fail(unreachable(false));
      return;
    }
    if (stalled_) return;
    heard_ns_ = now_ns;
    if (next_ < etcd_.store.compacted()) {
      etcd::Failure failure{etcd::Failure::Kind::kCompacted, false, "compacted"};
      return fail(std::move(failure));
    }
    if (!std::exchange(begun_, true)) tell(etcd::Watched{.revision = next_ - 1});
    tell_news(now_ns);
  }
  // When tend_watch() has something to say.
  uint64_t due_ns() const {
    if (!watching_) return UINT64_MAX;
    if (!etcd_.reaches(node)) return heard_ns_ + kSilenceNs + 1;
    if (stalled_) return UINT64_MAX;
    if (!begun_) return heard_ns_;
    return next_ <= etcd_.store.revision() ? heard_ns_ : progress_at_ns_;
  }

  const unsigned node;
  etcd::ClusterId cluster_id = 0;

 private:
  void tell_news(uint64_t now_ns) {
    const etcd::Revision last = etcd_.store.revision();
    const bool note = now_ns >= progress_at_ns_;
    if (next_ > last && !note) return;
    etcd::Watched told{.revision = last, .events = etcd_.store.events(key_, end_, next_, last)};
    if (told.events.empty()) {
      // etcd does not say so, but for a note of progress.
      next_ = last + 1;
      if (!note) return;
      progress_at_ns_ = now_ns + etcd_.progress_ns;
      return tell(std::move(told));
    }
    if (etcd_.chance(etcd_.faults.stalled_watch)) return stall();
    if (etcd_.chance(etcd_.faults.cut_watch)) return fail(unreachable(false));
    // Many come in several messages; those of one revision stay together.
    const size_t upto =
        etcd_.random_.below(2) == 0 ? told.events.size() / 2 : told.events.size() - 1;
    told.revision = told.events[upto].kv.modified;
    std::erase_if(told.events, [&](const auto& e) { return e.kv.modified > told.revision; });
    next_ = told.revision + 1;
    tell(std::move(told));
  }

  // In order, each after a while.
  void tell(etcd::Answer<etcd::Watched> news) {
    told_ns_ = std::max(told_ns_, etcd_.clock_.monotonic_ns() + etcd_.delay_ns());
    etcd_.at(told_ns_, [self = self_, news = std::move(news), number = number_] {
      const auto link = self.lock();
      if (!link) return;
      link->arrive([link, news, number] {
        if (link->number_ != number) return;
        link->cluster_id = link->etcd_.cluster_id;
        const auto callback = link->callback_;
        callback(news);
      });
    });
  }

  SimEtcd& etcd_;
  std::function<void()> notify_;
  std::deque<std::function<void()>> inbox_;
  std::weak_ptr<Link> self_;
  uint64_t number_ = 0;  // of the latest watch
  bool watching_ = false, stalled_ = false, begun_ = false;
  std::string key_, end_;
  etcd::Revision first_ = 0;
  etcd::Revision next_ = 0;
  etcd::Callback<etcd::Watched> callback_;
  uint64_t heard_ns_ = 0;        // of etcd, by this watch
  uint64_t told_ns_ = 0;         // the latest message arrives
  uint64_t progress_at_ns_ = 0;  // the next note
};

template <class T>
void SimEtcd::request(const std::shared_ptr<Link>& link, bool changes,
                      std::function<etcd::Answer<T>()> made, etcd::Callback<T> answer) {
  ++requests;
  const uint64_t now_ns = clock_.monotonic_ns();
  const std::weak_ptr<Link> to = link;
  // With the link the client is gone.
  const auto deliver = [this, to, answer](uint64_t ns, etcd::Answer<T> result) {
    at(ns, [this, to, answer, result = std::move(result)] {
      const auto receiver = to.lock();
      if (!receiver) return;
      receiver->arrive([this, receiver, answer, result] {
        const bool heard = result || result.error().kind != etcd::Failure::Kind::kUnreachable;
        if (heard) receiver->cluster_id = cluster_id;
        answer(result);
      });
    });
  };
  if (chance(faults.refused_connection))
    return deliver(now_ns + delay_ns(), std::unexpected(unreachable(false)));
  const uint64_t given_up_ns = now_ns + kPatienceNs;
  if (chance(faults.lost_request))
    return deliver(given_up_ns, std::unexpected(unreachable(changes)));
  if (chance(faults.late_request)) {
    deliver(given_up_ns, std::unexpected(unreachable(changes)));
    return at(given_up_ns + random_.below(5 * kNsPerS), [made] { made(); });
  }
  const unsigned node = link->node;
  at(now_ns + delay_ns(), [this, node, changes, made, deliver, given_up_ns] {
    const uint64_t arrived_ns = clock_.monotonic_ns();
    if (!reaches(node)) {
      // Some find nobody to talk to, and know it.
      if (random_.below(2) == 0)
        return deliver(arrived_ns + delay_ns(), std::unexpected(unreachable(false)));
      return deliver(std::max(given_up_ns, arrived_ns), std::unexpected(unreachable(changes)));
    }
    etcd::Answer<T> result = made();
    const uint64_t back_ns = arrived_ns + delay_ns();
    if (chance(faults.lost_answer) || back_ns > given_up_ns)
      return deliver(std::max(given_up_ns, arrived_ns), std::unexpected(unreachable(changes)));
    deliver(back_ns, std::move(result));
  });
}

class SimEtcd::Connection final : public etcd::Client {
 public:
  Connection(SimEtcd& etcd, std::shared_ptr<Link> link) : etcd_(etcd), link_(std::move(link)) {}
  ~Connection() override { link_->hang_up(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void transact(etcd::Txn txn, etcd::Callback<etcd::TxnResult> callback) override {
    const bool writes = changes(txn.then) || changes(txn.otherwise);
    if (etcd_.loses && etcd_.loses(link_->node, txn))
      return ask<etcd::TxnResult>(
          writes,
          [writes]() -> etcd::Answer<etcd::TxnResult> {
            return std::unexpected(unreachable(writes));
          },
          std::move(callback));
    ask<etcd::TxnResult>(
        writes,
        [&etcd = etcd_, txn = std::move(txn)]() -> etcd::Answer<etcd::TxnResult> {
          if (only_reads(txn.then) && only_reads(txn.otherwise)) return etcd.read(txn);
          if (!etcd.refuses(txn)) return etcd.store.transact(txn);
          if (etcd.chance(etcd.faults.made_refusal)) etcd.store.transact(txn);
          return std::unexpected(no_space());
        },
        std::move(callback));
  }
  void watch(std::string key, std::string end, etcd::Revision first,
             etcd::Callback<etcd::Watched> callback) override {
    link_->watch(std::move(key), std::move(end), first, std::move(callback));
  }
  void end_watch() override { link_->end_watch(); }
  void grant_lease(int64_t ttl_s, etcd::Callback<int64_t> callback) override {
    ask<int64_t>(
        true, [&etcd = etcd_, ttl_s] { return etcd.grant(ttl_s); }, std::move(callback));
  }
  void keep_alive(int64_t lease, etcd::Callback<int64_t> callback) override {
    ask<int64_t>(
        true, [&etcd = etcd_, lease] { return etcd.prolong(lease); }, std::move(callback));
  }
  void revoke(int64_t lease, etcd::Callback<bool> callback) override {
    ask<bool>(
        true, [&etcd = etcd_, lease] { return etcd.revoke(lease); }, std::move(callback));
  }
  etcd::ClusterId cluster_id() const override { return link_->cluster_id; }
  bool poll() override {
    etcd_.run();
    return link_->poll();
  }

 private:
  template <class T, class Made>
  void ask(bool changes, Made made, etcd::Callback<T> callback) {
    etcd_.request<T>(link_, changes, std::move(made), std::move(callback));
  }

  SimEtcd& etcd_;
  const std::shared_ptr<Link> link_;
};

std::unique_ptr<etcd::Client> SimEtcd::connect(unsigned node, std::function<void()> notify) {
  auto link = std::make_shared<Link>(*this, node, std::move(notify));
  links_.push_back(link);
  return std::make_unique<Connection>(*this, std::move(link));
}

// Of what is stale only the revision shows: what was read is not to be believed anyway.
etcd::Answer<etcd::TxnResult> SimEtcd::read(const etcd::Txn& txn) {
  auto answer = store.transact(txn);
  if (answer && chance(faults.stale_read))
    answer->revision -= 1 + static_cast<etcd::Revision>(random_.below(5));
  return answer;
}

etcd::Answer<int64_t> SimEtcd::grant(int64_t ttl_s) {
  if (refuses()) return std::unexpected(no_space());
  const uint64_t ttl_ns = static_cast<uint64_t>(ttl_s) * kNsPerS;
  leases_[++last_lease_] = {ttl_ns, clock_.monotonic_ns() + ttl_ns};
  store.add_lease(last_lease_);
  return last_lease_;
}

etcd::Answer<int64_t> SimEtcd::prolong(int64_t lease) {
  end_leases();
  const auto found = leases_.find(lease);
  if (found == leases_.end())
    return std::unexpected(
        etcd::Failure{etcd::Failure::Kind::kNotFound, false, "the lease is gone"});
  found->second.end_ns = clock_.monotonic_ns() + found->second.ttl_ns;
  return static_cast<int64_t>(found->second.ttl_ns / kNsPerS);
}

etcd::Answer<bool> SimEtcd::revoke(int64_t lease) {
  leases_.erase(lease);
  store.end_lease(lease);
  return true;
}

bool SimEtcd::refuses(const etcd::Txn& txn) const {
  return refuses() && puts(txn, refuses_all_);
}

uint64_t SimEtcd::delay_ns() {
  const uint64_t slow_ns = chance(faults.slow) ? random_.below(faults.most_slow_ns + 1) : 0;
  return 50'000 + random_.below(faults.most_delay_ns + 1) + slow_ns;
}

bool SimEtcd::is_cut_off(unsigned node) const {
  const auto found = cut_off_ns_.find(node);
  return found != cut_off_ns_.end() && clock_.monotonic_ns() < found->second;
}

void SimEtcd::go_down(uint64_t ns) {
  down_ns_ = clock_.monotonic_ns() + ns;
  // A new leader gives every lease its whole time again; also where this takes the place of a
  // longer outage.
  for (auto& [id, lease] : leases_) lease.end_ns = down_ns_ + lease.ttl_ns;
}

void SimEtcd::stall_watches() {
  for (const auto& weak : links_)
    if (const auto link = weak.lock()) link->stall();
}

void SimEtcd::cut_watches() {
  for (const auto& weak : links_)
    if (const auto link = weak.lock()) link->fail(unreachable(false));
}

void SimEtcd::recover() {
  faults = {};
  cut_off_ns_.clear();
  down_ns_ = refusing_ns_ = 0;
  for (auto& [id, lease] : leases_)
    lease.end_ns = std::min(lease.end_ns, clock_.monotonic_ns() + lease.ttl_ns);
}

void SimEtcd::end_leases() {
  const uint64_t now_ns = clock_.monotonic_ns();
  for (auto at = leases_.begin(); at != leases_.end();) {
    if (now_ns < at->second.end_ns || is_down()) {
      ++at;
      continue;
    }
    store.end_lease(at->first);
    at = leases_.erase(at);
  }
}

void SimEtcd::run() {
  const uint64_t now_ns = clock_.monotonic_ns();
  end_leases();
  while (!due_.empty() && due_.begin()->first <= now_ns) {
    const auto what = std::move(due_.begin()->second);
    due_.erase(due_.begin());
    what();
  }
  std::erase_if(links_, [](const auto& link) { return link.expired(); });
  for (const auto& weak : links_)
    if (const auto link = weak.lock()) link->tend_watch(link);
}

uint64_t SimEtcd::due_ns() const {
  uint64_t first_ns = due_.empty() ? UINT64_MAX : due_.begin()->first;
  for (const auto& weak : links_)
    if (const auto link = weak.lock()) first_ns = std::min(first_ns, link->due_ns());
  for (const auto& [id, lease] : leases_) first_ns = std::min(first_ns, lease.end_ns);
  return first_ns;
}

}  // namespace number_dispenser::testing_support
