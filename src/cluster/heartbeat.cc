// What a node does every second: it asks whether its id is its own still, moves its mark if numbers
// were issued, looks whether the watch hangs, and says that it is alive.
//
// A mark moves first in the file and then in etcd. So etcd has the file's mark or the one before; a
// copy of the file that is older than one move has neither. Where etcd does not answer a move for
// two seconds, the mark in the file moves once more: from then on neither the file nor a copy made
// since is trusted without live counters, until etcd has the mark; but for a file that was stopped
// cleanly, which knows the mark that etcd has confirmed. What remains: a copy made between the last
// move and a power cut, put back into the very file.
//
// Each put of the key, also of the mark that etcd has, gives it another revision: a fence, behind
// which nothing comes any more that was compared with the one before.
#include <fmt/format.h>

#include <utility>

#include "number_dispenser/base/log.h"
#include "number_dispenser/cluster/cluster.h"
#include "records.h"

namespace number_dispenser {
namespace {

constexpr uint64_t kBeatNs = 1'000'000'000;
constexpr uint64_t kStuckNs = 2 * kBeatNs;  // a move that etcd does not answer
constexpr uint64_t kWatchNs = 3 * kBeatNs;
constexpr int64_t kAliveS = 10;

}  // namespace

void Cluster::heartbeat() {
  move_mark();
  if (heartbeat_in_flight_) return;
  if (now_ns_ < heartbeat_ns_) return wake_at(heartbeat_ns_);
  heartbeat_in_flight_ = true;
  heartbeat_ns_ = now_ns_ + kBeatNs;
  const std::string node_key = key("node", settings_.node_id);
  const bool fences = fence_wanted_ && move_ == Move::kNone;
  const bool puts = (fences || move_ == Move::kFlushed) && !put_refused_;
  const uint64_t moves = puts ? state_.stamp().mark : 0;
  etcd::Txn txn{.compares = {{node_key, etcd::Compare::What::kModified, node_revision_}},
                .then = {etcd::get(changes_key())},
                .otherwise = {etcd::get(node_key)}};
  // Where etcd has used up its space it refuses puts, but for those in transactions within others,
  // of which it does not reckon the size.
  if (puts) {
    const NodeRecord record{state_.stamp().mark, epoch_, host_};
    txn.then.push_back(etcd::within({.then = {etcd::put(node_key, record.text())}}));
  }
  transact(std::move(txn),
           [this, moves, compared = node_revision_](const etcd::Answer<etcd::TxnResult>& answer) {
             heartbeat_in_flight_ = false;
             on_heartbeat(answer, compared, moves);
           });
  keep_alive();
}

void Cluster::end_move() {
  if (move_ == Move::kFlushed) move_ = Move::kNone;
  moved_twice_ = false;
}

void Cluster::on_heartbeat(const etcd::Answer<etcd::TxnResult>& answer, etcd::Revision compared,
                           uint64_t moved) {
  if (step_ == Step::kFailed) return;
  if (!answer) {
    // Etcd may be there all the same: the next one asks only that.
    put_refused_ = moved != 0 && answer.error().kind == etcd::Failure::Kind::kRefused;
    heartbeat_ns_ = now_ns_ + backoff_ns();
    return;
  }
  note_connected();
  put_refused_ = false;
  if (!answer->held) {
    heartbeat_ns_ = now_ns_;
    return note_node(answer->results[0].found, compared);
  }
  if (moved != 0) pass_fence(answer->revision);
  if (moved == state_.stamp().mark) end_move();
  // A change that was there a second ago should have been heard of.
  const auto& changes = answer->results[0].found;
  const etcd::Revision latest = changes.empty() ? 0 : changes[0].modified;
  // One that began just now may still be on its way.
  const bool had_time = now_ns_ - watch_began_ns_ >= kWatchNs;
  if (watching_ && had_time && watched_ < changes_before_) {
    log_warn("the watch of definitions hangs: starting it again");
    client_.end_watch();
    watching_ = false;
    watch_at_ns_ = 0;
  }
  changes_before_ = latest;
}

void Cluster::want_fence() {
  if (std::exchange(fence_wanted_, true)) return;
  heartbeat_ns_ = now_ns_;
  wake_at(now_ns_);
}

void Cluster::pass_fence(etcd::Revision node) {
  node_revision_ = node;
  fence_wanted_ = false;
}

void Cluster::note_node(const std::vector<etcd::KeyValue>& node, etcd::Revision compared) {
  if (!node.empty() && node[0].modified < compared)
    return fail_for_revision(compared, node[0].modified);
  if (!node.empty() && node[0].modified <= node_revision_) return;  // known meanwhile
  const auto record = node.empty() ? std::nullopt : NodeRecord::read(node[0].value);
  // A put that was made though it was not answered: of the latest mark or the one before; or it
  // came late, with the mark that was etcd's anyway.
  const ClusterStamp& stamp = state_.stamp();
  if (record && (record->mark == stamp.mark || record->mark == stamp.previous_mark ||
                 record->mark == stamp.confirmed_mark)) {
    pass_fence(node[0].modified);
    if (record->mark == stamp.mark) end_move();
    return;
  }
  fail_for_good(
      ExitStatus::kTemporary,
      node.empty()
          ? fmt::format("node {} was deleted from etcd: it issues nothing any more",
                        settings_.node_id)
          : fmt::format("another process, on {}, serves as node {} now: this one issues nothing "
                        "any more",
                        record ? record->host : "?", settings_.node_id));
}

void Cluster::move_mark() {
  const bool issued = registry_.flushes() > flushes_marked_;
  const bool due = move_ == Move::kNone && now_ns_ >= heartbeat_ns_;
  const bool stuck = move_ == Move::kFlushed && !moved_twice_ && now_ns_ - moved_ns_ >= kStuckNs;
  if (issued && (due || stuck)) {
    moved_twice_ = stuck;
    ClusterStamp stamp = state_.stamp();
    if (!stuck) stamp.confirmed_mark = stamp.mark;
    stamp.previous_mark = std::exchange(stamp.mark, random_mark());
    state_.set_stamp(stamp);
    // The flush that takes it along is this one or the one after: what a later one writes needs
    // another move.
    flushes_marked_ = registry_.flushes() + 1;
    move_change_ = registry_.request_flush();
    move_ = Move::kFlushing;
  }
  if (move_ == Move::kFlushing && registry_.settled().load() > move_change_) {
    move_ = Move::kFlushed;
    moved_ns_ = now_ns_;
    heartbeat_ns_ = std::min(heartbeat_ns_, now_ns_ + (moved_twice_ ? kBeatNs : 0));
  }
}

void Cluster::keep_alive() {
  if (keeping_alive_) return;
  if (alive_lease_ == 0) return revive();
  keeping_alive_ = true;
  client_.keep_alive(alive_lease_, [this](const etcd::Answer<int64_t>& left) {
    keeping_alive_ = false;
    const bool gone = !left && left.error().kind == etcd::Failure::Kind::kNotFound;
    if (gone && step_ != Step::kFailed && !leaving_) revive();
  });
}

// The lease has run out while this process stood still or etcd was away. Whether somebody else has
// taken the id meanwhile, the heartbeat sees. What is not answered, or meets a move of the mark, is
// begun again at the next beat: a lease without the key is no sign of life.
void Cluster::revive() {
  keeping_alive_ = true;
  alive_lease_ = 0;
  client_.grant_lease(kAliveS, [this](const etcd::Answer<int64_t>& lease) {
    if (!lease || step_ == Step::kFailed || leaving_) {
      keeping_alive_ = false;
      return;
    }
    etcd::Txn txn{.compares = {{key("node", settings_.node_id), etcd::Compare::What::kModified,
                                node_revision_}},
                  .then = {etcd::put(key("alive", settings_.node_id), host_, *lease)}};
    transact(std::move(txn), [this, put = *lease](const auto& answer) {
      keeping_alive_ = false;
      if (answer && answer->held) alive_lease_ = put;
    });
  });
}

}  // namespace number_dispenser
