// Slows the guessing of passwords. A failed attempt opens a penalty for its peer's address, twice
// as long as the one before, from 2 ms to 2 s; an attempt that comes within it waits for its end
// before the password is looked at, whether it is right or wrong. So neither a new connection nor
// hanging up early gets an answer sooner, and whoever mistypes once notices nothing. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace number_dispenser {

class LoginGuard {
 public:
  static constexpr uint64_t kLongestPenaltyMs = 2000;
  // Addresses remembered; beyond, the one whose penalty ended first is forgotten.
  static constexpr size_t kAddresses = 4096;

  // When the next attempt of `address` may be looked at: now, or the end of its penalty. The
  // client's port is no part of its address, nor is the lower half of an IPv6 address.
  uint64_t allowed_ns(std::string_view address, uint64_t now_ns) const;
  void failed(std::string_view address, uint64_t now_ns);

  // Whether a line about a failure may be logged: so many in ten seconds. `*left_out`: how many
  // were not since the last one that was.
  bool may_log(uint64_t now_ns, uint64_t* left_out);

 private:
  struct Failures {
    unsigned count = 0;
    uint64_t until_ns = 0;  // the penalty's end
  };

  void forget_one();

  mutable std::mutex mutex_;
  std::map<std::string, Failures, std::less<>> failures_;
  uint64_t log_period_ns_ = 0;  // when it began
  unsigned logged_ = 0;         // in it
  uint64_t left_out_ = 0;
};

}  // namespace number_dispenser
