#include "number_dispenser/command/context.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "number_dispenser/base/fd.h"
#include "number_dispenser/base/replace_file.h"
#include "number_dispenser/command/client_session.h"

namespace number_dispenser {
namespace {

constexpr size_t kLargestAclBytes = 4 * 1024 * 1024;

std::string reason(std::string_view what, const std::string& path) {
  return fmt::format("{} {}: {}", what, path, std::strerror(errno));
}

}  // namespace

void CommandStats::count_error(std::string_view text) {
  const std::string_view code = text.substr(0, text.find_first_of(" \r"));
  const std::lock_guard lock(mutex_);
  const auto found = errors_.find(code);
  if (found != errors_.end())
    ++found->second;
  else
    errors_.emplace(code, 1);
}

std::map<std::string, uint64_t> CommandStats::errors() const {
  const std::lock_guard lock(mutex_);
  return {errors_.begin(), errors_.end()};
}

void CommandStats::reset() {
  for (Row& row : rows_) {
    row.latency.reset();
    for (Counter* counter :
         {&row.calls, &row.rejected, &row.failed, &row.timed_calls, &row.timed_ns})
      counter->reset();
  }
  hits.reset();
  misses.reset();
  const std::lock_guard lock(mutex_);
  errors_.clear();
}

TlsSettings CommandContext::tls() const {
  const std::lock_guard lock(tls_mutex);
  return tls_settings;
}

void CommandContext::set_tls(const TlsSettings& settings) {
  const std::lock_guard lock(tls_mutex);
  tls_settings = settings;
  tls_settings.key_file_pass.clear();
}

std::string_view CommandContext::why_not_leasing() const {
  if (cluster == nullptr || !cluster->joined())
    return "TRYAGAIN this node has not joined its cluster yet: it waits for etcd";
  if (cluster->is_refused())
    return "TRYAGAIN no numbers are left that this node has leased, and etcd refuses to lease "
           "more; "
           "see the server's log";
  return "TRYAGAIN no numbers are left that this node has leased, and etcd cannot be reached";
}

std::string_view CommandContext::why_not_issuing() const {
  if (cluster != nullptr && cluster->has_failed())
    return "TRYAGAIN this process no longer serves its node id, so it issues nothing; see the "
           "server's log";
  return kIoErrorReply;
}

void CommandContext::end_waits() {
  stopping.store(true);
  pause.end_for_good();
  news.fetch_add(1);
}

LoopTotals CommandContext::loop_totals() const {
  LoopTotals sum;
  for (const PerLoop& loop : loops) {
    sum.connections += loop.stats->connections.read();
    sum.waiting += loop.stats->waiting.read();
    sum.buffer_bytes += loop.stats->buffer_bytes.read();
    sum.accepted += loop.stats->accepted.read();
    sum.rejected += loop.stats->rejected.read();
    sum.evicted += loop.stats->evicted.read();
    sum.requests += loop.stats->requests.read();
    sum.input_bytes += loop.stats->input_bytes.read();
    sum.output_bytes += loop.stats->output_bytes.read();
  }
  return sum;
}

LatencyDistribution CommandContext::latency_of(const Command& command) const {
  LatencyDistribution sum;
  for (const PerLoop& loop : loops) sum.add(std::as_const(*loop.commands).of(command).latency);
  return sum;
}

std::optional<std::string> CommandContext::load_acl() {
  const Fd fd(::open(facts.acl_file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return reason("cannot read", facts.acl_file);
  std::string text(kLargestAclBytes, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(fd.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return reason("cannot read", facts.acl_file);
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  if (size == text.size()) return fmt::format("{} is larger than 4 MiB", facts.acl_file);
  if (const auto fault = acl.load(std::string_view(text).substr(0, size)))
    return fmt::format("{}: {}", facts.acl_file, *fault);
  return std::nullopt;
}

std::optional<std::string> CommandContext::save_acl() const {
  return replace_file(facts.acl_file, acl.text(), 0600);
}

}  // namespace number_dispenser
