// Which dispensers there are, in the words that Redis has for keys.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "handlers.h"
#include "number_dispenser/command/client_session.h"
#include "text.h"

namespace number_dispenser::handlers {
namespace {

constexpr uint64_t kScanCount = 10;  // as in Redis
// The registry is looked through under its lock, which keeps others waiting: so many names at a
// time.
constexpr uint64_t kBatch = 1024;
// A pattern costs its length for every name.
constexpr size_t kLongestPattern = 1024;
constexpr std::string_view kPatternTooLong = "ERR a pattern has at most 1024 bytes";

bool is_known(Call& call, std::string_view name) {
  return call.client.look_up(name) != nullptr;
}

Next write_names(Call& call, const std::vector<std::string>& names) {
  call.reply.array(names.size());
  for (const std::string& name : names) call.reply.bulk(name);
  return Next::kContinue;
}

struct ScanOptions {
  std::string_view match = "*";
  uint64_t count = kScanCount;
  bool hashes = true;  // TYPE hash, or none given
};

// The error's text, or nothing.
std::optional<std::string_view> read_options(std::span<const std::string_view> words,
                                             ScanOptions& options) {
  for (; words.size() >= 2; words = words.subspan(2)) {
    if (equals_ignoring_case(words[0], "match")) {
      options.match = words[1];
    } else if (equals_ignoring_case(words[0], "count")) {
      const auto count = parse_signed(words[1]);
      if (!count) return "ERR value is not an integer or out of range";
      if (*count < 1) return "ERR syntax error";
      options.count = std::min(static_cast<uint64_t>(*count), kBatch);
    } else if (equals_ignoring_case(words[0], "type")) {
      options.hashes = equals_ignoring_case(words[1], "hash");
    } else {
      return "ERR syntax error";
    }
  }
  if (!words.empty()) return "ERR syntax error";
  if (options.match.size() > kLongestPattern) return kPatternTooLong;
  return std::nullopt;
}

// As strtoul reads it, because Redis does: nothing is 0, and negative numbers are large ones.
std::optional<uint64_t> parse_cursor(std::string_view text) {
  if (text.empty()) return 0;
  if (const auto negative = parse_signed(text); negative && *negative < 0)
    return static_cast<uint64_t>(*negative);
  return parse_count(text);
}

Next no_such_key_or(Call& call, void (*answer)(Call&)) {
  if (is_known(call, call.words[2]))
    answer(call);
  else
    call.reply.null();
  return Next::kContinue;
}

}  // namespace

Next dbsize(Call& call) {
  call.reply.integer(static_cast<int64_t>(call.client.registry().size()));
  return Next::kContinue;
}

Next exists(Call& call) {
  call.reply.integer(std::ranges::count_if(call.words.subspan(1),
                                           [&](auto name) { return is_known(call, name); }));
  return Next::kContinue;
}

Next type(Call& call) {
  // Never string: a client that finds a string would GET it, and a GET draws.
  call.reply.simple(is_known(call, call.words[1]) ? "hash" : "none");
  return Next::kContinue;
}

Next keys(Call& call) {
  std::vector<std::string> names;
  if (call.words[1].size() > kLongestPattern) return error(call, kPatternTooLong);
  uint64_t slot = 0;
  do {
    slot = call.client.registry().list(slot, kBatch, [&](std::string_view name) {
      if (glob_matches(call.words[1], name, true)) names.emplace_back(name);
    });
  } while (slot != 0);
  return write_names(call, names);
}

// The cursor is the slot to go on with: a dispenser stays in its slot, so one that is there all the
// time is named exactly once.
Next scan(Call& call) {
  const auto cursor = parse_cursor(call.words[1]);
  if (!cursor) return error(call, "ERR invalid cursor");
  ScanOptions options;
  if (const auto fault = read_options(call.words.subspan(2), options)) return error(call, *fault);
  std::vector<std::string> names;
  const uint64_t next =
      call.client.registry().list(*cursor, options.count, [&](std::string_view name) {
        if (options.hashes && glob_matches(options.match, name, true)) names.emplace_back(name);
      });
  call.reply.array(2);
  call.reply.bulk(std::to_string(next));
  return write_names(call, names);
}

Next randomkey(Call& call) {
  Registry& registry = call.client.registry();
  const uint64_t start = call.client.random().below(std::max<uint64_t>(registry.slots(), 1));
  std::string found;
  const auto take = [&](std::string_view name) { found = name; };
  // The next one from a random slot on, else the first one of all.
  if (registry.list(start, 1, take); found.empty()) registry.list(0, 1, take);
  if (found.empty())
    call.reply.null();
  else
    call.reply.bulk(found);
  return Next::kContinue;
}

Next object_encoding(Call& call) {
  return no_such_key_or(call, [](Call& c) { c.reply.bulk("listpack"); });
}

Next object_freq(Call& call) {
  return no_such_key_or(call, [](Call& c) {
    c.reply.error(
        "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note "
        "that when switching between policies at runtime LRU and LFU data will take some time to "
        "adjust.");
  });
}

Next object_idletime(Call& call) {
  return no_such_key_or(call, [](Call& c) { c.reply.integer(0); });
}

Next object_refcount(Call& call) {
  return no_such_key_or(call, [](Call& c) { c.reply.integer(1); });
}

}  // namespace number_dispenser::handlers
