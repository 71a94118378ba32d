// Forced before every source of the model (-include): the real dispenser and state sources then run
// with atomics, mutexes and stores into the state file that hand control to the model before each
// access, and with private members open to it. Not one line of those sources is different.
//
// Everything that could trip over the macros at the end is included before them.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <expected>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "number_dispenser/base/check.h"

namespace number_dispenser::model {

// Another actor may run, or the process or the machine may crash, before the access that follows.
void before_access(const void* at);
// What the running actor has learnt: its own next steps may depend on it.
void learn(uint64_t value);
void acquire(bool& held);
// A store of `bytes` into [to, to + bytes), in the state file or not.
void copy(void* to, const void* from, size_t bytes);
// A check of the program has failed.
[[noreturn]] void broken(std::string text);

}  // namespace number_dispenser::model

namespace std {

template <class T>
class model_atomic {
 public:
  static constexpr bool is_always_lock_free = true;
  constexpr model_atomic() = default;
  constexpr model_atomic(T value) : value_(value) {}

  T load(memory_order = memory_order_seq_cst) const {
    number_dispenser::model::before_access(this);
    number_dispenser::model::learn(static_cast<uint64_t>(value_));
    return value_;
  }
  void store(T value, memory_order = memory_order_seq_cst) {
    number_dispenser::model::before_access(this);
    value_ = value;
  }
  T exchange(T value, memory_order = memory_order_seq_cst) {
    number_dispenser::model::before_access(this);
    number_dispenser::model::learn(static_cast<uint64_t>(value_));
    return std::exchange(value_, value);
  }
  // One step with the load before it: a failure would only load again.
  bool compare_exchange_weak(T& expected, T desired) {
    if (value_ != expected) {
      expected = value_;
      return false;
    }
    value_ = desired;
    return true;
  }

 private:
  T value_{};
};

template <class T>
class model_atomic_ref {
 public:
  explicit model_atomic_ref(T& value) : value_(value) {}
  void store(T value) { number_dispenser::model::copy(&value_, &value, sizeof value); }

 private:
  T& value_;
};
template <class T>
model_atomic_ref(T&) -> model_atomic_ref<T>;

class model_mutex {
 public:
  void lock() { number_dispenser::model::acquire(held_); }
  void unlock() { held_ = false; }
  bool held() const { return held_; }

 private:
  bool held_ = false;
};

inline void* model_memcpy(void* to, const void* from, size_t bytes) {
  number_dispenser::model::copy(to, from, bytes);
  return to;
}

}  // namespace std

#undef ND_CHECK
#define ND_CHECK(condition, ...)                                                                  \
  do {                                                                                            \
    if (!(condition))                                                                             \
      ::number_dispenser::model::broken(                                                          \
          fmt::format("{}:{}: {}: ", __FILE__, __LINE__, #condition) + fmt::format(__VA_ARGS__)); \
  } while (false)

#define atomic model_atomic
#define atomic_ref model_atomic_ref
#define mutex model_mutex
#define memcpy model_memcpy
#define private public
