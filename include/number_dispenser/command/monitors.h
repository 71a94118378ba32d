// MONITOR: those who want to see every request, on whichever loop it runs. Any thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace number_dispenser {

class Monitors {
 public:
  // What one monitor has not taken yet. Owned by its session.
  struct Mailbox {
    std::string lines;
    bool overflown = false;             // it was too slow: lines are lost
    std::atomic<size_t> room_bytes{0};  // that the lines take; any thread

    void clear() {
      std::string().swap(lines);
      room_bytes.store(0, std::memory_order_relaxed);
    }
  };
  // What may wait for a monitor beyond what its connection has taken.
  static constexpr size_t kMailboxBytes = 4 * 1024 * 1024;

  // The whole cost of a request while nobody monitors.
  bool any() const { return any_.load(std::memory_order_relaxed); }

  void join(Mailbox& mailbox);
  // Drops what was not taken.
  void leave(Mailbox& mailbox);
  // `line` with its end.
  void tell(std::string_view line);
  // What was told since, if there is `room` for it. Nothing: lines were lost.
  std::optional<std::string> take(Mailbox& mailbox, bool room);

 private:
  std::mutex mutex_;
  std::vector<Mailbox*> mailboxes_;
  std::atomic<bool> any_{false};
};

}  // namespace number_dispenser
