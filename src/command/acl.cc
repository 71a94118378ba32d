#include "number_dispenser/command/acl.h"

#include <fmt/format.h>

#include <algorithm>

#include "text.h"

namespace number_dispenser {
namespace {

constexpr size_t kLogEntries = 128;
constexpr uint64_t kSameNs = 60'000'000'000;  // the same refusal within a minute is one entry

std::vector<std::string_view> split_words(std::string_view line) {
  std::vector<std::string_view> words;
  while (true) {
    const size_t begin = line.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos) return words;
    line.remove_prefix(begin);
    const size_t end = std::min(line.find_first_of(" \t\r"), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

std::optional<std::string> apply_all(AclUser& user, std::span<const std::string_view> rules) {
  for (const std::string_view rule : rules)
    if (const auto fault = user.apply(rule)) {
      // A password must not come back in an error, where it could be logged.
      const bool secret = rule.starts_with('>') || rule.starts_with('<');
      return fmt::format("Error in ACL SETUSER modifier '{}': {}",
                         secret ? "(password)" : printable(rule), *fault);
    }
  return std::nullopt;
}

}  // namespace

Acl::Acl() {
  publish(AclUser::open_default());
}

void Acl::publish(AclUser user) {
  if (user.name() == "default") is_open_.store(user.enabled() && !user.needs_password());
  auto published = std::make_shared<const AclUser>(std::move(user));
  users_.insert_or_assign(published->name(), published);
  generation_.fetch_add(1, std::memory_order_release);
}

Acl::User Acl::find(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = users_.find(name);
  return found == users_.end() ? nullptr : found->second;
}

std::vector<Acl::User> Acl::users() const {
  const std::lock_guard lock(mutex_);
  std::vector<User> all;
  for (const auto& [name, user] : users_) all.push_back(user);
  return all;
}

Acl::User Acl::authenticate(std::string_view name, std::string_view password) const {
  const User user = find(name);
  // An unknown user costs the time that a known one does.
  static const AclUser stranger("");
  const bool matches = (user ? *user : stranger).password_matches(password);
  return user && user->enabled() && matches ? user : nullptr;
}

bool Acl::is_open() const {
  return is_open_.load(std::memory_order_acquire);
}

std::optional<std::string> Acl::set_user(std::string_view name,
                                         std::span<const std::string_view> rules) {
  if (name.find_first_of(std::string_view(" \t\r\n\0", 5)) != std::string_view::npos)
    return "Usernames can't contain spaces or null characters";
  const std::lock_guard lock(mutex_);
  const auto found = users_.find(name);
  AclUser user = found == users_.end() ? AclUser(std::string(name)) : *found->second;
  if (auto fault = apply_all(user, rules)) return fault;
  publish(std::move(user));
  return std::nullopt;
}

bool Acl::remove_user(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto found = users_.find(name);
  if (found == users_.end()) return false;
  users_.erase(found);
  generation_.fetch_add(1, std::memory_order_release);
  return true;
}

void Acl::set_default_password(std::string_view password) {
  const std::lock_guard lock(mutex_);
  AclUser user = *users_.find("default")->second;
  user.apply("resetpass");
  user.apply(password.empty() ? "nopass" : fmt::format(">{}", password));
  publish(std::move(user));
}

std::optional<std::string> Acl::load(std::string_view text) {
  std::map<std::string, AclUser, std::less<>> read;
  read.emplace("default", AclUser::open_default());
  for (size_t line = 1; !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    const auto words = split_words(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (words.empty() || words[0].starts_with('#')) continue;
    if (words[0] != "user" || words.size() < 2)
      return fmt::format("line {}: it must begin with: user <name>", line);
    AclUser user{std::string(words[1])};
    if (const auto fault = apply_all(user, std::span(words).subspan(2)))
      return fmt::format("line {}: {}", line, *fault);
    const bool doubled = words[1] != "default" && read.contains(words[1]);
    if (doubled) return fmt::format("line {}: user {} is there twice", line, printable(words[1]));
    read.insert_or_assign(std::string(words[1]), std::move(user));
  }
  const std::lock_guard lock(mutex_);
  users_.clear();
  for (auto& [name, user] : read) publish(std::move(user));
  return std::nullopt;
}

std::string Acl::text() const {
  std::string text;
  for (const User& user : users()) text += fmt::format("user {} {}\n", user->name(), user->rules());
  return text;
}

void Acl::log(AclLogEntry entry) {
  const std::lock_guard lock(mutex_);
  const auto same = std::ranges::find_if(log_, [&](const AclLogEntry& old) {
    return old.reason == entry.reason && old.context == entry.context &&
           old.object == entry.object && old.user == entry.user &&
           entry.at_ns - old.at_ns < kSameNs;
  });
  if (same != log_.end()) {
    entry.count = same->count + 1;
    log_.erase(same);
  }
  log_.push_front(std::move(entry));
  if (log_.size() > kLogEntries) log_.pop_back();
}

std::vector<AclLogEntry> Acl::log_entries() const {
  const std::lock_guard lock(mutex_);
  return {log_.begin(), log_.end()};
}

void Acl::clear_log() {
  const std::lock_guard lock(mutex_);
  log_.clear();
}

}  // namespace number_dispenser
