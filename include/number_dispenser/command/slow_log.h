// SLOWLOG: the last requests that took long. Bounded: `max_len` entries of at most 32 words, each
// cut behind 128 bytes. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace number_dispenser {

class SlowLog {
 public:
  struct Entry {
    uint64_t id = 0;  // of the entry, since the start
    int64_t unix_s = 0;
    uint64_t took_us = 0;
    std::vector<std::string> words;
    std::string address;  // the client's
    std::string name;     // the client's
  };

  // Requests that took so long or longer are kept; negative: none.
  void set_slower_than_us(int64_t us) { slower_than_us_.store(us, std::memory_order_relaxed); }
  int64_t slower_than_us() const { return slower_than_us_.load(std::memory_order_relaxed); }
  bool wants(uint64_t took_ns) const {
    const int64_t least_us = slower_than_us();
    return least_us >= 0 && took_ns / 1000 >= static_cast<uint64_t>(least_us);
  }

  void set_max_len(uint64_t entries);
  uint64_t max_len() const;

  // Gives the entry its id.
  void add(Entry entry);
  std::vector<Entry> newest(size_t most) const;
  size_t size() const;
  void clear();

 private:
  std::atomic<int64_t> slower_than_us_{10'000};
  mutable std::mutex mutex_;
  uint64_t max_len_ = 128;
  uint64_t next_id_ = 0;
  std::deque<Entry> entries_;  // the newest first
};

// A request's words as an entry keeps them, in Redis's words for what is left out.
std::vector<std::string> words_for_log(std::span<const std::string_view> words);

}  // namespace number_dispenser
