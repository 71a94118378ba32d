#include "number_dispenser/command/context.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "number_dispenser/base/fd.h"

namespace number_dispenser {
namespace {

constexpr size_t kLargestAclBytes = 4 * 1024 * 1024;

std::string reason(std::string_view what, const std::string& path) {
  return fmt::format("{} {}: {}", what, path, std::strerror(errno));
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t wrote = ::write(fd, text.data(), text.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return false;
    text.remove_prefix(static_cast<size_t>(wrote));
  }
  return true;
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
  for (Row& row : rows_)
    for (Counter* counter :
         {&row.calls, &row.rejected, &row.failed, &row.timed_calls, &row.timed_ns})
      counter->reset();
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

void CommandContext::end_waits() {
  stopping.store(true);
  pause.end_for_good();
  news.fetch_add(1);
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

// Under another name first: a file that is read again after a crash is whole.
std::optional<std::string> CommandContext::save_acl() const {
  const std::string fresh = facts.acl_file + ".new";
  const Fd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd.valid() || !write_all(fd.get(), acl.text()) || ::fsync(fd.get()) != 0)
    return reason("cannot write", fresh);
  if (::rename(fresh.c_str(), facts.acl_file.c_str()) != 0) return reason("cannot rename", fresh);
  return std::nullopt;
}

}  // namespace number_dispenser
