#include "number_dispenser/command/clients.h"

#include <fmt/format.h>

#include <algorithm>

namespace number_dispenser {
namespace {

constexpr uint64_t kNsPerS = 1'000'000'000;

// In Redis's letters: monitor, transaction, blocked, to be closed, Unix socket, not to be evicted.
std::string flags_of(const ClientRecord& client) {
  std::string flags;
  if (client.monitors.read() != 0) flags += 'O';
  if (client.in_transaction.read() != 0) flags += 'x';
  if (client.gauges->waits.read() != 0) flags += 'b';
  if (client.killed.load(std::memory_order_relaxed)) flags += 'A';
  if (client.is_unix) flags += 'U';
  if (client.keeps_memory.read() != 0) flags += 'e';
  return flags.empty() ? "N" : flags;
}

// A clock that was read before the moment it is compared with shows 0.
uint64_t seconds_since(uint64_t then_ns, uint64_t now_ns) {
  return then_ns == 0 || now_ns < then_ns ? 0 : (now_ns - then_ns) / kNsPerS;
}

}  // namespace

std::string describe(const ClientRecord& client, uint64_t now_ns) {
  const ConnectionGauges& gauges = *client.gauges;
  const Command* command = client.last_command.load(std::memory_order_relaxed);
  const uint64_t input_room = gauges.input_room.read();
  const uint64_t output_room = gauges.output_room.read();
  const uint64_t queued_bytes = client.queued_bytes.read();
  return fmt::format(
      "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db=0 sub=0 psub=0 ssub=0 "
      "multi={} qbuf={} qbuf-free={} argv-mem=0 multi-mem={} rbs=0 rbp=0 obl={} oll={} omem={} "
      "tot-mem={} events={} cmd={} user={} redir=-1 resp={} lib-name={} lib-ver={}",
      client.id, client.address, client.local_address, client.fd, client.name,
      seconds_since(client.connected_ns, now_ns), seconds_since(gauges.active_ns.read(), now_ns),
      flags_of(client),
      client.in_transaction.read() != 0 ? static_cast<int64_t>(client.queued.read()) : -1,
      gauges.input_bytes.read(), input_room - std::min(input_room, gauges.input_bytes.read()),
      queued_bytes, gauges.output_bytes.read(), gauges.held.read(), output_room,
      sizeof(ClientRecord) + input_room + output_room + queued_bytes,
      gauges.sends.read() != 0 ? "rw" : "r", command == nullptr ? "NULL" : command->name,
      client.user, client.protocol.read(), client.library_name, client.library_version);
}

void ClientDirectory::enter(ClientRecord& client) {
  const std::lock_guard lock(mutex_);
  clients_.emplace(client.id, &client);
}

void ClientDirectory::leave(const ClientRecord& client) {
  const std::lock_guard lock(mutex_);
  clients_.erase(client.id);
}

void ClientDirectory::set(std::string& text, std::string_view value) {
  const std::lock_guard lock(mutex_);
  text = value;
}

void ClientDirectory::visit(const std::function<void(ClientRecord&)>& visitor) {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, client] : clients_) visitor(*client);
}

void ClientDirectory::visit(uint64_t id, const std::function<void(ClientRecord&)>& visitor) {
  const std::lock_guard lock(mutex_);
  if (const auto found = clients_.find(id); found != clients_.end()) visitor(*found->second);
}

void Pause::begin(What what, uint64_t until_ns) {
  const std::lock_guard lock(mutex_);
  if (ended_for_good_) return;
  const bool widens = what == What::kAll || !active_.load();
  if (widens) what_ = what;
  until_ns_ = active_.load() ? std::max(until_ns_, until_ns) : until_ns;
  active_.store(true);
}

void Pause::end() {
  const std::lock_guard lock(mutex_);
  active_.store(false);
}

void Pause::end_for_good() {
  const std::lock_guard lock(mutex_);
  ended_for_good_ = true;
  active_.store(false);
}

uint64_t Pause::until_ns(bool writes, uint64_t now_ns) {
  const std::lock_guard lock(mutex_);
  if (!active_.load()) return 0;
  if (now_ns >= until_ns_) {
    active_.store(false);
    return 0;
  }
  return what_ == What::kAll || writes ? until_ns_ : 0;
}

}  // namespace number_dispenser
