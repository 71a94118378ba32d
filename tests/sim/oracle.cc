// Replies of GET, HSET and DEL; oracle_requests.cc makes the requests, oracle_info.cc judges INFO,
// and with it recovery.
#include "oracle.h"

#include <algorithm>
#include <charconv>

#include "number_dispenser/command/client_session.h"

namespace number_dispenser::sim {
namespace {

constexpr std::string_view kNotFound = "ERR dispenser not found";

}  // namespace

Oracle::Oracle(World& world, unsigned names) : world_(world), names_(names) {
  for (unsigned name = 0; name < names; ++name) {
    names_[name].text = fmt::format("d{}", name);
    if (name % 3 == 2) names_[name].text.resize(world_.rng.between(3, 128), 'x');
  }
}

void Oracle::judge(const Request& request, const Reply& reply, std::vector<Top>& tops) {
  ++judged_;
  ++now_;
  if (reply.is_error() && reply.text == kIoErrorReply) {
    if (!io_error_allowed_) world_.violate("{} though no flush has failed", reply.text);
    return;
  }
  switch (request.what) {
    case Request::What::kGet:
      return judge_get(request, reply, tops);
    case Request::What::kInfo:
    case Request::What::kResolve:
    case Request::What::kVerify:
      return judge_info(request, reply);
    case Request::What::kChange:
      return judge_change(request, reply);
    case Request::What::kExact:
      if (reply.is_error() || reply.text != request.expected)
        world_.violate("the reply is '{}', not '{}'", reply.text, request.expected);
      return;
    case Request::What::kError:
      if (!reply.is_error() || !reply.text.starts_with(request.expected))
        world_.violate("the reply is '{}', not the error '{}'", reply.text, request.expected);
      return;
    case Request::What::kExec:
      if (reply.type != '*' || reply.items.size() != request.inner.size())
        return world_.violate("EXEC has {} replies, not {}", reply.items.size(),
                              request.inner.size());
      for (size_t at = 0; at < request.inner.size(); ++at)
        judge(request.inner[at], reply.items[at], tops);
      return;
    case Request::What::kMget:
      if (reply.type != '*' || reply.items.size() != request.inner.size())
        return world_.violate("MGET has {} replies, not {}", reply.items.size(),
                              request.inner.size());
      for (size_t at = 0; at < request.inner.size(); ++at)
        judge_get(request.inner[at], reply.items[at], tops);
      return;
  }
}

// It was not certain to exist all the time from request to reply.
bool Oracle::may_be_missing(const Request& request) const {
  return !request.existed || names_[request.name].deletions != request.deletions;
}

// All of its numbers have been asked for, as far as it can be known.
bool Oracle::may_be_exhausted(const Name& name, uint64_t count) const {
  return std::ranges::any_of(name.generations, [&](const Generation& of) {
    const auto gets = static_cast<uint64_t>(static_cast<int64_t>(name.gets_sent) - of.gets_base);
    return of.capacity < gets + of.wasted + count;
  });
}

void Oracle::judge_get(const Request& request, const Reply& reply, std::vector<Top>& tops) {
  Name& name = names_[request.name];
  name.gets_answered += request.count;
  if (reply.is_bulk() || reply.type == ':') return judge_number(request, reply, tops);
  if ((reply.null || reply.text == kNotFound) && may_be_missing(request)) return;
  if ((reply.null || reply.text == "ERR number range exhausted") &&
      may_be_exhausted(name, request.count))
    return;
  if (reply.text.starts_with("ERR INCRBY does not apply") &&
      std::ranges::any_of(name.generations,
                          [](const Generation& of) { return of.definition.kind == Kind::kRandom; }))
    return;
  world_.violate("a number of {} was asked for, and the reply is '{}'", name.text, reply.text);
}

int Oracle::generation_of(const Name& name, const Reply& reply, uint64_t& ordinal) const {
  const std::string& text = reply.text;
  const bool padded = reply.type != ':';
  uint64_t number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc() || end != text.data() + text.size()) return -1;
  for (size_t at = name.generations.size(); at-- > 0;) {
    const Definition& definition = name.generations[at].definition;
    if (padded && definition.length != 0 && text.size() != definition.length) continue;
    if ((!padded || definition.length == 0) && text != std::to_string(number)) continue;
    ordinal = 0;
    if (definition.kind == Kind::kRandom) {
      const RandomRange range = random_range(definition.length);
      if (number >= range.first && number - range.first < range.count) return static_cast<int>(at);
      continue;
    }
    if (number < definition.starting || (number - definition.starting) % definition.step != 0)
      continue;
    ordinal = (number - definition.starting) / definition.step;
    constexpr uint64_t kFarthest = 500'000;  // of a simulation; where the next definition begins
    if (ordinal < kFarthest && ordinal < name.generations[at].capacity) return static_cast<int>(at);
  }
  return -1;
}

void Oracle::judge_number(const Request& request, const Reply& reply, std::vector<Top>& tops) {
  Name& name = names_[request.name];
  const std::string& text = reply.text;
  uint64_t last = 0;
  const int found = generation_of(name, reply, last);
  if (found < 0) return world_.violate("{} of {} belongs to no definition", text, name.text);
  Generation& of = name.generations[static_cast<size_t>(found)];
  if (of.definition.kind == Kind::kRandom) return;
  if (last + 1 < request.count)
    return world_.violate("{} of {} cannot be the last of {}", text, name.text, request.count);
  const uint64_t first = last + 1 - request.count;
  if (of.dead_at != 0 && of.dead_at < request.sent_at)
    return world_.violate("{} of {} came from a definition that was deleted", text, name.text);
  if (found == request.generation && first < request.floor)
    return world_.violate("{} of {} is not past {} that was received before it was asked for", text,
                          name.text, request.floor - 1);
  tops.resize(names_.size());
  Top& top = tops[request.name];
  if (top.generation == found && first < top.next)
    return world_.violate("{} of {} is out of order on its connection", text, name.text);
  top = {found, last + 1};
  if (of.seen.size() <= last) of.seen.resize(last + 1 + last / 2);
  for (uint64_t ordinal = first; ordinal <= last; ++ordinal) {
    if (of.seen[ordinal])
      return world_.violate("{} of {} was issued twice",
                            of.definition.starting + ordinal * of.definition.step, name.text);
    of.seen[ordinal] = true;
  }
  of.top = std::max(of.top, last + 1);
}

void Oracle::judge_change(const Request& request, const Reply& reply) {
  Name& name = names_[request.name];
  if (reply.is_error() && reply.text.starts_with("ERR no room") && no_room_allowed_) {
    // Nothing has changed; its owner waits for each answer while disks may be full.
    if (request.serial + 1 == name.first_serial + name.states.size()) name.states.pop_back();
    return;
  }
  if (reply.type != ':' || reply.text != request.expected)
    return world_.violate("a change of {} is answered '{}', not {}", name.text, reply.text,
                          request.expected);
  world_.trace("d{}: change {} is acknowledged", request.name, request.serial);
  for (; name.first_serial < request.serial; ++name.first_serial) name.states.pop_front();
  bury_dead(name);
}

// Definitions that no crash can bring back.
void Oracle::bury_dead(Name& name) {
  for (size_t at = 0; at < name.generations.size(); ++at) {
    const auto is_it = [at](const State& state) {
      return state.generation == static_cast<int>(at);
    };
    Generation& generation = name.generations[at];
    if (generation.dead_at == 0 && std::ranges::none_of(name.states, is_it))
      generation.dead_at = now_;
  }
}

std::string Oracle::describe(const Name& name, const State& state) const {
  if (state.generation < 0) return "not there";
  const Definition& of = name.generations[static_cast<size_t>(state.generation)].definition;
  return fmt::format("type {} length {} starting {} step {} {}", static_cast<int>(of.kind),
                     of.length, of.starting, of.step, strategy_of(state.strategy).name);
}

}  // namespace number_dispenser::sim
