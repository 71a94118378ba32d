// What issues numbers: GET and its kin.
#include <fmt/format.h>

#include "handlers.h"
#include "number_dispenser/command/client_session.h"
#include "text.h"

namespace number_dispenser::handlers {
namespace {

constexpr std::string_view kNotFound = "ERR dispenser not found";
constexpr std::string_view kExhausted = "ERR number range exhausted";

// The gate's first half, for the last of the ordinals just drawn: a number that no durable bound
// covers is held, and the bound is asked to move. The second half is Connection::release().
void hold_until_durable(Call& call, Cell& cell, uint64_t ordinal) {
  const uint64_t bound = cell.durable_bound.load();
  if (ordinal >= cell.raise_at.load() || ordinal >= bound) call.client.registry().want_raise(cell);
  if (ordinal >= bound) call.sink.hold_until_past(cell.durable_bound, ordinal);
}

uint64_t number_of(Call& call, const Cell& cell, uint64_t ordinal) {
  if (cell.kind != Kind::kRandom) return cell.number(ordinal);
  const RandomRange range = random_range(cell.length);
  return range.first + call.client.random().below(range.count);
}

// A single number of the dispenser that the second word names, or null with the error written.
struct Drawn {
  Cell* cell;
  uint64_t ordinal;
};
std::optional<Drawn> draw_named(Call& call, uint64_t count) {
  Cell* cell = call.client.look_up(call.words[1]);
  std::string_view fault;
  if (cell == nullptr) {
    fault = kNotFound;
  } else if (!call.client.registry().issuing()) {
    fault = kIoErrorReply;
  } else if (const auto ordinal = cell->draw(count)) {
    return Drawn{cell, *ordinal};
  } else {
    fault = kExhausted;
  }
  call.reply.error(fault);
  return std::nullopt;
}

}  // namespace

Next get(Call& call) {
  const auto drawn = draw_named(call, 1);
  if (!drawn) return Next::kContinue;
  Cell& cell = *drawn->cell;
  call.reply.bulk_number(number_of(call, cell, drawn->ordinal), cell.length);
  hold_until_durable(call, cell, drawn->ordinal);
  return Next::kContinue;
}

Next incr(Call& call) {
  const auto drawn = draw_named(call, 1);
  if (!drawn) return Next::kContinue;
  call.reply.integer(static_cast<int64_t>(number_of(call, *drawn->cell, drawn->ordinal)));
  hold_until_durable(call, *drawn->cell, drawn->ordinal);
  return Next::kContinue;
}

Next incrby(Call& call) {
  const auto count = parse_signed(call.words[2]);
  if (!count) return error(call, "ERR value is not an integer or out of range");
  if (*count < 1)
    return error(call,
                 "ERR n must be 1 or more: INCRBY issues n consecutive numbers, and none is "
                 "ever taken back");
  const Cell* named = call.client.view().find(call.words[1]);
  if (named != nullptr && named->kind == Kind::kRandom)
    return error(call,
                 "ERR INCRBY does not apply to type 1: its numbers are random, not consecutive");
  const auto drawn = draw_named(call, static_cast<uint64_t>(*count));
  if (!drawn) return Next::kContinue;
  const uint64_t last = drawn->ordinal + static_cast<uint64_t>(*count) - 1;
  call.reply.integer(static_cast<int64_t>(drawn->cell->number(last)));
  hold_until_durable(call, *drawn->cell, last);
  return Next::kContinue;
}

// Null for a name that is no dispenser or has no number left, as Redis does for a key without a
// string.
Next mget(Call& call) {
  if (!call.client.registry().issuing()) return error(call, kIoErrorReply);
  const auto names = call.words.subspan(1);
  call.reply.array(names.size());
  for (const std::string_view name : names) {
    Cell* cell = call.client.look_up(name);
    const auto ordinal = cell == nullptr ? std::nullopt : cell->draw(1);
    if (!ordinal) {
      call.reply.null();
      continue;
    }
    call.reply.bulk_number(number_of(call, *cell, *ordinal), cell->length);
    hold_until_durable(call, *cell, *ordinal);
  }
  return Next::kContinue;
}

}  // namespace number_dispenser::handlers
