// Every handler, for the table. A handler starts with the right number of words and the right to
// run.
#pragma once

#include <functional>
#include <string_view>

#include "number_dispenser/command/clients.h"
#include "number_dispenser/command/command.h"

namespace number_dispenser::handlers {

// What many handlers end with.
Next error(Call& call, std::string_view text);
Next ok(Call& call);

// Ends the connections that `wanted` picks, and counts them. `*me`: this client's is among them; it
// stays open for the reply.
int64_t end_connections(Call& call, const std::function<bool(const ClientRecord&)>& wanted,
                        bool* me);

// definition_commands.cc
Next hset(Call& call);
Next del(Call& call);
Next hexists(Call& call);
Next hget(Call& call);
Next hgetall(Call& call);
Next hkeys(Call& call);
Next hlen(Call& call);
Next hmget(Call& call);
Next hvals(Call& call);

// draw_commands.cc
Next get(Call& call);
Next mget(Call& call);
Next incr(Call& call);
Next incrby(Call& call);

// keyspace_commands.cc
Next dbsize(Call& call);
Next exists(Call& call);
Next keys(Call& call);
Next object_encoding(Call& call);
Next object_freq(Call& call);
Next object_idletime(Call& call);
Next object_refcount(Call& call);
Next randomkey(Call& call);
Next scan(Call& call);
Next type(Call& call);

// connection_commands.cc
Next auth(Call& call);
Next discard(Call& call);
Next echo(Call& call);
Next exec(Call& call);
Next hello(Call& call);
Next multi(Call& call);
Next ping(Call& call);
Next quit(Call& call);
Next reset(Call& call);
Next select(Call& call);
Next unwatch(Call& call);
Next watch(Call& call);

// client_commands.cc
// Names and library names: what CLIENT LIST can show on one line.
bool is_plain_name(std::string_view name);
inline constexpr std::string_view kNameFault =
    "ERR Client names cannot contain spaces, newlines or special characters.";
Next client_getname(Call& call);
Next client_getredir(Call& call);
Next client_id(Call& call);
Next client_info(Call& call);
Next client_no_evict(Call& call);
Next client_no_touch(Call& call);
Next client_reply(Call& call);
Next client_setinfo(Call& call);
Next client_setname(Call& call);
Next client_tracking(Call& call);
Next client_trackinginfo(Call& call);

// other_clients_commands.cc
Next client_kill(Call& call);
Next client_list(Call& call);
Next client_pause(Call& call);
Next client_unblock(Call& call);
Next client_unpause(Call& call);
Next monitor(Call& call);

// acl_commands.cc
Next acl_cat(Call& call);
Next acl_deluser(Call& call);
Next acl_dryrun(Call& call);
Next acl_genpass(Call& call);
Next acl_getuser(Call& call);
Next acl_list(Call& call);
Next acl_load(Call& call);
Next acl_log(Call& call);
Next acl_save(Call& call);
Next acl_setuser(Call& call);
Next acl_users(Call& call);
Next acl_whoami(Call& call);

// command_command.cc
Next command(Call& call);
Next command_count(Call& call);
Next command_docs(Call& call);
Next command_getkeys(Call& call);
Next command_getkeysandflags(Call& call);
Next command_info(Call& call);
Next command_list(Call& call);
Next help(Call& call);

// config_commands.cc
Next config_get(Call& call);
Next config_resetstat(Call& call);
Next config_rewrite(Call& call);
Next config_set(Call& call);

// latency_commands.cc
Next latency_doctor(Call& call);
Next latency_graph(Call& call);
Next latency_histogram(Call& call);
Next latency_history(Call& call);
Next latency_latest(Call& call);
Next latency_reset(Call& call);
Next slowlog_get(Call& call);
Next slowlog_len(Call& call);
Next slowlog_reset(Call& call);

// memory_commands.cc
Next memory_doctor(Call& call);
Next memory_malloc_stats(Call& call);
Next memory_purge(Call& call);
Next memory_stats(Call& call);
Next memory_usage(Call& call);

// debug_command.cc
Next debug(Call& call);

// server_commands.cc, info_command.cc
Next bgsave(Call& call);
Next cluster_disabled(Call& call);
Next info(Call& call);
Next lastsave(Call& call);
Next lolwut(Call& call);
Next role(Call& call);
Next save(Call& call);
Next shutdown(Call& call);
Next time(Call& call);

}  // namespace number_dispenser::handlers
