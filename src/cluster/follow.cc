// How a node follows the definitions of the others: by a watch, from the revision of the list on.
#include <fmt/format.h>

#include <utility>

#include "number_dispenser/base/log.h"
#include "number_dispenser/cluster/cluster.h"
#include "records.h"

namespace number_dispenser {

void Cluster::watch() {
  if (watching_) return;
  if (now_ns_ < watch_at_ns_) return wake_at(watch_at_ns_);
  watching_ = true;
  watch_began_ns_ = now_ns_;
  // `changes` comes before all definitions, and nothing between: its changes count as heard of also
  // where no definition has changed.
  client_.watch(changes_key(), etcd::after_prefix(key("def", "")), watched_ + 1,
                [this](const etcd::Answer<etcd::Watched>& news) { on_watched(news); });
}

void Cluster::on_watched(const etcd::Answer<etcd::Watched>& news) {
  if (step_ != Step::kServe) return;
  if (!news) {
    watching_ = false;
    ++watch_failures_;
    watch_at_ns_ = now_ns_ + jitter_ns((100ULL << std::min(watch_failures_, 3U)) * 1'000'000);
    if (news.error().kind != etcd::Failure::Kind::kCompacted) return;
    // What happened since is no longer told: look at everything again.
    log_warn("the history of definitions in etcd was compacted: reading all of them again");
    step_ = Step::kList;
    return;
  }
  if (is_other_etcd()) return fail_for_other_etcd();
  watch_failures_ = 0;
  for (const etcd::Event& event : news->events) follow(event);
  watched_ = std::max(watched_, news->revision);
  newest_ = std::max(newest_, watched_);
  absl::erase_if(gone_, [&](const auto& gone) { return gone.second <= watched_; });
}

void Cluster::follow(const etcd::Event& event) {
  const std::string all = key("def", "");
  if (!event.kv.key.starts_with(all)) return;
  const std::string name = event.kv.key.substr(all.size());
  const etcd::Revision at = event.kv.modified;
  if (const auto gone = gone_.find(name); gone != gone_.end() && at <= gone->second) return;
  const auto found = known_.find(name);
  if (found != known_.end() && at <= found->second.modified) return;
  news_ = true;
  if (event.deleted) {
    known_.erase(name);
    waiting_.erase(name);
    remove_local(name);
    return;
  }
  Known& known = known_[name];
  if (known.generation != event.kv.created) known = {event.kv.created};
  known.modified = at;
  place_definition(name, event.kv, {});
  if (const auto record = DefinitionRecord::read(event.kv.value)) note_followed(record->changed_us);
}

// Makes the local dispenser what `kv` says; `lease`: of one that is new here. The change that has
// it, or nothing while there is no room for it.
std::optional<uint64_t> Cluster::place_definition(const std::string& name, const etcd::KeyValue& kv,
                                                  const Lease& lease) {
  const auto waited = waiting_.extract(name);
  const auto record = DefinitionRecord::read(kv.value);
  if (!record || !is_valid_name(name)) {
    log_error("etcd has a definition of {} bytes, revision {}, that is none: it is left out",
              kv.key.size(), kv.modified);
    return registry_.request_flush();
  }
  const auto generation = static_cast<uint64_t>(kv.created);
  const auto info = registry_.info(name);
  if (info && info->lease.generation == generation) {
    if (record->definition == info->definition && may_switch(*info, record->strategy))
      return registry_.switch_strategy(name, record->strategy).change;
    log_error("the definition of {} was changed in etcd by hand, to what no HSET can: not followed",
              name);
    return registry_.request_flush();
  }
  if (info) registry_.remove(view_, name);
  // A change of strategy while it waited for room leaves it the segment that came with it.
  const bool is_same = !waited.empty() && waited.mapped().kv.created == kv.created;
  Lease first = is_same && lease.end == 0 ? waited.mapped().lease : lease;
  first.generation = generation;
  const auto made = registry_.define(view_, name, record->definition, record->strategy, first);
  if (made.outcome == Registry::Outcome::kDone) return made.change;
  if (made.outcome == Registry::Outcome::kRefused && waited.empty())
    log_error("no room for dispenser {} of the cluster: the disk or the state file is full", name);
  waiting_[name] = {kv, first};
  return std::nullopt;
}

// Between memory and the others a counter would have to go back, or ahead of its lease.
bool Cluster::may_switch(const Registry::Info& info, StrategyId strategy) {
  return Registry::is_leased(info.definition, info.strategy) ==
         Registry::is_leased(info.definition, strategy);
}

// A change at this revision, of which etcd's answer comes now, is overtaken by what is known here.
bool Cluster::is_old(const std::string& name, etcd::Revision at) const {
  const auto gone = gone_.find(name);
  const auto known = known_.find(name);
  return at <= watched_ || (gone != gone_.end() && at <= gone->second) ||
         (known != known_.end() && at <= known->second.modified);
}

std::optional<uint64_t> Cluster::remove_local(const std::string& name) {
  return registry_.remove(view_, name).change;
}

void Cluster::place_waiting() {
  if (waiting_.empty()) return;
  if (now_ns_ < place_at_ns_) return wake_at(place_at_ns_);
  place_at_ns_ = now_ns_ + 10'000'000;
  wake_at(place_at_ns_);
  // Of a copy: each is taken out, and back in where there is still no room.
  for (const auto& [name, waiting] : std::map(waiting_))
    place_definition(name, waiting.kv, waiting.lease);
}

void Cluster::note_followed(int64_t changed_us) {
  // On another machine's clock.
  const int64_t now_us = clock_.unix_us();
  const int64_t took_ms = changed_us < 0 || changed_us > now_us ? 0 : (now_us - changed_us) / 1000;
  const std::lock_guard lock(status_mutex_);
  size_t at = 0;
  while (static_cast<uint64_t>(took_ms) > ClusterStatus::kFollowMs[at]) ++at;
  ++status_.followed[at];
}

}  // namespace number_dispenser
