// Definitions: HSET and DEL change them, the other hash commands read them.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "handlers.h"
#include "number_dispenser/command/client_session.h"
#include "section_names.h"
#include "text.h"

namespace number_dispenser::handlers {
namespace {

constexpr std::string_view kFields = "type, length, starting, step, auto_disk";

// A name's fault, or nothing.
std::optional<std::string> name_fault(std::string_view name) {
  if (name.empty() || name.size() > kLongestName)
    return fmt::format("ERR a dispenser's name has 1 to {} bytes, not {}", kLongestName,
                       name.size());
  if (!is_valid_name(name)) return "ERR a dispenser's name has no spaces and no control characters";
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
  const auto number = parse_count(value);
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
    return fmt::format(
        "ERR wrong number of arguments for 'hset' command: field '{}' has no value "
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
    return std::unexpected(
        fmt::format("ERR field 'length' (1 to 18) is required for type {}", *wanted.type));
  made.length = static_cast<uint8_t>(wanted.length.value_or(0));
  if (kind == Kind::kRandom) {
    if (wanted.starting || wanted.step)
      return std::unexpected(
          fmt::format("ERR field '{}' does not apply to type 1: its numbers are random",
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
  return fmt::format(
      "ERR dispenser '{}' exists with another definition, which only auto_disk can "
      "change: DEL it first to define it anew",
      name);
}

// Etcd has not decided.
Next undecided(Call& call, const Proposal& proposal) {
  switch (proposal.outcome.load()) {
    case Proposal::Outcome::kUnknown:
      return error(call, fmt::format("TRYAGAIN {}: it is not known whether the change was made",
                                     proposal.text.empty() ? "etcd did not answer"
                                                           : printable(proposal.text)));
    case Proposal::Outcome::kRefused:
      return error(call, fmt::format("ERR etcd refuses the change: {}", printable(proposal.text)));
    default:
      return error(call, "TRYAGAIN etcd cannot be reached: nothing was changed");
  }
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
  return error(
      call,
      fmt::format("ERR dispenser not found: to create '{}', give its type (1, 2 or 3)", name));
}

// What the cluster has decided of an HSET.
Next answer_proposal(Call& call, const Proposal& decided) {
  const std::string& name = decided.names.front();
  switch (decided.outcome.load()) {
    case Proposal::Outcome::kDone:
      return answer_change(call, {Registry::Outcome::kDone, decided.change}, name);
    case Proposal::Outcome::kDiffers:
      return error(call, differs(name));
    case Proposal::Outcome::kNotFound:
      return answer_change(call, {Registry::Outcome::kNotFound}, name);
    case Proposal::Outcome::kMemory:
      return error(call,
                   "ERR in a cluster a dispenser cannot switch between memory and the other "
                   "strategies: DEL it first to define it anew");
    case Proposal::Outcome::kNoRoom:
      return error(call,
                   "ERR defined in the cluster, but this node has no room for it: the disk or the "
                   "state file is full");
    default:
      return undecided(call, decided);
  }
}

// A definition's fields as HSET takes them; those that the kind does not have are left out.
struct Field {
  std::string_view name;
  std::string value;
};
std::vector<Field> fields_of(const Registry::Info& info) {
  const Definition& definition = info.definition;
  std::vector<Field> fields{{"type", std::to_string(static_cast<int>(definition.kind))}};
  if (definition.length != 0) fields.push_back({"length", std::to_string(definition.length)});
  if (definition.kind != Kind::kRandom) {
    fields.push_back({"starting", std::to_string(definition.starting)});
    fields.push_back({"step", std::to_string(definition.step)});
  }
  fields.push_back({"auto_disk", std::string(strategy_of(info.strategy).name)});
  return fields;
}

// None for a name that is no dispenser: an empty hash, as in Redis.
std::vector<Field> fields_of(Call& call) {
  const auto info = call.client.registry().info(call.words[1]);
  call.client.count_lookup(info.has_value());
  return info ? fields_of(*info) : std::vector<Field>();
}

void write_field(Call& call, const std::vector<Field>& fields, std::string_view name) {
  const auto found = std::ranges::find_if(
      fields, [&](const Field& field) { return equals_ignoring_case(field.name, name); });
  if (found == fields.end())
    call.reply.null();
  else
    call.reply.bulk(found->value);
}

}  // namespace

Next hset(Call& call) {
  const std::string_view name = call.words[1];
  if (const auto fault = name_fault(name)) return error(call, *fault);
  Wanted wanted;
  if (const auto fault = read_fields(call.words.subspan(2), wanted)) return error(call, *fault);
  Registry& registry = call.client.registry();
  if (!registry.issuing()) return error(call, call.client.context().why_not_issuing());
  const bool clustered = call.client.context().cluster != nullptr;
  if (wanted.only_strategy() && clustered) {
    Proposal proposal(Proposal::What::kSwitch, {std::string(name)});
    proposal.strategy = wanted.strategy;
    const auto decided = call.client.decide(std::move(proposal));
    return decided ? answer_proposal(call, *decided) : Next::kRetry;
  }
  if (wanted.only_strategy())
    return answer_change(call, registry.switch_strategy(name, *wanted.strategy), name);
  if (!wanted.type)
    return error(
        call,
        registry.info(name)
            ? fmt::format("ERR dispenser '{}' exists, and without its type only auto_disk can be "
                          "given: DEL it first to define it anew",
                          name)
            : "ERR field 'type' is required: 1 (random), 2 (incrementing, fixed "
              "length) or 3 (incrementing)");
  const auto definition = define_from(wanted);
  if (!definition) return error(call, definition.error());
  if (clustered) {
    Proposal proposal(Proposal::What::kDefine, {std::string(name)});
    proposal.definition = *definition;
    proposal.strategy = wanted.strategy;
    const auto decided = call.client.decide(std::move(proposal));
    return decided ? answer_proposal(call, *decided) : Next::kRetry;
  }
  return answer_change(
      call, registry.define(call.client.view(), name, *definition, wanted.strategy), name);
}

Next del(Call& call) {
  Registry& registry = call.client.registry();
  if (!registry.issuing()) return error(call, call.client.context().why_not_issuing());
  if (call.client.context().cluster != nullptr) {
    const auto names = call.words.subspan(1);
    const auto decided =
        call.client.decide({Proposal::What::kRemove, {names.begin(), names.end()}});
    if (!decided) return Next::kRetry;
    if (decided->outcome.load() != Proposal::Outcome::kDone) return undecided(call, *decided);
    call.reply.integer(decided->removed);
    call.sink.hold_until_past(registry.settled(), decided->change);
    return Next::kContinue;
  }
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

Next hget(Call& call) {
  write_field(call, fields_of(call), call.words[2]);
  return Next::kContinue;
}

Next hmget(Call& call) {
  const auto fields = fields_of(call);
  const auto names = call.words.subspan(2);
  call.reply.array(names.size());
  for (const std::string_view name : names) write_field(call, fields, name);
  return Next::kContinue;
}

Next hgetall(Call& call) {
  const auto fields = fields_of(call);
  call.reply.map(fields.size());
  for (const Field& field : fields) {
    call.reply.bulk(field.name);
    call.reply.bulk(field.value);
  }
  return Next::kContinue;
}

Next hkeys(Call& call) {
  const auto fields = fields_of(call);
  call.reply.array(fields.size());
  for (const Field& field : fields) call.reply.bulk(field.name);
  return Next::kContinue;
}

Next hvals(Call& call) {
  const auto fields = fields_of(call);
  call.reply.array(fields.size());
  for (const Field& field : fields) call.reply.bulk(field.value);
  return Next::kContinue;
}

Next hlen(Call& call) {
  call.reply.integer(static_cast<int64_t>(fields_of(call).size()));
  return Next::kContinue;
}

Next hexists(Call& call) {
  const auto fields = fields_of(call);
  call.reply.integer(std::ranges::any_of(
      fields, [&](const Field& field) { return equals_ignoring_case(field.name, call.words[2]); }));
  return Next::kContinue;
}

}  // namespace number_dispenser::handlers
