// How a node compares what it has with what etcd lists, and makes the one what the other is.
#include <fmt/format.h>

#include <utility>

#include "number_dispenser/base/log.h"
#include "number_dispenser/cluster/cluster.h"
#include "records.h"

namespace number_dispenser {
namespace {

etcd::Revision generation_of(const Registry::Info& info) {
  return static_cast<etcd::Revision>(info.lease.generation);
}

}  // namespace

std::vector<std::string> Cluster::local_names() const {
  std::vector<std::string> names;
  registry_.list(0, UINT64_MAX, [&](std::string_view name) { names.emplace_back(name); });
  return names;
}

// A generation is a revision of etcd: the newest here, and its dispenser.
Cluster::Newest Cluster::newest_generation() const {
  Newest newest;
  for (std::string& name : local_names()) {
    const auto info = registry_.info(name);
    if (!info || generation_of(*info) <= newest.generation) continue;
    newest = {std::move(name), generation_of(*info)};
  }
  return newest;
}

bool Cluster::is_listed(const std::string& name) const {
  const auto found = listing_.find(name);
  return found != listing_.end() && found->second.definition.created != 0;
}

// What is listed is older than what this node knows: then nothing of it is believed.
bool Cluster::is_listed_older(const std::string& name) const {
  const auto info = registry_.info(name);
  if (!info || is_old(name, listed_ + 1)) return false;
  const etcd::Revision here = generation_of(*info);
  return here > listed_ || (is_listed(name) && listing_.at(name).definition.created < here);
}

// Makes the registry what etcd had at the revision `listed_`.
void Cluster::reconcile() {
  if (listed_ < watched_) return fail_for_revision(watched_, listed_);
  const std::vector<std::string> names = local_names();
  // Before anything is changed.
  for (const std::string& name : names)
    if (is_listed_older(name)) return fail_for_generation(name);
  imports_.clear();
  // What this node has changed since that revision stays: the watch tells of it yet.
  absl::erase_if(known_, [&](const auto& known) {
    return known.second.modified <= listed_ && !is_listed(known.first);
  });
  absl::erase_if(gone_, [&](const auto& gone) { return gone.second <= listed_; });
  std::erase_if(waiting_, [&](const auto& waiting) { return !known_.contains(waiting.first); });
  for (const std::string& name : names) compare_local(name);
  if (step_ == Step::kFailed) return;
  for (auto& [name, listed] : listing_) {
    // A counter alone is left where somebody has deleted the definition by hand: nobody's.
    if (listed.definition.created == 0 || is_old(name, listed_ + 1)) continue;
    Known& known = known_[name];
    const bool has_first = known.has_first && known.generation == listed.definition.created;
    known = {listed.definition.created, listed.definition.modified, 0, 0, has_first};
    if (const auto counter = CounterRecord::read(listed.alloc.value)) {
      known.alloc_modified = listed.alloc.modified;
      known.alloc_next = counter->next;
    }
    place_definition(name, listed.definition, {});
  }
  listing_.clear();
  placing_since_ns_ = now_ns_;
  watched_ = std::exchange(listed_, 0);
  step_ = Step::kImport;
}

void Cluster::compare_local(const std::string& name) {
  const auto info = registry_.info(name);
  if (!info) return;
  const auto found = listing_.find(name);
  const bool is_there = is_listed(name);
  const etcd::Revision generation = generation_of(*info);
  if (generation == 0) {
    if (!is_there && found != listing_.end()) return fail_for_left_counter(name);
    if (!is_there) return imports_.push_back(name);
    const Listed& listed = found->second;
    const auto counter = CounterRecord::read(listed.alloc.value);
    // An import of ours that was not answered, or whose answer did not get into the file: whichever
    // file of ours this is, all that it has issued is below the counter. What was leased with the
    // import is ours where nobody has moved that since.
    const auto record = DefinitionRecord::read(listed.definition.value);
    const bool is_leased = Registry::is_leased(info->definition, info->strategy);
    const uint64_t next = is_leased ? info->next : 0;
    if (counter && record && record->imported_by == settings_.node_id &&
        record->import_next == next && record->definition == info->definition &&
        Registry::is_leased(record->definition, record->strategy) == is_leased) {
      const bool was_ours = counter->node == settings_.node_id && counter->first == next &&
                            (counter->run == run_ || (keep_ && counter->run == opened_.run));
      return adopt_import(name,
                          {listed.definition.created, listed.definition.modified,
                           listed.alloc.modified, counter->next, true},
                          was_ours ? counter->next : next);
    }
    return fail_for_good(
        ExitStatus::kConfiguration,
        fmt::format("dispenser {} exists in the cluster, and in this data directory as one that "
                    "served alone: delete it in the cluster, on another node, or start this one "
                    "with an empty data directory",
                    name));
  }
  if (is_old(name, listed_ + 1)) return;
  if (!is_there || found->second.definition.created != generation) {
    remove_local(name);
    return;
  }
  // Only before anything is leased: later, the list may be older than the latest lease.
  if (!joined_.load()) compare_counter(name, *info);
}

// etcd's counter is never behind what was leased; and a segment that was leased for this node's
// last run, but not yet written to the file when that ended, is still there.
void Cluster::compare_counter(const std::string& name, const Registry::Info& info) {
  const auto counter = CounterRecord::read(listing_[name].alloc.value);
  if (!counter) return;
  const Lease& lease = info.lease;
  const uint64_t leased = lease.next.empty() ? lease.end : lease.next.end;
  if (counter->next < leased) return fail_for_counter(name);
  const bool is_ours = counter->node == settings_.node_id && counter->run == opened_.run;
  if (!keep_ || !is_ours || counter->first < leased || counter->next <= counter->first) return;
  const Segment latest{counter->first, counter->next};
  if (registry_.add_segment(name, lease.generation, latest)) note_leased(latest);
}

// Somebody has deleted the definition alone, by hand; what the counter says may be issued.
void Cluster::fail_for_left_counter(const std::string& name) {
  fail_for_good(ExitStatus::kConfiguration,
                fmt::format("dispenser {} served alone in this data directory, and etcd has a "
                            "counter of that name without a definition: delete {} there",
                            name, key("alloc", name)));
}

void Cluster::fail_for_counter(const std::string& name) {
  fail_for_restored(fmt::format("etcd knows less of dispenser {} than this node has leased", name));
}

void Cluster::fail_for_generation(const std::string& name) {
  fail_for_restored(fmt::format("etcd is older than dispenser {} as this node has it", name));
}

void Cluster::fail_for_revision(etcd::Revision before, etcd::Revision now) {
  fail_for_restored(fmt::format("etcd's revision has gone back from {} to {}", before, now));
}

void Cluster::fail_for_restored(std::string_view sign) {
  fail_for_good(ExitStatus::kConfiguration,
                fmt::format("{}: etcd was restored from a backup, so it may lease again what was "
                            "issued. See number-dispenser-cluster(7), \"Backup\".",
                            sign));
}

void Cluster::adopt_import(const std::string& name, const Known& known, uint64_t end) {
  const auto info = registry_.info(name);
  if (info && info->next < end) note_leased({info->next, end});
  registry_.give_lease(name, {.generation = static_cast<uint64_t>(known.generation), .end = end});
  known_[name] = known;
  log_info("{} belongs to the cluster now", name);
}

}  // namespace number_dispenser
