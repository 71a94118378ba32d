// MEMORY: what the process takes.
#include <fmt/format.h>
#include <malloc.h>

#include <string>
#include <utility>

#include "handlers.h"
#include "memory_use.h"
#include "number_dispenser/command/client_session.h"
#include "text.h"

namespace number_dispenser::handlers {

Next memory_usage(Call& call) {
  const bool sampled = call.words.size() == 5 && equals_ignoring_case(call.words[3], "samples") &&
                       parse_count(call.words[4]).has_value();
  if (call.words.size() != 3 && !sampled) return error(call, "ERR syntax error");
  if (call.client.look_up(call.words[2]) == nullptr)
    call.reply.null();
  else
    call.reply.integer(static_cast<int64_t>(Registry::kBytesPerDispenser));
  return Next::kContinue;
}

Next memory_stats(Call& call) {
  const MemoryUse use = memory_use();
  const uint64_t names = call.client.registry().size();
  const std::pair<std::string_view, uint64_t> kStats[] = {
      {"peak.allocated", use.peak_bytes},
      {"total.allocated", use.resident_bytes},
      {"keys.count", names},
      {"keys.bytes-per-key", names == 0 ? 0 : Registry::kBytesPerDispenser},
      {"dataset.bytes", names * Registry::kBytesPerDispenser},
      {"allocator.allocated", use.heap_bytes},
      {"allocator.resident", use.arena_bytes},
  };
  call.reply.map(std::size(kStats));
  for (const auto& [name, value] : kStats) {
    call.reply.bulk(name);
    call.reply.integer(static_cast<int64_t>(value));
  }
  return Next::kContinue;
}

// Memory grows with dispensers and clients only, and a dispenser has one size: no other case is
// known that an operator should hear of.
Next memory_doctor(Call& call) {
  const MemoryUse use = memory_use();
  call.reply.verbatim(
      fmt::format("{} MiB resident for {} dispensers and {} clients: nothing to report.\n",
                  use.resident_bytes >> 20, call.client.registry().size(),
                  call.client.context().loop_totals().connections));
  return Next::kContinue;
}

Next memory_malloc_stats(Call& call) {
  const MemoryUse use = memory_use();
  call.reply.verbatim(fmt::format("glibc: {} bytes in use, {} bytes taken from the system\n",
                                  use.heap_bytes, use.arena_bytes));
  return Next::kContinue;
}

Next memory_purge(Call& call) {
  ::malloc_trim(0);
  return ok(call);
}

}  // namespace number_dispenser::handlers
