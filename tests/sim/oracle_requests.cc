// What clients ask for, and what has to be remembered of it.
#include <algorithm>

#include "oracle.h"

namespace number_dispenser::sim {
namespace {

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

}  // namespace number_dispenser::sim
