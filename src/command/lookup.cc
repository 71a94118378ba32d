#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <algorithm>
#include <array>

#include "number_dispenser/base/text.h"
#include "number_dispenser/command/command.h"

namespace number_dispenser {
namespace {

constexpr size_t kLongestName = 32;

// A name in lower case, without allocation.
class LowerName {
 public:
  explicit LowerName(std::string_view name) { append(name); }
  LowerName(std::string_view container, std::string_view name) {
    append(container);
    append("|");
    append(name);
  }
  // Empty where the name is longer than any command's.
  std::string_view view() const { return {bytes_.data(), fits_ ? size_ : 0}; }

 private:
  void append(std::string_view text) {
    fits_ = fits_ && size_ + text.size() <= bytes_.size();
    if (!fits_) return;
    for (const char c : text) bytes_[size_++] = to_lower(c);
  }

  std::array<char, kLongestName> bytes_;
  size_t size_ = 0;
  bool fits_ = true;
};

using ByName = absl::flat_hash_map<std::string_view, const Command*>;

const Command* find_row(std::string_view name) {
  static const ByName rows = [] {
    ByName made;
    for (const Command& row : all_commands()) made.emplace(row.name, &row);
    return made;
  }();
  const auto found = rows.find(name);
  return found == rows.end() ? nullptr : found->second;
}

}  // namespace

const Command* find_command(std::string_view name) {
  if (name.find('|') != std::string_view::npos) return nullptr;
  return find_row(LowerName(name).view());
}

const Command* resolve_command(std::span<const std::string_view> words) {
  // Not find_row(): "config|help" is no request's first word, and its handler would find its own
  // words shifted.
  const Command* row = find_command(words[0]);
  if (row == nullptr) return nullptr;
  if (words.size() == 1) return row;
  const auto children = subcommands_of(*row);
  if (children.empty()) return row;
  const LowerName child(row->name, words[1]);
  const auto found = std::ranges::find(children, child.view(), &Command::name);
  if (found != children.end()) return &*found;
  return nullptr;
}

std::span<const Command> subcommands_of(const Command& container) {
  const auto all = all_commands();
  const size_t first = index_of(container) + 1;
  size_t last = first;
  while (last < all.size() && all[last].name.size() > container.name.size() &&
         all[last].name.starts_with(container.name) && all[last].name[container.name.size()] == '|')
    ++last;
  return all.subspan(first, last - first);
}

bool has_fitting_arity(const Command& command, size_t words) {
  const auto count = static_cast<int>(words);
  return command.arity >= 0 ? count == command.arity : count >= -command.arity;
}

std::vector<std::string_view> names_in(const Command& command,
                                       std::span<const std::string_view> words) {
  std::vector<std::string_view> names;
  const KeyWords& keys = command.keys;
  if (keys.first == 0) return names;
  const int last = keys.last < 0 ? static_cast<int>(words.size()) + keys.last : keys.last;
  for (int at = keys.first; at <= last; at += keys.step)
    names.push_back(words[static_cast<size_t>(at)]);
  return names;
}

size_t index_of(const Command& command) {
  return static_cast<size_t>(&command - all_commands().data());
}

bool is_refused_command(std::string_view name) {
  static const absl::flat_hash_set<std::string_view> names = {"append",
                                                              "bgrewriteaof",
                                                              "bitcount",
                                                              "bitfield",
                                                              "bitfield_ro",
                                                              "bitop",
                                                              "bitpos",
                                                              "blmove",
                                                              "blmpop",
                                                              "blpop",
                                                              "brpop",
                                                              "brpoplpush",
                                                              "bzmpop",
                                                              "bzpopmax",
                                                              "bzpopmin",
                                                              "copy",
                                                              "decr",
                                                              "decrby",
                                                              "dump",
                                                              "eval",
                                                              "eval_ro",
                                                              "evalsha",
                                                              "evalsha_ro",
                                                              "expire",
                                                              "expireat",
                                                              "expiretime",
                                                              "failover",
                                                              "fcall",
                                                              "fcall_ro",
                                                              "flushall",
                                                              "flushdb",
                                                              "function",
                                                              "geoadd",
                                                              "geodist",
                                                              "geohash",
                                                              "geopos",
                                                              "georadius",
                                                              "georadius_ro",
                                                              "georadiusbymember",
                                                              "georadiusbymember_ro",
                                                              "geosearch",
                                                              "geosearchstore",
                                                              "getbit",
                                                              "getdel",
                                                              "getex",
                                                              "getrange",
                                                              "getset",
                                                              "hdel",
                                                              "hincrby",
                                                              "hincrbyfloat",
                                                              "hmset",
                                                              "hrandfield",
                                                              "hscan",
                                                              "hsetnx",
                                                              "hstrlen",
                                                              "incrbyfloat",
                                                              "lcs",
                                                              "lindex",
                                                              "linsert",
                                                              "llen",
                                                              "lmove",
                                                              "lmpop",
                                                              "lpop",
                                                              "lpos",
                                                              "lpush",
                                                              "lpushx",
                                                              "lrange",
                                                              "lrem",
                                                              "lset",
                                                              "ltrim",
                                                              "migrate",
                                                              "module",
                                                              "move",
                                                              "mset",
                                                              "msetnx",
                                                              "persist",
                                                              "pexpire",
                                                              "pexpireat",
                                                              "pexpiretime",
                                                              "pfadd",
                                                              "pfcount",
                                                              "pfmerge",
                                                              "psetex",
                                                              "psubscribe",
                                                              "psync",
                                                              "pttl",
                                                              "publish",
                                                              "pubsub",
                                                              "punsubscribe",
                                                              "rename",
                                                              "renamenx",
                                                              "replicaof",
                                                              "restore",
                                                              "rpop",
                                                              "rpoplpush",
                                                              "rpush",
                                                              "rpushx",
                                                              "sadd",
                                                              "scard",
                                                              "script",
                                                              "sdiff",
                                                              "sdiffstore",
                                                              "set",
                                                              "setbit",
                                                              "setex",
                                                              "setnx",
                                                              "setrange",
                                                              "sinter",
                                                              "sintercard",
                                                              "sinterstore",
                                                              "sismember",
                                                              "slaveof",
                                                              "smembers",
                                                              "smismember",
                                                              "smove",
                                                              "sort",
                                                              "sort_ro",
                                                              "spop",
                                                              "spublish",
                                                              "srandmember",
                                                              "srem",
                                                              "sscan",
                                                              "ssubscribe",
                                                              "strlen",
                                                              "subscribe",
                                                              "substr",
                                                              "sunion",
                                                              "sunionstore",
                                                              "sunsubscribe",
                                                              "swapdb",
                                                              "sync",
                                                              "touch",
                                                              "ttl",
                                                              "unsubscribe",
                                                              "wait",
                                                              "xack",
                                                              "xadd",
                                                              "xautoclaim",
                                                              "xclaim",
                                                              "xdel",
                                                              "xgroup",
                                                              "xinfo",
                                                              "xlen",
                                                              "xpending",
                                                              "xrange",
                                                              "xread",
                                                              "xreadgroup",
                                                              "xrevrange",
                                                              "xsetid",
                                                              "xtrim",
                                                              "zadd",
                                                              "zcard",
                                                              "zcount",
                                                              "zdiff",
                                                              "zdiffstore",
                                                              "zincrby",
                                                              "zinter",
                                                              "zintercard",
                                                              "zinterstore",
                                                              "zlexcount",
                                                              "zmpop",
                                                              "zmscore",
                                                              "zpopmax",
                                                              "zpopmin",
                                                              "zrandmember",
                                                              "zrange",
                                                              "zrangebylex",
                                                              "zrangebyscore",
                                                              "zrangestore",
                                                              "zrank",
                                                              "zrem",
                                                              "zremrangebylex",
                                                              "zremrangebyrank",
                                                              "zremrangebyscore",
                                                              "zrevrange",
                                                              "zrevrangebylex",
                                                              "zrevrangebyscore",
                                                              "zrevrank",
                                                              "zscan",
                                                              "zscore",
                                                              "zunion",
                                                              "zunionstore"};
  return names.contains(LowerName(name).view());
}

}  // namespace number_dispenser
