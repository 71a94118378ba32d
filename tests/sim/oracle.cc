// Requests, and the replies of GET, HSET and DEL; oracle_info.cc judges INFO, and with it recovery.
#include "oracle.h"

#include <algorithm>
#include <charconv>

#include "number_dispenser/command/client_session.h"

namespace number_dispenser::sim {
namespace {

constexpr std::string_view kNotFound = "ERR dispenser not found";

// As an array of bulk strings or, where there is nothing to quote, as a line.
void write_request(Rng& rng, std::string& bytes, std::initializer_list<std::string_view> words) {
  if (rng.coin()) {
    for (const std::string_view word : words)
      fmt::format_to(std::back_inserter(bytes), "{} ", word);
    bytes.replace(bytes.size() - 1, 1, "\r\n");
    return;
  }
  fmt::format_to(std::back_inserter(bytes), "*{}\r\n", words.size());
  for (const std::string_view word : words)
    fmt::format_to(std::back_inserter(bytes), "${}\r\n{}\r\n", word.size(), word);
}

}  // namespace

Oracle::Oracle(World& world, unsigned names) : world_(world), names_(names) {
  for (unsigned name = 0; name < names; ++name) {
    names_[name].text = fmt::format("d{}", name);
    if (name % 3 == 2) names_[name].text.resize(world_.rng.between(3, 128), 'x');
  }
}

Request Oracle::about(unsigned name, Request::What what) {
  const Name& of = names_[name];
  Request made{.what = what, .name = name, .sent_at = ++now_};
  const auto exists = [](const State& state) { return state.generation >= 0; };
  made.existed = std::ranges::all_of(of.states, exists);
  made.deletions = of.deletions;
  if (!of.generations.empty()) {
    made.generation = static_cast<int>(of.generations.size()) - 1;
    made.floor = of.generations.back().top;
  }
  return made;
}

Request Oracle::draw(unsigned name, uint64_t count) {
  Name& of = names_[name];
  of.gets_sent += count;
  for (Generation& generation : of.generations) generation.exact = false;
  Request made = about(name, Request::What::kGet);
  made.count = count;
  return made;
}

Request Oracle::get(unsigned name, std::string& bytes) {
  Rng& rng = world_.rng;
  const std::string& text = names_[name].text;
  const uint64_t chosen = rng.below(100);
  if (chosen >= 6) {
    write_request(rng, bytes, {"get", text});
    return draw(name, 1);
  }
  if (chosen >= 3) {
    write_request(rng, bytes, {"INCR", text});
    return draw(name, 1);
  }
  const uint64_t count = rng.chance(100) ? rng.between(1, 3000) : rng.between(1, 20);
  write_request(rng, bytes, {"INCRBY", text, std::to_string(count)});
  return draw(name, count);
}

Request Oracle::get_many(std::string& bytes) {
  Rng& rng = world_.rng;
  Request all{.what = Request::What::kMget};
  const uint64_t count = rng.between(1, 6);
  fmt::format_to(std::back_inserter(bytes), "MGET");
  for (uint64_t at = 0; at < count; ++at) {
    const auto name = static_cast<unsigned>(rng.below(names_.size()));
    fmt::format_to(std::back_inserter(bytes), " {}", names_[name].text);
    all.inner.push_back(draw(name, 1));
  }
  bytes += "\r\n";
  return all;
}

Request Oracle::info(unsigned name, Request::What what, std::string& bytes) {
  write_request(world_.rng, bytes, {"INFO", names_[name].text});
  return about(name, what);
}

// Numbers that no other definition of this name has.
Definition Oracle::new_definition(Name& name) {
  Rng& rng = world_.rng;
  const uint64_t number = name.generations.size() + 1;
  const uint64_t chosen = rng.below(100);
  if (chosen < 30) {
    const auto length = static_cast<uint8_t>(rng.between(1, 8));
    if ((name.lengths_used & (1u << length)) == 0) {
      name.lengths_used |= 1u << length;
      if (length > 3) return {.kind = Kind::kRandom, .length = length};
      // Short enough to run out.
      const uint64_t least = length == 1 ? 0 : power_of_ten(length - 1u);
      return {Kind::kFixedLength, length, least + rng.below(5), rng.between(1, 3)};
    }
  }
  if (chosen < 50) return {Kind::kFixedLength, 12, number * 1'000'000'000, rng.between(1, 3)};
  if (chosen < 60 && !name.end_used) {
    name.end_used = true;
    return {Kind::kIncrementing, 0, kMaxNumber - rng.below(300), rng.between(1, 7)};
  }
  return {Kind::kIncrementing, 0, number * 1'000'000'000'000 + rng.below(1000),
          rng.chance(800) ? 1 : rng.between(2, 1000)};
}

Request Oracle::change(unsigned name, std::string& bytes) {
  Rng& rng = world_.rng;
  Name& of = names_[name];
  Request made = about(name, Request::What::kChange);
  State state = of.states.back();
  const auto strategy = static_cast<StrategyId>(rng.below(kStrategies.size()));
  const std::string_view spelt = kStrategies[static_cast<size_t>(strategy)].name;
  made.expected = "1";
  if (state.generation < 0) {
    Generation fresh{.definition = new_definition(of)};
    const Definition& defined = fresh.definition;
    fresh.capacity = capacity_of(defined);
    fresh.gets_base = static_cast<int64_t>(of.gets_answered);
    state = {static_cast<int>(of.generations.size()), strategy};
    of.generations.push_back(std::move(fresh));
    const std::string type = std::to_string(static_cast<int>(defined.kind));
    const std::string length = std::to_string(defined.length);
    const std::string starting = std::to_string(defined.starting);
    const std::string step = std::to_string(defined.step);
    made.expected = defined.kind == Kind::kRandom        ? "3"
                    : defined.kind == Kind::kFixedLength ? "5"
                                                         : "4";
    if (defined.kind == Kind::kRandom)
      write_request(rng, bytes,
                    {"HSET", of.text, "type", type, "length", length, "auto_disk", spelt});
    else if (defined.kind == Kind::kFixedLength)
      write_request(rng, bytes,
                    {"hset", of.text, "auto_disk", spelt, "length", length, "type", type,
                     "starting", starting, "step", step});
    else
      write_request(
          rng, bytes,
          {"HSET", of.text, "type", type, "starting", starting, "step", step, "auto_disk", spelt});
  } else if (rng.chance(650)) {
    state.strategy = strategy;
    write_request(rng, bytes, {"HSET", of.text, "auto_disk", spelt});
  } else {
    state = {};
    ++of.deletions;
    write_request(rng, bytes, {"DEL", of.text});
  }
  if (state.generation >= 0) {
    Generation& generation = of.generations[static_cast<size_t>(state.generation)];
    generation.strategies |= 1u << static_cast<unsigned>(state.strategy);
    generation.exact = false;
  }
  of.states.push_back(state);
  made.serial = of.first_serial + of.states.size() - 1;
  world_.trace("owner of d{}: {} (change {})", name, describe(of, state), made.serial);
  return made;
}

Request Oracle::refused_change(unsigned name, std::string& bytes) {
  const Name& of = names_[name];
  Request made = about(name, Request::What::kError);
  const bool there = of.states.back().generation >= 0;
  made.expected = there ? "ERR dispenser '" : "ERR dispenser not found: to create";
  if (there)
    write_request(world_.rng, bytes, {"HSET", of.text, "type", "3", "starting", "7", "step", "9"});
  else
    write_request(world_.rng, bytes, {"HSET", of.text, "auto_disk", "memory"});
  return made;
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
