// HSET, GET, DEL and what else names a dispenser.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "handlers.h"
#include "number_dispenser/command/client_session.h"
#include "section_names.h"
#include "text.h"

namespace number_dispenser::handlers {
namespace {

constexpr size_t kLongestName = 128;
constexpr std::string_view kFields = "type, length, starting, step, auto_disk";

Next error(Call& call, std::string_view text) {
  call.reply.error(text);
  return Next::kContinue;
}

// A name's fault, or nothing.
std::optional<std::string> name_fault(std::string_view name) {
  const auto is_bad = [](unsigned char c) { return c <= ' ' || c == 0x7f; };
  if (name.empty() || name.size() > kLongestName)
    return fmt::format("ERR a dispenser's name has 1 to {} bytes, not {}", kLongestName,
                       name.size());
  if (std::ranges::any_of(name, is_bad))
    return "ERR a dispenser's name has no spaces and no control characters";
  if (is_section_name(name))
    return fmt::format("ERR '{}' cannot be a dispenser's name: INFO uses it for a section", name);
  return std::nullopt;
}

// What an HSET says, before it is known whether the dispenser exists.
struct Wanted {
  std::optional<uint64_t> type, length, starting, step;
  std::optional<StrategyId> strategy;

  bool only_strategy() const { return strategy && !type && !length && !starting && !step; }
};

// Reads one field's value; returns the error's text, or nothing.
std::optional<std::string> read_number(std::string_view field, std::string_view value,
                                       uint64_t lowest, uint64_t highest, std::string_view accepted,
                                       std::optional<uint64_t>& into) {
  if (into) return fmt::format("ERR field '{}' is given twice", field);
  const auto number = parse_number(value);
  if (!number || *number < lowest || *number > highest)
    return fmt::format("ERR invalid {} '{}': it must be {}", field, printable(value), accepted);
  into = number;
  return std::nullopt;
}

std::optional<std::string> read_field(std::string_view field, std::string_view value,
                                      Wanted& wanted) {
  if (equals_ignoring_case(field, "type"))
    return read_number("type", value, 1, 3,
                       "1 (random), 2 (incrementing, fixed length) or 3 (incrementing)",
                       wanted.type);
  if (equals_ignoring_case(field, "length"))
    return read_number("length", value, 1, kMaxLength, "1 to 18", wanted.length);
  if (equals_ignoring_case(field, "starting"))
    return read_number("starting", value, 0, kMaxNumber, "0 to 9223372036854775807",
                       wanted.starting);
  if (equals_ignoring_case(field, "step"))
    return read_number("step", value, 1, kMaxNumber, "1 to 9223372036854775807", wanted.step);
  if (!equals_ignoring_case(field, "auto_disk"))
    return fmt::format("ERR unknown field '{}': the fields are {}", printable(field), kFields);
  if (wanted.strategy) return "ERR field 'auto_disk' is given twice";
  wanted.strategy = parse_strategy(value);
  if (!wanted.strategy)
    return fmt::format("ERR invalid auto_disk '{}': it must be one of {}", printable(value),
                       kStrategyNames);
  return std::nullopt;
}

std::optional<std::string> read_fields(std::span<const std::string_view> words, Wanted& wanted) {
  if (words.size() % 2 != 0)
    return fmt::format("ERR wrong number of arguments for 'hset' command: field '{}' has no value "
                       "(the fields are {})",
                       printable(words.back()), kFields);
  for (size_t at = 0; at < words.size(); at += 2)
    if (auto fault = read_field(words[at], words[at + 1], wanted)) return fault;
  return std::nullopt;
}

// The definition that `wanted` (with a type) stands for; the error's text where it is none.
std::expected<Definition, std::string> define_from(const Wanted& wanted) {
  const auto kind = static_cast<Kind>(*wanted.type);
  Definition made{.kind = kind};
  if (kind == Kind::kIncrementing && wanted.length)
    return std::unexpected(
        "ERR field 'length' does not apply to type 3: use type 2 for a fixed length");
  if (kind != Kind::kIncrementing && !wanted.length)
    return std::unexpected(fmt::format("ERR field 'length' (1 to 18) is required for type {}",
                                       *wanted.type));
  made.length = static_cast<uint8_t>(wanted.length.value_or(0));
  if (kind == Kind::kRandom) {
    if (wanted.starting || wanted.step)
      return std::unexpected(fmt::format(
          "ERR field '{}' does not apply to type 1: its numbers are random",
          wanted.starting ? "starting" : "step"));
    return made;
  }
  made.starting = wanted.starting.value_or(0);
  made.step = wanted.step.value_or(1);
  if (made.starting > largest_number(made))
    return std::unexpected(fmt::format(
        "ERR invalid starting '{}': it does not fit the length of {}, so it must be 0 to {}",
        made.starting, made.length, largest_number(made)));
  return made;
}

std::string differs(std::string_view name) {
  return fmt::format("ERR dispenser '{}' exists with another definition, which only auto_disk can "
                     "change: DEL it first to define it anew",
                     name);
}

Next answer_change(Call& call, const Registry::Change& change, std::string_view name) {
  switch (change.outcome) {
    case Registry::Outcome::kDone:
      // Counted as Redis would: the pairs, whether new or not.
      call.reply.integer(static_cast<int64_t>((call.words.size() - 2) / 2));
      call.sink.hold_until_past(call.client.registry().settled(), change.change);
      return Next::kContinue;
    case Registry::Outcome::kNoRoom:
      return Next::kRetry;
    case Registry::Outcome::kDiffers:
      return error(call, differs(name));
    case Registry::Outcome::kRefused:
      return error(call, "ERR no room for another dispenser: the disk or the state file is full");
    case Registry::Outcome::kNotFound:
      break;
  }
  return error(call, fmt::format("ERR dispenser not found: to create '{}', give its type (1, 2 or 3)",
                                 name));
}

// The gate's first half, for the last of the ordinals just drawn: a number that no durable bound covers
// is held, and the bound is asked to move. The second half is Connection::release().
void hold_until_durable(Call& call, Cell& cell, uint64_t ordinal) {
  const uint64_t bound = cell.durable_bound.load();
  if (ordinal >= cell.raise_at.load() || ordinal >= bound)
    call.client.registry().want_raise(cell);
  if (ordinal >= bound) call.sink.hold_until_past(cell.durable_bound, ordinal);
}

}  // namespace

Next hset(Call& call) {
  const std::string_view name = call.words[1];
  if (const auto fault = name_fault(name)) return error(call, *fault);
  Wanted wanted;
  if (const auto fault = read_fields(call.words.subspan(2), wanted)) return error(call, *fault);
  Registry& registry = call.client.registry();
  if (!registry.issuing()) return error(call, kIoErrorReply);
  if (wanted.only_strategy())
    return answer_change(call, registry.switch_strategy(name, *wanted.strategy), name);
  if (!wanted.type)
    return error(call, registry.info(name)
                           ? differs(name)
                           : "ERR field 'type' is required: 1 (random), 2 (incrementing, fixed "
                             "length) or 3 (incrementing)");
  const auto definition = define_from(wanted);
  if (!definition) return error(call, definition.error());
  return answer_change(
      call, registry.define(call.client.view(), name, *definition, wanted.strategy), name);
}

Next get(Call& call) {
  Cell* cell = call.client.view().find(call.words[1]);
  if (cell == nullptr) return error(call, "ERR dispenser not found");
  if (!call.client.registry().issuing()) return error(call, kIoErrorReply);
  const auto ordinal = cell->draw(1);
  if (!ordinal) return error(call, "ERR number range exhausted");
  if (cell->kind == Kind::kRandom) {
    const RandomRange range = random_range(cell->length);
    call.reply.bulk_number(range.first + call.client.random().below(range.count), cell->length);
  } else {
    call.reply.bulk_number(cell->number(*ordinal), cell->length);
  }
  hold_until_durable(call, *cell, *ordinal);
  return Next::kContinue;
}

Next del(Call& call) {
  Registry& registry = call.client.registry();
  if (!registry.issuing()) return error(call, kIoErrorReply);
  int64_t existed = 0;
  uint64_t last_change = 0;
  for (const std::string_view name : call.words.subspan(1)) {
    const auto change = registry.remove(call.client.view(), name);
    existed += change.outcome == Registry::Outcome::kDone ? 1 : 0;
    last_change = change.change;
  }
  call.reply.integer(existed);
  call.sink.hold_until_past(registry.settled(), last_change);
  return Next::kContinue;
}

Next exists(Call& call) {
  const Registry::View& view = call.client.view();
  call.reply.integer(std::ranges::count_if(
      call.words.subspan(1), [&](std::string_view name) { return view.find(name) != nullptr; }));
  return Next::kContinue;
}

Next type(Call& call) {
  // Never string: a client that finds a string would GET it, and a GET draws.
  call.reply.simple(call.client.view().find(call.words[1]) != nullptr ? "hash" : "none");
  return Next::kContinue;
}

Next info_of_dispenser(Call& call) {
  const std::string_view name = call.words[1];
  const auto found = call.client.registry().info(name);
  if (!found) return error(call, "ERR dispenser not found");
  const Definition& definition = found->definition;
  const uint64_t current = definition.starting + found->next * definition.step;
  const double rate = found->next == 0 ? 0.0
                                       : 100.0 * static_cast<double>(found->wasted) /
                                             static_cast<double>(found->next);
  call.reply.verbatim(fmt::format(
      "name:{}\r\ntype:{}\r\nlength:{}\r\nstarting:{}\r\nstep:{}\r\ncurrent:{}\r\nauto_disk:{}\r\n"
      "generated:{}\r\nwasted:{}\r\nwaste_rate:{:.2f}%\r\n",
      name, static_cast<int>(definition.kind), definition.length, definition.starting,
      definition.step, current, strategy_of(found->strategy).name, found->next - found->wasted,
      found->wasted, rate));
  return Next::kContinue;
}

}  // namespace number_dispenser::handlers
