// What clients may take, and how long they may be idle. Owned by the server; any thread reads and
// changes it while loops run.
#pragma once

#include <atomic>
#include <cstdint>

#include "number_dispenser/base/amount.h"

namespace number_dispenser {

struct ClientLimits {
  // Connections; one more is refused.
  std::atomic<uint64_t> max_clients{10'000};
  // As many as were asked for, which the limit of open files may not allow.
  std::atomic<uint64_t> max_clients_asked{10'000};
  // Of all clients' buffers, transactions and held replies, shared evenly by the loops. Where it is
  // passed, those who take most are disconnected. 0: no limit.
  std::atomic<uint64_t> memory_bytes{0};
  // As that was given: so many percent of the memory there is; 0: in bytes.
  std::atomic<uint64_t> memory_percent{0};
  // An idle client that neither waits nor listens is disconnected after that time. 0: never.
  std::atomic<uint64_t> timeout_s{0};
  // Silence after which TCP asks whether the client is still there. 0: it does not ask.
  std::atomic<uint64_t> tcp_keepalive_s{300};
  // Output that waits in one connection, OutputLimit's parts.
  std::atomic<uint64_t> output_hard_bytes{0};
  std::atomic<uint64_t> output_soft_bytes{0};
  std::atomic<uint64_t> output_soft_s{0};

  std::atomic<uint64_t> clients{0};  // connected, or on their way to their loop

  MemoryShare memory() const { return {memory_bytes.load(), memory_percent.load()}; }
  void set_memory(const MemoryShare& share, uint64_t whole_bytes) {
    memory_bytes.store(share.of(whole_bytes));
    memory_percent.store(share.percent);
  }
  OutputLimit output() const {
    return {output_hard_bytes.load(), output_soft_bytes.load(), output_soft_s.load()};
  }
  void set_output(const OutputLimit& limit) {
    output_hard_bytes.store(limit.hard_bytes);
    output_soft_bytes.store(limit.soft_bytes);
    output_soft_s.store(limit.soft_s);
  }
};

}  // namespace number_dispenser
