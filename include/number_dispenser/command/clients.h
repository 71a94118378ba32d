// The connections of all loops, as CLIENT LIST, CLIENT KILL and CLIENT PAUSE see them.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "number_dispenser/command/command.h"
#include "number_dispenser/net/session.h"

namespace number_dispenser {

// One connection as other connections may see it. Owned by its session.
struct ClientRecord {
  // The same as long as it is in the directory.
  uint64_t id = 0;
  int fd = -1;
  std::string address, local_address;  // HOST:PORT, [HOST]:PORT, or PATH:0 of a Unix socket
  bool is_unix = false;
  bool is_local = false;  // a loopback address, or a Unix socket
  uint64_t connected_ns = 0;
  const ConnectionGauges* gauges = nullptr;

  // Written by its own loop, read by any.
  std::atomic<const Command*> last_command{nullptr};
  Gauge protocol;
  Gauge in_transaction;  // 0 or 1
  Gauge queued, queued_bytes;
  Gauge monitors, keeps_memory;  // 0 or 1: MONITOR, CLIENT NO-EVICT ON

  // CLIENT KILL: it runs nothing any more. Written by any loop.
  std::atomic<bool> killed{false};

  // Written by its own loop, under the directory's lock.
  std::string name, library_name, library_version, user;
};

// A line of CLIENT LIST, in Redis's fields and order, without an end. Those of subscriptions and
// tracking are as for a client that has none. Under the directory's lock, or on the client's loop.
std::string describe(const ClientRecord& client, uint64_t now_ns);

// Any thread. Sessions enter when they open and leave before their descriptor is closed: a
// descriptor found here is still this client's as long as the lock is held.
class ClientDirectory {
 public:
  void enter(ClientRecord& client);
  void leave(const ClientRecord& client);

  // Changes one of the texts of a client.
  void set(std::string& text, std::string_view value);
  // In order of id, under the lock.
  void visit(const std::function<void(ClientRecord&)>& visitor);
  // The same for one; nothing if there is none.
  void visit(uint64_t id, const std::function<void(ClientRecord&)>& visitor);

 private:
  std::mutex mutex_;
  std::map<uint64_t, ClientRecord*> clients_;
};

// CLIENT PAUSE. Any thread.
class Pause {
 public:
  enum class What { kWrite, kAll };

  // As in Redis: a pause under way becomes neither shorter nor narrower.
  void begin(What what, uint64_t until_ns);
  void end();
  // For good: the server stops, and answers what it has read.
  void end_for_good();

  // Whether until_ns() needs to be asked.
  bool active() const { return active_.load(std::memory_order_relaxed); }
  // When a request may run; 0: now.
  uint64_t until_ns(bool writes, uint64_t now_ns);

 private:
  std::mutex mutex_;
  std::atomic<bool> active_{false};
  bool ended_for_good_ = false;
  What what_ = What::kWrite;
  uint64_t until_ns_ = 0;
};

}  // namespace number_dispenser
