#include "number_dispenser/cluster/cluster.h"

#include <fmt/format.h>

#include <algorithm>

#include "asking.h"
#include "number_dispenser/base/log.h"

namespace number_dispenser {
namespace {

constexpr uint64_t kNsPerMs = 1'000'000;
constexpr uint64_t kAwayNs = 3000 * kNsPerMs;  // without an answer: etcd is away
constexpr uint64_t kSayNs = 30'000 * kNsPerMs;

// Which each takes a revision of its own.
bool has_put(const etcd::Txn& txn, const etcd::TxnResult& result) {
  const auto& ops = result.held ? txn.then : txn.otherwise;
  for (size_t at = 0; at < ops.size(); ++at) {
    if (ops[at].kind == etcd::Op::Kind::kPut) return true;
    if (ops[at].kind == etcd::Op::Kind::kTxn &&
        has_put(ops[at].txn.front(), result.results[at].txn.front()))
      return true;
  }
  return false;
}

// Where there is more than reads, in whichever of the two lists.
bool goes_through_log(const etcd::Txn& txn) {
  const auto reads = [](const etcd::Op& op) {
    return op.kind == etcd::Op::Kind::kGet || op.kind == etcd::Op::Kind::kList;
  };
  return !std::ranges::all_of(txn.then, reads) || !std::ranges::all_of(txn.otherwise, reads);
}

}  // namespace

Cluster::Cluster(const ClusterSettings& settings, etcd::Client& client, Registry& registry,
                 Registry::View& view, StateFile& state, uint64_t place, std::string host,
                 const Clock& clock, RandomSource& random)
    : settings_(settings),
      client_(client),
      registry_(registry),
      view_(view),
      state_(state),
      opened_(state.stamp()),
      place_(place),
      host_(std::move(host)),
      clock_(clock),
      random_(random),
      now_ns_(clock.monotonic_ns()),
      answered_ns_(now_ns_) {
  status_.node_id = settings.node_id;
}

bool Cluster::tick() {
  now_ns_ = clock_.monotonic_ns();
  wake_ns_ = now_ns_ + 1000 * kNsPerMs;
  client_.poll();
  // Only what was asked for before still comes in: it may be flushed, but nothing follows it.
  if (leaving_) return std::exchange(news_, false);
  if (step_ != Step::kFailed && step_ != Step::kServe) join();
  // Also while definitions are read again: its mark has to move as long as it issues.
  const bool issues = joined_.load() && step_ != Step::kFailed;
  if (issues) heartbeat();
  if (step_ == Step::kServe) {
    watch();
    place_waiting();
  }
  if (issues) send_grants();
  if (connected_.load() && now_ns_ - std::max(answered_ns_.load(), idle_ns_) >= kAwayNs) {
    connected_.store(false);
    news_ = true;  // whoever waits for a segment is told
    log_away();
  }
  take_proposals();
  return std::exchange(news_, false);
}

void Cluster::log_away() const {
  if (!joined_.load())
    return log_warn("etcd cannot be reached ({}): this node has not joined yet",
                    status().last_failure);
  const Registry::Outlook outlook = registry_.outlook();
  std::string lasts = "no dispenser is in use";
  if (!outlook.first.empty())
    lasts = fmt::format("at the present rate the first to run out is {}, in {} s", outlook.first,
                        outlook.lasts_ns / 1'000'000'000);
  log_warn("etcd cannot be reached ({}): this node goes on with what it has leased; {}",
           status().last_failure, lasts);
}

// Etcd never goes back behind what it has answered before it was asked, unless it was restored. But
// a member that stood still may do so once where a transaction only reads (etcd's issue 20418):
// then one that goes through etcd's log tells.
void Cluster::transact(etcd::Txn txn, etcd::Callback<etcd::TxnResult> then) {
  etcd::Txn asked = txn;
  client_.transact(std::move(txn), [this, asked = std::move(asked), seen = newest_,
                                    then = std::move(then)](etcd::Answer<etcd::TxnResult> answer) {
    if (step_ == Step::kFailed) return then(std::move(answer));
    const bool goes_back = answer && answer->revision < seen + (has_put(asked, *answer) ? 1 : 0);
    if (goes_back && !goes_through_log(asked) && !is_other_etcd()) {
      transact({.then = {get_by_log(changes_key())}}, [](const auto&) {});
      answer = std::unexpected(etcd::Failure{
          .text = fmt::format("an answer of revision {} after one of {}", answer->revision, seen)});
    }
    note_answer(answer ? nullptr : &answer.error());
    if (answer) {
      if (goes_back && step_ != Step::kFailed) fail_for_revision(seen, answer->revision);
      newest_ = std::max(newest_, answer->revision);
    }
    then(std::move(answer));
  });
}

void Cluster::note_answer(const etcd::Failure* failure) {
  const bool is_answer = failure == nullptr || failure->kind != etcd::Failure::Kind::kUnreachable;
  {
    const std::lock_guard lock(status_mutex_);
    ++status_.etcd_requests;
    if (failure != nullptr) {
      ++status_.etcd_failures;
      status_.last_failure = failure->text;
    }
  }
  if (failure != nullptr) {
    ++failures_;
    // Refused: etcd is there, but does not work for us.
    if (!is_answer || joined_.load()) return;
  } else {
    if (step_ != Step::kFailed && is_other_etcd()) fail_for_other_etcd();
    failures_ = 0;
  }
  if (step_ == Step::kFailed) return;
  answered_ns_ = now_ns_;
  // Later the heartbeat says so: whether it is the etcd of before is seen first.
  if (!joined_.load()) note_connected();
}

void Cluster::note_connected() {
  if (connected_.exchange(true)) return;
  news_ = true;
  log_info("etcd answers");
}

// Behind the same endpoints there may be another one.
bool Cluster::is_other_etcd() const {
  const ClusterStamp& stamp = state_.stamp();
  return stamp.mark != 0 && stamp.cluster_id != client_.cluster_id();
}

void Cluster::fail_for_other_etcd() {
  fail_for_good(
      ExitStatus::kConfiguration,
      fmt::format("this data directory belongs to the etcd cluster {:016x}, but {:016x} answers: "
                  "correct --cluster-endpoints, or start with an empty directory",
                  state_.stamp().cluster_id, client_.cluster_id()));
}

// Soon at first, never later than a second, and not all nodes at once.
uint64_t Cluster::backoff_ns() {
  const uint64_t most_ms = std::min<uint64_t>(100ULL << std::min(failures_, 3U), 800);
  return jitter_ns(most_ms * kNsPerMs);
}

// A step of the join has failed. It is said at once, and then now and again.
void Cluster::try_again(const etcd::Failure& failure) {
  if (now_ns_ >= say_ns_) {
    say_ns_ = now_ns_ + kSayNs;
    log_warn("joining the cluster: {}", failure.text);
  }
  // Clients need not wait for what somebody has to put right.
  if (failure.kind == etcd::Failure::Kind::kRefused && !refused_.exchange(true)) news_ = true;
  // An import must not come late, when its numbers were issued and deleted: with the id claimed
  // once more it cannot.
  if (step_ == Step::kImport && failure.may_have_happened) step_ = Step::kClaim;
  retry_later();
}

void Cluster::retry_later() {
  retry_ns_ = now_ns_ + backoff_ns();
}

void Cluster::wake_at(uint64_t time_ns) {
  wake_ns_ = std::min(wake_ns_, time_ns);
}

// For good: this process issues nothing any more, and ends.
void Cluster::fail_for_good(ExitStatus status, std::string message) {
  step_ = Step::kFailed;
  connected_.store(false);
  failed_.store(true);
  registry_.stop_issuing();
  failure_ = Error{status, std::move(message)};
  news_ = true;
}

void Cluster::leave() {
  leaving_ = true;
  if (step_ == Step::kFailed || !joined_.load() || alive_lease_ == 0) {
    left_ = true;
    return;
  }
  client_.end_watch();
  client_.revoke(alive_lease_, [this](const etcd::Answer<bool>&) { left_ = true; });
}

ClusterStatus Cluster::status() const {
  const std::lock_guard lock(status_mutex_);
  ClusterStatus copy = status_;
  copy.state = failed_.load()      ? "failed"
               : !joined_.load()   ? "joining"
               : connected_.load() ? "connected"
                                   : "away";
  copy.away_s =
      (std::max(clock_.monotonic_ns(), answered_ns_.load()) - answered_ns_.load()) / 1'000'000'000;
  return copy;
}

uint64_t Cluster::random_mark() {
  return random_.below(UINT64_MAX - 1) + 1;
}

std::string Cluster::key(std::string_view kind, std::string_view name) const {
  return fmt::format("{}/{}/{}", settings_.prefix, kind, name);
}

}  // namespace number_dispenser
