#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "number_dispenser/command/acl.h"
#include "text.h"

namespace number_dispenser {
namespace {

constexpr std::string_view kSyntax = "Syntax error";
constexpr std::string_view kUnknown = "Unknown command or category name in ACL";
constexpr size_t kHashDigits = 64;

constexpr auto kCategories = std::to_array<std::string_view>(
    {"keyspace", "read",   "write",       "set",       "sortedset",  "list",        "hash",
     "string",   "bitmap", "hyperloglog", "geo",       "stream",     "pubsub",      "admin",
     "fast",     "slow",   "blocking",    "dangerous", "connection", "transaction", "scripting"});

struct Named {
  uint32_t bit;
  std::string_view name;
};
constexpr Named kNamedCategories[] = {
    {kKeyspace, "keyspace"},     {kString, "string"},           {kHash, "hash"},
    {kConnection, "connection"}, {kTransaction, "transaction"}, {kDangerous, "dangerous"},
};

bool is_hash(std::string_view text) {
  return text.size() == kHashDigits && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

// The rows that a rule's "get", "client" or "client|id" stands for; a container brings its
// subcommands.
std::vector<const Command*> rows_named(std::string_view name) {
  std::vector<const Command*> rows;
  const std::string lower = lower_case(name);
  for (const Command& row : all_commands()) {
    const bool child = row.name.size() > lower.size() && row.name.starts_with(lower) &&
                       row.name[lower.size()] == '|';
    if (row.name == lower || child) rows.push_back(&row);
  }
  return rows;
}

// The same for "@hash"; null where there is no such category.
std::optional<std::vector<const Command*>> rows_in(std::string_view category) {
  const std::string lower = lower_case(category);
  if (lower != "all" && std::ranges::find(kCategories, lower) == kCategories.end())
    return std::nullopt;
  std::vector<const Command*> rows;
  for (const Command& row : all_commands()) {
    const auto categories = categories_of(row);
    if (lower == "all" || std::ranges::find(categories, lower) != categories.end())
      rows.push_back(&row);
  }
  return rows;
}

}  // namespace

std::string sha256_hex(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  ::EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, ::EVP_sha256(), nullptr);
  std::string text;
  for (unsigned at = 0; at < length; ++at) text += fmt::format("{:02x}", digest[at]);
  return text;
}

std::vector<std::string_view> categories_of(const Command& command) {
  std::vector<std::string_view> names;
  for (const auto& [bit, name] : kNamedCategories)
    if ((command.categories & bit) != 0) names.push_back(name);
  if ((command.flags & kWrite) != 0) names.push_back("write");
  if ((command.flags & kReadOnly) != 0) names.push_back("read");
  if ((command.flags & kAdmin) != 0 || (command.categories & kAdminOnly) != 0) {
    names.push_back("admin");
    names.push_back("dangerous");
  }
  names.push_back((command.flags & kFast) != 0 ? "fast" : "slow");
  return names;
}

std::span<const std::string_view> all_categories() {
  return kCategories;
}

AclUser::AclUser(std::string name)
    : name_(std::move(name)), allowed_(all_commands().size(), false) {}

AclUser AclUser::open_default() {
  AclUser user("default");
  for (const std::string_view rule : {"on", "nopass", "allkeys", "allchannels", "allcommands"})
    user.apply(rule);
  return user;
}

std::optional<std::string> AclUser::apply(std::string_view rule) {
  const auto is = [&](std::string_view word) { return equals_ignoring_case(rule, word); };
  // The file would have it as several rules, or lines.
  const bool is_pattern = rule.starts_with('~') || rule.starts_with('%') || rule.starts_with('&');
  if (is_pattern && rule.find_first_of(std::string_view(" \t\n\v\f\r\0", 7)) != rule.npos)
    return std::string(kSyntax);
  if (is("on") || is("off")) {
    enabled_ = is("on");
  } else if (is("reset")) {
    *this = AclUser(name_);
  } else if (is("sanitize-payload") || is("skip-sanitize-payload") || is("clearselectors")) {
    // Of things that are not here; accepted so that Redis's own files load.
  } else if (is("allchannels") || is("&*")) {
    all_channels_ = true;
  } else if (is("resetchannels") || rule.starts_with('&')) {
    all_channels_ = false;
  } else if (is("nopass") || is("resetpass") || rule.starts_with('>') || rule.starts_with('<') ||
             rule.starts_with('#') || rule.starts_with('!')) {
    return apply_password(rule);
  } else if (is("allkeys") || is("resetkeys") || rule.starts_with('~') || rule.starts_with('%')) {
    return apply_keys(rule);
  } else if (is("allcommands") || is("nocommands") || rule.starts_with('+') ||
             rule.starts_with('-')) {
    return apply_commands(rule);
  } else {
    return std::string(kSyntax);
  }
  return std::nullopt;
}

std::optional<std::string> AclUser::apply_password(std::string_view rule) {
  if (equals_ignoring_case(rule, "nopass") || equals_ignoring_case(rule, "resetpass")) {
    no_password_ = equals_ignoring_case(rule, "nopass");
    password_hashes_.clear();
    return std::nullopt;
  }
  const bool adds = rule[0] == '>' || rule[0] == '#';
  const bool hashed = rule[0] == '#' || rule[0] == '!';
  const std::string hash = hashed ? std::string(rule.substr(1)) : sha256_hex(rule.substr(1));
  if (!is_hash(hash))
    return "The password hash must be exactly 64 characters and contain only lowercase hexadecimal "
           "characters";
  const auto found = std::ranges::find(password_hashes_, hash);
  if (adds) {
    no_password_ = false;
    if (found == password_hashes_.end()) password_hashes_.push_back(hash);
  } else if (found == password_hashes_.end()) {
    return "The password you are trying to remove from the user does not exist";
  } else {
    password_hashes_.erase(found);
  }
  return std::nullopt;
}

std::optional<std::string> AclUser::apply_keys(std::string_view rule) {
  if (equals_ignoring_case(rule, "allkeys") || rule == "~*" ||
      equals_ignoring_case(rule, "%rw~*")) {
    all_keys_ = true;
    key_rules_.clear();
    return std::nullopt;
  }
  if (equals_ignoring_case(rule, "resetkeys")) {
    all_keys_ = false;
    key_rules_.clear();
    return std::nullopt;
  }
  if (all_keys_)
    return "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not "
           "have any effect. Try 'resetkeys' to start with an empty list of patterns";
  KeyRule made{{}, true, true};
  if (rule[0] == '%') {
    const size_t tilde = rule.find('~');
    if (tilde == std::string_view::npos || tilde == 1) return std::string(kSyntax);
    const std::string rights = lower_case(rule.substr(1, tilde - 1));
    if (rights.find_first_not_of("rw") != std::string::npos) return std::string(kSyntax);
    made.read = rights.find('r') != std::string::npos;
    made.write = rights.find('w') != std::string::npos;
    rule.remove_prefix(tilde);
  }
  made.pattern = rule.substr(1);
  const auto old = std::ranges::find(key_rules_, made.pattern, &KeyRule::pattern);
  if (old == key_rules_.end()) {
    key_rules_.push_back(std::move(made));
  } else {
    old->read |= made.read;
    old->write |= made.write;
  }
  return std::nullopt;
}

void AclUser::allow_all(bool allow) {
  allowed_.assign(allowed_.size(), allow);
  base_allows_ = allow;
  command_rules_.clear();
}

std::optional<std::string> AclUser::apply_commands(std::string_view rule) {
  const std::string lower = lower_case(rule);
  if (lower == "allcommands" || lower == "nocommands" || lower == "+@all" || lower == "-@all") {
    allow_all(lower == "allcommands" || lower == "+@all");
    return std::nullopt;
  }
  const std::string_view name = std::string_view(lower).substr(1);
  const auto rows = name.starts_with('@') ? rows_in(name.substr(1)) : rows_named(name);
  // A command of Redis that is not here cannot be allowed, and need not be forbidden.
  const bool absent = rows && rows->empty() && !name.starts_with('@');
  if (!rows || (absent && !is_refused_command(name))) return std::string(kUnknown);
  for (const Command* row : *rows) allowed_[index_of(*row)] = rule[0] == '+';
  // A later rule replaces an earlier one for the same, or for a subcommand of it.
  std::erase_if(command_rules_, [&](const std::string& old) {
    const std::string_view ruled = std::string_view(old).substr(1);
    return ruled.starts_with(name) && (ruled.size() == name.size() || ruled[name.size()] == '|');
  });
  command_rules_.push_back(lower);
  return std::nullopt;
}

bool AclUser::password_matches(std::string_view password) const {
  if (no_password_) return true;
  const std::string hash = sha256_hex(password);
  int matches = 0;
  for (const std::string& known : password_hashes_)
    matches |= ::CRYPTO_memcmp(known.data(), hash.data(), kHashDigits) == 0 ? 1 : 0;
  return matches != 0;
}

bool AclUser::may_use(std::string_view dispenser, std::string_view use) const {
  if (all_keys_) return true;
  const bool reads = use.starts_with("R");
  const bool writes = use.starts_with("RW") || use.starts_with("OW") || use.starts_with("RM");
  return std::ranges::any_of(key_rules_, [&](const KeyRule& rule) {
    return (rule.read || !reads || use.starts_with("RM")) && (rule.write || !writes) &&
           glob_matches(rule.pattern, dispenser, true);
  });
}

std::string AclUser::command_rules() const {
  std::string text = base_allows_ ? "+@all" : "-@all";
  for (const std::string& rule : command_rules_) text += " " + rule;
  return text;
}

std::string AclUser::key_rules() const {
  if (all_keys_) return "~*";
  std::string text;
  for (const KeyRule& rule : key_rules_)
    text += fmt::format("{}{}~{}", text.empty() ? "" : " ",
                        rule.read && rule.write ? ""
                        : rule.read             ? "%R"
                                                : "%W",
                        rule.pattern);
  return text;
}

std::vector<std::string_view> AclUser::flags() const {
  std::vector<std::string_view> flags{enabled_ ? "on" : "off"};
  if (no_password_) flags.push_back("nopass");
  return flags;
}

std::string AclUser::rules() const {
  std::string text(enabled_ ? "on" : "off");
  if (no_password_) text += " nopass";
  for (const std::string& hash : password_hashes_) text += " #" + hash;
  if (const std::string keys = key_rules(); !keys.empty()) text += " " + keys;
  return text + (all_channels_ ? " &* " : " resetchannels ") + command_rules();
}

}  // namespace number_dispenser
