// The rows. Arity, flags, keys and categories are those of redis-server 7.0 where it has the
// command, but for GET, MGET and INCRBY's kin: here they draw a number, so they write.
#include <array>

#include "handlers.h"
#include "number_dispenser/command/command.h"

namespace number_dispenser {
namespace {

using namespace handlers;

constexpr uint32_t kAnyTime = kLoading | kStale;
constexpr uint32_t kTalk = kNoScript | kAnyTime;                   // about the connection
constexpr uint32_t kLogin = kTalk | kFast | kNoAuth | kAllowBusy;  // before AUTH
constexpr uint32_t kBlock = kTalk | kFast | kAllowBusy;            // of a transaction
constexpr uint32_t kOperator = kAdmin | kTalk;

constexpr KeyWords kNoKeys{};
constexpr KeyWords kLookAt{1, 1, 1, "RO"};
constexpr KeyWords kLookAtAll{1, -1, 1, "RO"};
constexpr KeyWords kLookAtSecond{2, 2, 1, "RO"};
constexpr KeyWords kReadOne{1, 1, 1, "RO access"};
constexpr KeyWords kDefine{1, 1, 1, "RW update"};
constexpr KeyWords kDraw{1, 1, 1, "RW access update"};
constexpr KeyWords kDrawAll{1, -1, 1, "RW access update"};
constexpr KeyWords kDeleteAll{1, -1, 1, "RM delete"};

constexpr auto kCommands = std::to_array<Command>({
    // name, arity, flags, keys, categories, group, since,
    // syntax, summary, reply, handler
    {"acl", -2, kContainer, kNoKeys, 0, "server", "6.0.0", "", "Users and what they may do", "",
     nullptr},
    {"acl|cat", -2, kTalk, kNoKeys, 0, "server", "6.0.0", "[category]",
     "The categories, or the commands in one", "array", acl_cat},
    {"acl|deluser", -3, kOperator, kNoKeys, 0, "server", "6.0.0", "user [user ...]",
     "Deletes users and closes their connections", "integer", acl_deluser},
    {"acl|dryrun", -4, kOperator, kNoKeys, 0, "server", "7.0.0", "user command [argument ...]",
     "Says whether a user may run a request", "OK, or why not", acl_dryrun},
    {"acl|genpass", -2, kTalk, kNoKeys, 0, "server", "6.0.0", "[bits]", "A random password",
     "bulk string", acl_genpass},
    {"acl|getuser", 3, kOperator, kNoKeys, 0, "server", "6.0.0", "user", "A user's rules",
     "map, or null", acl_getuser},
    {"acl|help", 2, kAnyTime, kNoKeys, 0, "server", "6.0.0", "", "Lists the subcommands",
     "array of lines", help},
    {"acl|list", 2, kOperator, kNoKeys, 0, "server", "6.0.0", "",
     "All users, as the ACL file has them", "array", acl_list},
    {"acl|load", 2, kOperator, kNoKeys, 0, "server", "6.0.0", "", "Reads the ACL file again", "OK",
     acl_load},
    {"acl|log", -2, kOperator, kNoKeys, 0, "server", "6.0.0", "[count|RESET]",
     "What was refused lately", "array of maps", acl_log},
    {"acl|save", 2, kOperator, kNoKeys, 0, "server", "6.0.0", "", "Writes the ACL file", "OK",
     acl_save},
    {"acl|setuser", -3, kOperator, kNoKeys, 0, "server", "6.0.0", "user [rule ...]",
     "Creates or changes a user", "OK", acl_setuser},
    {"acl|users", 2, kOperator, kNoKeys, 0, "server", "6.0.0", "", "The users' names", "array",
     acl_users},
    {"acl|whoami", 2, kTalk, kNoKeys, 0, "server", "6.0.0", "", "The user of this connection",
     "bulk string", acl_whoami},
    {"auth", -2, kLogin, kNoKeys, kConnection, "connection", "1.0.0", "[username] password",
     "Authenticates the connection", "OK", auth},
    {"bgsave", -1, kAdmin | kNoScript, kNoKeys, 0, "server", "1.0.0", "[SCHEDULE]",
     "Starts a flush of the state file", "Background saving started", bgsave},
    {"client", -2, kContainer, kNoKeys, 0, "connection", "2.4.0", "",
     "Names and describes connections", "", nullptr},
    {"client|caching", 3, kTalk, kNoKeys, kConnection, "connection", "6.0.0", "YES|NO",
     "Refused: every GET issues a new number", "error", client_tracking},
    {"client|getname", 2, kTalk, kNoKeys, kConnection, "connection", "2.6.9", "",
     "The name of this connection", "bulk string, or null", client_getname},
    {"client|help", 2, kAnyTime, kNoKeys, kConnection, "connection", "5.0.0", "",
     "Lists the subcommands", "array of lines", help},
    {"client|id", 2, kTalk, kNoKeys, kConnection, "connection", "5.0.0", "",
     "The number of this connection", "integer", client_id},
    {"client|info", 2, kTalk, kNoKeys, kConnection, "connection", "6.2.0", "",
     "What the server knows of this connection", "bulk string", client_info},
    {"client|no-evict", 3, kOperator, kNoKeys, kConnection, "connection", "7.0.0", "ON|OFF",
     "Accepted: nothing is ever evicted", "OK", client_switch},
    {"client|no-touch", 3, kTalk, kNoKeys, kConnection, "connection", "7.2.0", "ON|OFF",
     "Accepted: no time of access is kept", "OK", client_switch},
    {"client|setinfo", 4, kTalk, kNoKeys, kConnection, "connection", "7.2.0",
     "LIB-NAME|LIB-VER value", "Names the client library", "OK", client_setinfo},
    {"client|setname", 3, kTalk, kNoKeys, kConnection, "connection", "2.6.9", "name",
     "Names this connection", "OK", client_setname},
    {"client|tracking", -3, kTalk, kNoKeys, kConnection, "connection", "6.0.0", "ON|OFF",
     "Refused: every GET issues a new number", "error", client_tracking},
    {"command", -1, kAnyTime, kNoKeys, kConnection, "server", "2.8.13", "",
     "Describes every command", "array", command},
    {"command|count", 2, kAnyTime, kNoKeys, kConnection, "server", "2.8.13", "",
     "Counts the commands", "integer", command_count},
    {"command|docs", -2, kAnyTime, kNoKeys, kConnection, "server", "7.0.0", "[name ...]",
     "Documents commands", "map of maps", command_docs},
    {"command|getkeys", -4, kAnyTime, kNoKeys, kConnection, "server", "2.8.13",
     "command [argument ...]", "The dispensers that a request names", "array", command_getkeys},
    {"command|help", 2, kAnyTime, kNoKeys, kConnection, "server", "5.0.0", "",
     "Lists the subcommands", "array of lines", help},
    {"command|info", -2, kAnyTime, kNoKeys, kConnection, "server", "2.8.13", "[name ...]",
     "Describes commands", "array", command_info},
    {"command|list", -2, kAnyTime, kNoKeys, kConnection, "server", "7.0.0",
     "[FILTERBY MODULE module|ACLCAT category|PATTERN pattern]", "Names the commands", "array",
     command_list},
    {"config", -2, kContainer, kNoKeys, 0, "server", "2.0.0", "", "Shows and changes settings", "",
     nullptr},
    {"config|get", -3, kOperator, kNoKeys, 0, "server", "2.0.0", "pattern [pattern ...]",
     "Shows settings", "map", config_get},
    {"config|help", 2, kAnyTime, kNoKeys, 0, "server", "5.0.0", "", "Lists the subcommands",
     "array of lines", help},
    {"config|resetstat", 2, kOperator, kNoKeys, 0, "server", "2.0.0", "",
     "Sets the counters of INFO to zero", "OK", config_resetstat},
    {"config|set", -4, kOperator, kNoKeys, 0, "server", "2.0.0", "name value [name value ...]",
     "Changes loglevel, protected-mode or requirepass", "OK", config_set},
    {"dbsize", 1, kReadOnly | kFast, kNoKeys, kKeyspace, "server", "1.0.0", "",
     "Counts the dispensers", "integer", dbsize},
    {"del", -2, kWrite, kDeleteAll, kKeyspace, "generic", "1.0.0", "name [name ...]",
     "Deletes dispensers for ever", "integer: how many existed", del},
    {"discard", 1, kBlock | kAtOnce, kNoKeys, kTransaction, "transactions", "2.0.0", "",
     "Forgets a transaction", "OK", discard},
    {"echo", 2, kAnyTime | kFast, kNoKeys, kConnection, "connection", "1.0.0", "message",
     "Returns its argument", "bulk string", echo},
    {"exec", 1, kTalk | kAtOnce, kNoKeys, kTransaction, "transactions", "1.2.0", "",
     "Runs a transaction", "array of replies", exec},
    {"exists", -2, kReadOnly | kFast, kLookAtAll, kKeyspace, "generic", "1.0.0", "name [name ...]",
     "Counts those of the names that are dispensers", "integer", exists},
    {"get", 2, kWrite | kFast, kDraw, kString, "string", "1.0.0", "name",
     "Issues the next number of a dispenser", "bulk string: the number", get},
    {"hello", -1, kLogin, kNoKeys, kConnection, "connection", "6.0.0",
     "[protover [AUTH username password] [SETNAME name]]",
     "Chooses the protocol version, and authenticates", "map", hello},
    {"hexists", 3, kReadOnly | kFast, kLookAt, kHash, "hash", "2.0.0", "name field",
     "Says whether a definition has a field", "integer", hexists},
    {"hget", 3, kReadOnly | kFast, kReadOne, kHash, "hash", "2.0.0", "name field",
     "A field of a definition", "bulk string, or null", hget},
    {"hgetall", 2, kReadOnly, kReadOne, kHash, "hash", "2.0.0", "name", "A definition", "map",
     hgetall},
    {"hkeys", 2, kReadOnly, kReadOne, kHash, "hash", "2.0.0", "name", "The fields of a definition",
     "array", hkeys},
    {"hlen", 2, kReadOnly | kFast, kLookAt, kHash, "hash", "2.0.0", "name",
     "Counts the fields of a definition", "integer", hlen},
    {"hmget", -3, kReadOnly | kFast, kReadOne, kHash, "hash", "2.0.0", "name field [field ...]",
     "Fields of a definition", "array", hmget},
    {"hset", -4, kWrite | kDenyOom | kFast, kDefine, kHash, "hash", "2.0.0",
     "name type 1|2|3 [length n] [starting n] [step n] [auto_disk strategy]",
     "Defines a dispenser, or switches its strategy", "integer: the field-value pairs given", hset},
    {"hvals", 2, kReadOnly, kReadOne, kHash, "hash", "2.0.0", "name", "The values of a definition",
     "array", hvals},
    {"incr", 2, kWrite | kDenyOom | kFast, kDraw, kString, "string", "1.0.0", "name",
     "Issues the next number as an integer", "integer", incr},
    {"incrby", 3, kWrite | kDenyOom | kFast, kDraw, kString, "string", "1.0.0", "name n",
     "Issues n consecutive numbers", "integer: the last of them", incrby},
    {"info", -1, kAnyTime, kNoKeys, kDangerous, "server", "1.0.0", "[name | section ...]",
     "Describes a dispenser, or the server", "bulk string", info},
    {"keys", 2, kReadOnly, kNoKeys, kKeyspace | kDangerous, "generic", "1.0.0", "pattern",
     "The dispensers whose names match a pattern", "array", keys},
    {"lastsave", 1, kAnyTime | kFast, kNoKeys, kAdminOnly, "server", "1.0.0", "",
     "When the state file was last flushed", "integer: seconds since 1970", lastsave},
    {"lolwut", -1, kReadOnly | kFast, kNoKeys, 0, "server", "5.0.0", "[VERSION version]",
     "The version, and a row of numbers", "bulk string", lolwut},
    {"memory", -2, kContainer, kNoKeys, 0, "server", "4.0.0", "", "What dispensers take", "",
     nullptr},
    {"memory|help", 2, kAnyTime, kNoKeys, 0, "server", "4.0.0", "", "Lists the subcommands",
     "array of lines", help},
    {"memory|usage", -3, kReadOnly, kLookAtSecond, 0, "server", "4.0.0", "name [SAMPLES count]",
     "The bytes that a dispenser takes", "integer, or null", memory_usage},
    {"mget", -2, kWrite | kFast, kDrawAll, kString, "string", "1.0.0", "name [name ...]",
     "Issues a number of each dispenser", "array of numbers, or null", mget},
    {"multi", 1, kBlock | kAtOnce, kNoKeys, kTransaction, "transactions", "1.2.0", "",
     "Begins a transaction", "OK", multi},
    {"object", -2, kContainer, kNoKeys, 0, "generic", "2.2.3", "", "What Redis tells of a key", "",
     nullptr},
    {"object|encoding", 3, kReadOnly, kLookAtSecond, kKeyspace, "generic", "2.2.3", "name",
     "Always listpack, as a small hash in Redis", "bulk string", object_encoding},
    {"object|help", 2, kAnyTime, kNoKeys, kKeyspace, "generic", "6.2.0", "",
     "Lists the subcommands", "array of lines", help},
    {"object|idletime", 3, kReadOnly, kLookAtSecond, kKeyspace, "generic", "2.2.3", "name",
     "Always 0: no time of access is kept", "integer", object_idletime},
    {"object|refcount", 3, kReadOnly, kLookAtSecond, kKeyspace, "generic", "2.2.3", "name",
     "Always 1", "integer", object_refcount},
    {"ping", -1, kFast, kNoKeys, kConnection, "connection", "1.0.0", "[message]",
     "Answers PONG, or its argument", "PONG, or bulk string", ping},
    {"quit", -1, kLogin | kAtOnce, kNoKeys, kConnection, "connection", "1.0.0", "",
     "Closes the connection", "OK", quit},
    {"randomkey", 1, kReadOnly, kNoKeys, kKeyspace, "generic", "1.0.0", "",
     "The name of any dispenser", "bulk string, or null", randomkey},
    {"reset", 1, kLogin | kAtOnce, kNoKeys, kConnection, "connection", "6.2.0", "",
     "Makes the connection as new", "RESET", reset},
    {"role", 1, kTalk | kFast, kNoKeys, kAdminOnly, "server", "2.8.12", "",
     "Always master, without replicas", "array", role},
    {"save", 1, kAdmin | kNoScript | kNoMulti, kNoKeys, 0, "server", "1.0.0", "",
     "Flushes the state file", "OK, once flushed", save},
    {"scan", -2, kReadOnly, kNoKeys, kKeyspace, "generic", "2.8.0",
     "cursor [MATCH pattern] [COUNT count] [TYPE type]", "Names dispensers, some at a time",
     "array: the next cursor, the names", scan},
    {"select", 2, kAnyTime | kFast, kNoKeys, kConnection, "connection", "1.0.0", "index",
     "Accepts database 0, the only one", "OK", select},
    {"shutdown", -1, kOperator | kNoMulti | kAllowBusy, kNoKeys, 0, "server", "1.0.0",
     "[NOSAVE|SAVE] [NOW] [FORCE]", "Stops the server cleanly", "none: the connection closes",
     shutdown},
    {"time", 1, kAnyTime | kFast, kNoKeys, 0, "server", "2.6.0", "", "The time",
     "array: seconds since 1970, microseconds", time},
    {"type", 2, kReadOnly | kFast, kLookAt, kKeyspace, "generic", "1.0.0", "name",
     "Says hash for a dispenser", "hash, or none", type},
    {"unlink", -2, kWrite | kFast, kDeleteAll, kKeyspace, "generic", "4.0.0", "name [name ...]",
     "The same as DEL", "integer: how many existed", del},
    {"unwatch", 1, kBlock, kNoKeys, kTransaction, "transactions", "2.2.0", "",
     "Accepted: nothing is watched", "OK", unwatch},
    {"watch", -2, kBlock | kAtOnce, kLookAtAll, kTransaction, "transactions", "2.2.0",
     "name [name ...]", "Refused: numbers do not change once issued", "error", watch},
});

consteval bool is_sorted() {
  for (size_t at = 1; at < kCommands.size(); ++at)
    if (!(kCommands[at - 1].name < kCommands[at].name)) return false;
  return true;
}
static_assert(is_sorted());

}  // namespace

std::span<const Command> all_commands() {
  return kCommands;
}

}  // namespace number_dispenser
