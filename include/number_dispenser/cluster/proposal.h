// A change of definitions on its way through etcd.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "number_dispenser/dispenser/kind.h"
#include "number_dispenser/dispenser/strategy.h"

namespace number_dispenser {

struct Proposal {
  enum class What : uint8_t { kDefine, kSwitch, kRemove };
  enum class Outcome : uint8_t {
    kPending,
    kDone,      // committed in etcd; here it is settled with `change`
    kDiffers,   // exists with another definition; nothing changed
    kNotFound,  // nothing changed
    kMemory,    // between `memory` and the others a dispenser cannot switch in a cluster
    kNoRoom,    // committed, but this node's state file is full
    kAway,      // etcd cannot be reached: nothing changed
    kUnknown,   // etcd did not answer: it may have been made, or not
    kRefused,   // by etcd, in `text`
  };

  What what = What::kDefine;
  std::vector<std::string> names{};  // exactly one, but for kRemove
  Definition definition{};
  std::optional<StrategyId> strategy{};

  // The answer: written once, before `outcome`.
  uint64_t change = 0;
  int64_t removed = 0;  // how many of the names existed
  std::string text{};
  std::atomic<Outcome> outcome{Outcome::kPending};

  Proposal() = default;
  Proposal(What proposed, std::vector<std::string> about)
      : what(proposed), names(std::move(about)) {}
  Proposal(Proposal&& other) noexcept
      : what(other.what),
        names(std::move(other.names)),
        definition(other.definition),
        strategy(other.strategy) {}

  bool asks_for(const Proposal& same) const {
    return what == same.what && names == same.names && definition == same.definition &&
           strategy == same.strategy;
  }
  bool done() const { return outcome.load() != Outcome::kPending; }
};

}  // namespace number_dispenser
