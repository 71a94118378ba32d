#include "cluster_oracle.h"

#include <algorithm>
#include <charconv>

#include "../../src/cluster/records.h"

namespace number_dispenser::sim {
namespace {

constexpr uint64_t kRange = 1'000'000'000;  // of a long definition, in numbers

std::string definition_key(const std::string& name) {
  return "/number-dispenser/def/" + name;
}
std::string counter_key(const std::string& name) {
  return "/number-dispenser/alloc/" + name;
}

}  // namespace

size_t ClusterOracle::attempt(const std::string& name, bool is_alone) {
  Rng& rng = world_.rng;
  const Definition random{.kind = Kind::kRandom, .length = 9};
  if (!is_alone && rng.chance(50))
    if (const auto earlier = attempt_of(name, random)) return *earlier;
  Attempt made{.name = name};
  made.is_alone = is_alone;
  // Mostly those that count.
  made.strategy =
      rng.chance(80) && !is_alone ? StrategyId::kMemory : static_cast<StrategyId>(1 + rng.below(4));
  const uint64_t number = attempts_.size() + 100;  // all of three digits
  const auto length = static_cast<uint8_t>(rng.between(4, 8));
  if (!is_alone && rng.chance(50) && !attempt_of(name, random)) {
    made.definition = random;
  } else if (!is_alone && rng.chance(200) && (lengths_used_[name] & (1U << length)) == 0) {
    // Short enough to run out.
    lengths_used_[name] |= 1U << length;
    made.definition = {Kind::kFixedLength, length, power_of_ten(length) - rng.between(1, 3000), 1};
  } else if (rng.chance(300)) {
    made.definition = {Kind::kFixedLength, 12, number * kRange, 1};
  } else {
    made.definition = {Kind::kIncrementing, 0, number * kRange * 1000, rng.between(1, 3)};
  }
  attempts_.push_back(std::move(made));
  return attempts_.size() - 1;
}

std::optional<size_t> ClusterOracle::earlier_attempt(const std::string& name) {
  const auto latest = versions(name, 0).back();
  return latest.attempt && !attempts_[*latest.attempt].is_alone ? latest.attempt : std::nullopt;
}

std::vector<ClusterOracle::Version> ClusterOracle::versions(const std::string& name,
                                                            etcd::Revision from) {
  History& history = histories_[name];
  auto& all = history.versions;
  const std::string key = definition_key(name);
  for (const etcd::Event& event :
       etcd_.store.events(key, key + '\0', history.read + 1, etcd_.store.revision())) {
    all.back().to = event.kv.modified;
    Version next{event.kv.modified, INT64_MAX, std::nullopt};
    const auto record = DefinitionRecord::read(event.kv.value);
    if (!event.deleted && record) {
      next.attempt = attempt_of(name, record->definition);
      next.strategy = record->strategy;
    }
    if (next.attempt && next.attempt != all.back().attempt) {
      Attempt& made = attempts_[*next.attempt];
      ++made.creations;
      if (made.open == 0 && !made.is_alone)
        world_.violate("{} is defined at revision {}, and nobody asks for it any more", name,
                       next.from);
    }
    all.push_back(next);
  }
  history.read = etcd_.store.revision();
  std::vector<Version> found = all;
  std::erase_if(found, [from](const Version& version) { return version.to <= from; });
  return found;
}

std::optional<size_t> ClusterOracle::attempt_of(const std::string& name,
                                                const Definition& definition) const {
  for (size_t at = attempts_.size(); at-- > 0;)
    if (attempts_[at].name == name && attempts_[at].definition == definition) return at;
  return std::nullopt;
}

std::optional<size_t> ClusterOracle::attempt_of(const std::string& name, const std::string& number,
                                                uint64_t& ordinal) const {
  uint64_t value = 0;
  const auto [end, code] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (code != std::errc() || end != number.data() + number.size()) return std::nullopt;
  for (size_t at = 0; at < attempts_.size(); ++at) {
    const Definition& of = attempts_[at].definition;
    if (attempts_[at].name != name) continue;
    if (of.kind == Kind::kRandom) {
      if (number.size() == of.length) return at;
      continue;
    }
    if (of.length != 0 && number.size() != of.length) continue;
    if (of.length == 0 && number.size() <= 12) continue;
    if (value < of.starting || (value - of.starting) % of.step != 0) continue;
    ordinal = (value - of.starting) / of.step;
    if (value - of.starting < (of.length == 0 ? kRange * 1000 : kRange) &&
        ordinal < capacity_of(of))
      return at;
  }
  return std::nullopt;
}

void ClusterOracle::judge(const ClusterRequest& request, const Reply& reply, NodeLog& log,
                          Tops& tops) {
  ++judged;
  ++now_;
  // What was made until now was made while this was asked for.
  if (request.what == ClusterRequest::What::kDefine) versions(request.name, 0);
  if (is_excused(reply)) {
    if (!excuses_) world_.violate("{} is answered '{}'", request.name, reply.text);
    // Nothing came of it, then.
    const bool unchanged =
        reply.text.ends_with("nothing was changed") || reply.text.starts_with("ERR etcd refuses");
    if (reply.text.starts_with("TRYAGAIN etcd") && !unchanged &&
        !reply.text.ends_with("it is not known whether the change was made"))
      world_.violate("{} is answered '{}', which leaves open what came of it", request.name,
                     reply.text);
    if (request.what == ClusterRequest::What::kDefine && unchanged) {
      --attempts_[request.attempt].open;
      attempts_[request.attempt].refused = attempts_[request.attempt].asked == 1;
    }
    return;
  }
  switch (request.what) {
    case ClusterRequest::What::kGet:
      return judge_get(request, reply, log, tops);
    case ClusterRequest::What::kDefine:
      --attempts_[request.attempt].open;
      return judge_define(request, reply, log);
    case ClusterRequest::What::kSwitch:
      return judge_switch(request, reply);
    case ClusterRequest::What::kRemove:
      return judge_remove(request, reply, log);
  }
}

bool ClusterOracle::is_excused(const Reply& reply) const {
  return reply.is_error() &&
         (reply.text.starts_with("TRYAGAIN") || reply.text.starts_with("IOERR") ||
          reply.text.starts_with("ERR etcd"));
}

void ClusterOracle::judge_get(const ClusterRequest& request, const Reply& reply, NodeLog& log,
                              Tops& tops) {
  if (!reply.is_error()) return judge_number(request, reply, log, tops);
  const auto known = versions(request.name, 0);
  if (reply.text == "ERR dispenser not found") {
    // What was acknowledged here is seen here, until somebody deletes it.
    const auto defined = log.defined.find(request.name);
    if (defined == log.defined.end() || defined->second.when > request.sent) return;
    const auto stays = std::ranges::none_of(known, [&](const Version& version) {
      return !version.attempt && version.to > defined->second.at;
    });
    if (stays && !log.is_alone)
      world_.violate("{} is not found, and was acknowledged on this node at revision {}",
                     request.name, defined->second.at);
    return;
  }
  // Or there are not so many.
  if (reply.text == "ERR number range exhausted" ||
      reply.text.starts_with("ERR the cluster has no ")) {
    const bool has_end = std::ranges::any_of(known, [&](const Version& version) {
      return version.attempt &&
             (attempts_[*version.attempt].definition.length < 9 ||
              attempts_[*version.attempt].definition.kind == Kind::kRandom) &&
             attempts_[*version.attempt].definition.length > 0;
    });
    if (!has_end) world_.violate("{} is exhausted, but its range is long", request.name);
    const auto& last = known.back();
    if (excuses_ || !last.attempt || !attempts_[*last.attempt].is_counted()) return;
    const auto counter = CounterRecord::read(etcd_.store.value_of(counter_key(request.name)));
    const uint64_t capacity = capacity_of(attempts_[*last.attempt].definition);
    if (counter && counter->next + request.count <= capacity)
      world_.violate("{} is exhausted, but only {} of {} are leased", request.name, counter->next,
                     capacity);
    return;
  }
  if (reply.text.starts_with("ERR only ") || reply.text.starts_with("ERR INCRBY does not")) return;
  world_.violate("a number of {} was asked for, and the reply is '{}'", request.name, reply.text);
}

void ClusterOracle::judge_number(const ClusterRequest& request, const Reply& reply, NodeLog& log,
                                 Tops& tops) {
  uint64_t last = 0;
  const auto found = attempt_of(request.name, reply.text, last);
  if (!found) return world_.violate("{} of {} belongs to no definition", reply.text, request.name);
  Attempt& of = attempts_[*found];
  if (of.definition.kind == Kind::kRandom) return;
  const auto known = versions(request.name, 0);
  const auto is_it = [&](const Version& version) { return version.attempt == found; };
  if (std::ranges::none_of(known, is_it) && !of.is_alone)
    return world_.violate("{} of {} is of a definition that etcd has never had", reply.text,
                          request.name);
  // After a DEL that was acknowledged here.
  const auto removed = log.removed.find(request.name);
  if (removed != log.removed.end() && removed->second.when < request.sent &&
      std::ranges::none_of(known, [&](const Version& version) {
        return version.attempt == found && version.to > removed->second.at;
      }))
    return world_.violate("{} of {} is of a definition whose deletion was acknowledged here",
                          reply.text, request.name);
  if (!of.is_counted()) return;
  if (last + 1 < request.count) return world_.violate("{} cannot be the last of so many", last);
  const uint64_t first = last + 1 - request.count;
  uint64_t& top = tops[*found];
  if (first < top)
    return world_.violate("{} of {} is out of order on its connection", reply.text, request.name);
  top = last + 1;
  if (of.seen.size() <= last) of.seen.resize(last + 1 + last / 2);
  for (uint64_t ordinal = first; ordinal <= last; ++ordinal) {
    if (of.seen[ordinal])
      return world_.violate("{} of {} was issued twice: ordinal {}", reply.text, request.name,
                            ordinal);
    of.seen[ordinal] = true;
  }
}

void ClusterOracle::judge_define(const ClusterRequest& request, const Reply& reply, NodeLog& log) {
  const auto known = versions(request.name, request.sent_at);
  const auto is_it = [&](const Version& version) { return version.attempt == request.attempt; };
  if (!reply.is_error()) {
    if (!log.is_alone && std::ranges::none_of(known, is_it))
      return world_.violate("HSET {} is acknowledged, and etcd does not have it", request.name);
    // The first that it may speak of; one that came later may not be heard of yet.
    const auto first = std::ranges::find_if(known, is_it);
    if (first != known.end())
      log.defined[request.name] = {std::max(first->from, request.sent_at), now_};
    return;
  }
  const auto differs = [&](const Version& version) {
    return version.attempt && version.attempt != request.attempt;
  };
  if (reply.text.find("exists with another definition") != std::string::npos ||
      reply.text.starts_with("ERR dispenser '")) {
    if (std::ranges::none_of(known, differs))
      world_.violate("HSET {} is answered '{}', and there was no other", request.name, reply.text);
    return;
  }
  if (reply.text.find("no room") != std::string::npos) return;
  world_.violate("HSET {} is answered '{}'", request.name, reply.text);
}

void ClusterOracle::judge_switch(const ClusterRequest& request, const Reply& reply) {
  const auto known = versions(request.name, request.sent_at);
  if (!reply.is_error()) {
    if (std::ranges::none_of(known, [&](const Version& version) {
          return version.attempt && version.strategy == request.strategy;
        }))
      world_.violate("{} is acknowledged to be {}, and never was", request.name,
                     strategy_of(request.strategy).name);
    return;
  }
  const bool missing = reply.text.starts_with("ERR dispenser not found");
  if (missing &&
      std::ranges::any_of(known, [](const Version& version) { return !version.attempt; }))
    return;
  if (reply.text.starts_with("ERR in a cluster a dispenser cannot switch") &&
      std::ranges::any_of(known, [&](const Version& version) {
        return version.attempt &&
               strategy_of(version.strategy).durable != strategy_of(request.strategy).durable;
      }))
    return;
  world_.violate("a switch of {} is answered '{}'", request.name, reply.text);
}

void ClusterOracle::judge_remove(const ClusterRequest& request, const Reply& reply, NodeLog& log) {
  const auto known = versions(request.name, request.sent_at);
  if (reply.is_error()) return world_.violate("DEL {} is answered '{}'", request.name, reply.text);
  // The first moment that it may speak of: of an end, or of not being there.
  const bool there = reply.text == "1";
  auto found = known.begin();
  while (found != known.end() && (found->attempt || (there && found == known.begin()))) ++found;
  if (found == known.end())
    return world_.violate("DEL {} is answered {}", request.name, reply.text);
  log.removed[request.name] = {std::max(found->from, request.sent_at), now_};
  log.defined.erase(request.name);
}

void ClusterOracle::judge_holdings(const std::vector<Holding>& holdings) {
  struct Range {
    uint64_t begin, end;
    unsigned machine;
  };
  std::map<std::pair<size_t, uint64_t>, std::vector<Range>> all;  // by attempt and generation
  for (const Holding& holding : holdings) {
    const Registry::Info& info = holding.info;
    if (!Registry::is_leased(info.definition, info.strategy)) continue;
    const auto of = attempt_of(holding.name, info.definition);
    if (!of) {
      world_.violate("machine {} has a {} that nobody has asked for", holding.machine,
                     holding.name);
      return;
    }
    versions(holding.name, 0);
    if (!attempts_[*of].is_counted()) continue;
    auto& ranges = all[{*of, info.lease.generation}];
    if (info.next < info.lease.end) ranges.push_back({info.next, info.lease.end, holding.machine});
    if (!info.lease.next.empty())
      ranges.push_back({info.lease.next.begin, info.lease.next.end, holding.machine});
  }
  for (auto& [of, ranges] : all) {
    std::ranges::sort(ranges, {}, &Range::begin);
    const Attempt& attempt = attempts_[of.first];
    for (size_t at = 0; at < ranges.size(); ++at) {
      if (at > 0 && ranges[at].begin < ranges[at - 1].end)
        return world_.violate("machines {} ({} to {}) and {} ({} to {}) both hold ordinals of {}",
                              ranges[at - 1].machine, ranges[at - 1].begin, ranges[at - 1].end,
                              ranges[at].machine, ranges[at].begin, ranges[at].end, attempt.name);
      const uint64_t end = std::min<uint64_t>(ranges[at].end, attempt.seen.size());
      for (uint64_t ordinal = ranges[at].begin; ordinal < end; ++ordinal)
        if (attempt.seen[ordinal])
          return world_.violate("machine {} would issue ordinal {} of {} again", ranges[at].machine,
                                ordinal, attempt.name);
    }
  }
}

void ClusterOracle::judge_refusals() {
  for (size_t at = 0; at < attempts_.size(); ++at) {
    if (!attempts_[at].refused || attempts_[at].asked > 1) continue;
    const auto known = versions(attempts_[at].name, 0);
    if (std::ranges::any_of(known, [at](const auto& version) { return version.attempt == at; }))
      world_.violate("{} was defined, and its client was told that nothing has changed",
                     attempts_[at].name);
  }
}

}  // namespace number_dispenser::sim
