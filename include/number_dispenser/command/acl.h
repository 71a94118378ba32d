// Users and what they may do, in the words of Redis 7.0's ACL: commands, categories, and patterns
// of dispensers' names. (Channels are accepted and shown, selectors refused: there is nothing here
// that they would govern.)
//
// A user, once published, never changes: sessions keep a pointer to theirs and look for a newer one
// when the generation has moved. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "number_dispenser/command/command.h"

namespace number_dispenser {

class AclUser {
 public:
  // Off, without passwords, commands and names.
  explicit AclUser(std::string name);
  // On, without password, everything allowed: what a server has that was told nothing.
  static AclUser open_default();

  // One rule of ACL SETUSER. The reason why not, or nothing.
  std::optional<std::string> apply(std::string_view rule);

  const std::string& name() const { return name_; }
  bool enabled() const { return enabled_; }
  bool needs_password() const { return !no_password_; }
  // In a time that depends on the length of `password` and the number of the user's passwords only.
  bool password_matches(std::string_view password) const;
  bool may_run(const Command& command) const { return allowed_[index_of(command)]; }
  bool may_use_all() const { return all_keys_; }
  // What a command does with names, as KeyWords::use says it.
  bool may_use(std::string_view dispenser, std::string_view use) const;

  // As ACL LIST and the ACL file have it, behind "user <name>".
  std::string rules() const;
  std::string command_rules() const;
  std::string key_rules() const;
  const std::vector<std::string>& password_hashes() const { return password_hashes_; }
  std::vector<std::string_view> flags() const;
  bool all_channels() const { return all_channels_; }

 private:
  struct KeyRule {
    std::string pattern;
    bool read;
    bool write;
  };

  std::optional<std::string> apply_password(std::string_view rule);
  std::optional<std::string> apply_keys(std::string_view rule);
  std::optional<std::string> apply_commands(std::string_view rule);
  void allow_all(bool allow);

  std::string name_;
  bool enabled_ = false;
  bool no_password_ = false;
  bool all_channels_ = false;
  std::vector<std::string> password_hashes_;  // SHA-256, lower-case hexadecimal
  bool all_keys_ = false;
  std::vector<KeyRule> key_rules_;
  std::vector<bool> allowed_;  // by index_of(command)
  bool base_allows_ = false;   // +@all, or -@all, and then:
  std::vector<std::string> command_rules_;
};

// What was refused, for ACL LOG.
struct AclLogEntry {
  uint64_t count = 1;
  std::string reason;   // "command", "key" or "auth"
  std::string context;  // "toplevel" or "multi"
  std::string object;   // the command, the name, or the user that tried
  std::string user;
  std::string client;
  uint64_t at_ns = 0;
};

class Acl {
 public:
  using User = std::shared_ptr<const AclUser>;

  Acl();

  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }
  // Null where there is none.
  User find(std::string_view name) const;
  std::vector<User> users() const;
  // Null for a wrong pair, and for a user that is off.
  User authenticate(std::string_view name, std::string_view password) const;
  // Nobody needs to log in: the default user is on and has no password.
  bool is_open() const;

  // All rules or none. The error's text without "ERR ", or nothing.
  std::optional<std::string> set_user(std::string_view name,
                                      std::span<const std::string_view> rules);
  bool remove_user(std::string_view name);
  // requirepass: the default user's only password; empty: none needed.
  void set_default_password(std::string_view password);

  // Replaces all users by those of a file's text; the reason with its line, or nothing.
  std::optional<std::string> load(std::string_view text);
  std::string text() const;

  void log(AclLogEntry entry);
  std::vector<AclLogEntry> log_entries() const;  // the newest first
  void clear_log();

 private:
  void publish(AclUser user);

  mutable std::mutex mutex_;
  std::map<std::string, User, std::less<>> users_;
  std::deque<AclLogEntry> log_;
  std::atomic<uint64_t> generation_{1};
  std::atomic<bool> is_open_{true};
};

// Lower-case hexadecimal.
std::string sha256_hex(std::string_view bytes);

// The categories a command is in, without "@"; every category that Redis knows.
std::vector<std::string_view> categories_of(const Command& command);
std::span<const std::string_view> all_categories();

}  // namespace number_dispenser
