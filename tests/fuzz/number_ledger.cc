#include "number_ledger.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

#include "number_dispenser/base/check.h"
#include "number_dispenser/command/command.h"

namespace number_dispenser::fuzz {
namespace {

std::optional<uint64_t> number_in(std::string_view text) {
  uint64_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](unsigned char c) { return std::tolower(c); });
  return result;
}

// Says nothing of the dispenser: the client may not, the disk has failed, a word is not a number.
bool is_about_the_request(const StrictReply& reply) {
  return reply.is_error() && reply.text != "ERR dispenser not found" &&
         reply.text != "ERR number range exhausted";
}

}  // namespace

void NumberLedger::account(std::span<const std::string_view> words, const StrictReply& reply) {
  const Command* command = resolve_command(words);
  if (command == nullptr || is_about_the_request(reply)) return;
  if (command->name == "hset") {
    define(words);
  } else if (command->name == "del" || command->name == "unlink") {
    for (const std::string_view name : words.subspan(1))
      if (const auto found = entries_.find(name); found != entries_.end()) entries_.erase(found);
  } else if (command->name == "get" || command->name == "incr") {
    draw(words[1], 1, reply);
  } else if (command->name == "incrby") {
    draw(words[1], number_in(words[2]).value(), reply);
  } else if (command->name == "mget") {
    ND_CHECK(reply.items.size() == words.size() - 1, "{} numbers", reply.items.size());
    for (size_t at = 0; at < reply.items.size(); ++at) draw(words[at + 1], 1, reply.items[at]);
  }
}

void NumberLedger::define(std::span<const std::string_view> words) {
  if (entries_.contains(words[1])) return;
  Definition definition{.step = 1};
  for (size_t at = 2; at < words.size(); at += 2) {
    const std::string field = lower(words[at]);
    const uint64_t value = number_in(words[at + 1]).value_or(0);
    if (field == "type") definition.kind = static_cast<Kind>(value);
    if (field == "length") definition.length = static_cast<uint8_t>(value);
    if (field == "starting") definition.starting = value;
    if (field == "step") definition.step = value;
  }
  entries_.emplace(words[1], Entry{definition, definition.starting});
}

// The reply of a draw of `count` numbers: the last of them, an error, or null for both errors.
void NumberLedger::draw(std::string_view name, uint64_t count, const StrictReply& reply) {
  const auto found = entries_.find(name);
  const bool none = reply.null || reply.is_error();
  if (found == entries_.end()) {
    ND_CHECK(none, "'{}' of no dispenser", reply.text);
    return;
  }
  Entry& entry = found->second;
  const auto last = entry.next + static_cast<unsigned __int128>(count - 1) * entry.definition.step;
  const bool exhausted =
      entry.definition.kind != Kind::kRandom && last > largest_number(entry.definition);
  ND_CHECK(none == exhausted, "{}: '{}', exhausted: {}", name, reply.text, exhausted);
  if (!none) check_number(entry, count, reply);
}

void NumberLedger::check_number(Entry& entry, uint64_t count, const StrictReply& reply) {
  const Definition& definition = entry.definition;
  const auto number = number_in(reply.text);
  ND_CHECK(number.has_value(), "'{}' is no number", reply.text);
  if (reply.type == '$' && definition.length != 0)
    ND_CHECK(reply.text.size() == definition.length, "'{}' of {} digits", reply.text,
             definition.length);
  if (definition.kind == Kind::kRandom) {
    const RandomRange range = random_range(definition.length);
    ND_CHECK(*number >= range.first && *number - range.first < range.count, "{}", *number);
    return;
  }
  entry.next += static_cast<unsigned __int128>(count - 1) * definition.step;
  ND_CHECK(*number == entry.next, "{} instead of {}", *number, static_cast<uint64_t>(entry.next));
  entry.next += definition.step;
}

}  // namespace number_dispenser::fuzz
