// What issues numbers: GET and its kin.
#include <fmt/format.h>

#include <algorithm>
#include <expected>
#include <span>
#include <string>
#include <vector>

#include "handlers.h"
#include "number_dispenser/command/client_session.h"
#include "text.h"

namespace number_dispenser::handlers {
namespace {

constexpr std::string_view kNotFound = "ERR dispenser not found";
constexpr std::string_view kExhausted = "ERR number range exhausted";

constexpr std::string_view kMissing =
    "TRYAGAIN no numbers are left that this node has leased: more have to come first";

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

// What a draw came to: an ordinal; or null, with the error written, or nothing (kRetry).
struct Drawn {
  Cell* cell = nullptr;
  uint64_t ordinal = 0;
  Next next = Next::kContinue;
};

// Draws, from the next segment where the one in use is used up.
std::expected<uint64_t, Registry::Refill> draw(Registry& registry, Cell& cell, uint64_t count) {
  for (;;) {
    if (const auto ordinal = cell.draw(count)) [[likely]]
      return *ordinal;
    const Registry::Refill refill = registry.refill(cell, count);
    if (refill.supply != Registry::Supply::kReady) return std::unexpected(refill);
  }
}

// A node has to lease more first: tried again when that has come, where it is on its way.
Next wait_for_segment(Call& call) {
  const CommandContext& context = call.client.context();
  return context.leases() ? Next::kRetry : error(call, context.why_not_leasing());
}

// Some of these have to be leased first; a name counts as often as it is given.
bool is_any_short(Call& call, std::span<const std::string_view> names) {
  std::vector<Cell*> cells;
  for (const std::string_view name : names)
    if (Cell* cell = call.client.view().find(name); cell != nullptr && !cell->has(names.size()))
      cells.push_back(cell);
  std::ranges::sort(cells);
  for (auto at = cells.begin(); at != cells.end();) {
    const auto end = std::upper_bound(at, cells.end(), *at);
    if (call.client.registry().is_short(**at, static_cast<uint64_t>(end - at))) return true;
    at = end;
  }
  return false;
}

// `count` numbers of the dispenser that the second word names.
Drawn draw_named(Call& call, uint64_t count) {
  Cell* cell = call.client.look_up(call.words[1]);
  if (cell == nullptr) {
    call.reply.error(kNotFound);
    return {};
  }
  if (!call.client.registry().issuing()) {
    call.reply.error(call.client.context().why_not_issuing());
    return {};
  }
  const auto ordinal = draw(call.client.registry(), *cell, count);
  if (ordinal) [[likely]]
    return {cell, *ordinal};
  if (ordinal.error().supply == Registry::Supply::kComing) return {.next = wait_for_segment(call)};
  if (ordinal.error().supply == Registry::Supply::kTooMany) {
    call.reply.error(fmt::format(
        "ERR the cluster has no {} consecutive numbers left of the range: ask for fewer", count));
    return {};
  }
  call.reply.error(ordinal.error().supply == Registry::Supply::kExhausted
                       ? std::string(kExhausted)
                       : fmt::format("ERR only {0} consecutive numbers are left of this node's "
                                     "segment: ask for {0} or fewer",
                                     ordinal.error().left));
  return {};
}

}  // namespace

Next get(Call& call) {
  const Drawn drawn = draw_named(call, 1);
  if (drawn.cell == nullptr) return drawn.next;
  Cell& cell = *drawn.cell;
  call.reply.bulk_number(number_of(call, cell, drawn.ordinal), cell.length);
  hold_until_durable(call, cell, drawn.ordinal);
  return Next::kContinue;
}

Next incr(Call& call) {
  const Drawn drawn = draw_named(call, 1);
  if (drawn.cell == nullptr) return drawn.next;
  call.reply.integer(static_cast<int64_t>(number_of(call, *drawn.cell, drawn.ordinal)));
  hold_until_durable(call, *drawn.cell, drawn.ordinal);
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
  const Drawn drawn = draw_named(call, static_cast<uint64_t>(*count));
  if (drawn.cell == nullptr) return drawn.next;
  const uint64_t last = drawn.ordinal + static_cast<uint64_t>(*count) - 1;
  call.reply.integer(static_cast<int64_t>(drawn.cell->number(last)));
  hold_until_durable(call, *drawn.cell, last);
  return Next::kContinue;
}

// Null for a name that is no dispenser or has no number left, as Redis does for a key without a
// string; an error for a number that has to be leased first.
Next mget(Call& call) {
  Registry& registry = call.client.registry();
  if (!registry.issuing()) return error(call, call.client.context().why_not_issuing());
  const auto names = call.words.subspan(1);
  // Nothing is drawn while any of them has to be leased first.
  if (registry.is_clustered() && is_any_short(call, names)) return wait_for_segment(call);
  call.reply.array(names.size());
  for (const std::string_view name : names) {
    Cell* cell = call.client.look_up(name);
    const auto ordinal =
        cell == nullptr ? std::unexpected(Registry::Refill{}) : draw(registry, *cell, 1);
    if (!ordinal) {
      // Another loop's draw may have come between, or what is here was not enough for all.
      if (cell != nullptr && ordinal.error().supply == Registry::Supply::kComing)
        call.reply.error(kMissing);
      else
        call.reply.null();
      continue;
    }
    call.reply.bulk_number(number_of(call, *cell, *ordinal), cell->length);
    hold_until_durable(call, *cell, *ordinal);
  }
  return Next::kContinue;
}

}  // namespace number_dispenser::handlers
