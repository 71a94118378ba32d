// The values of the cluster's keys in etcd: small JSON objects. Fields that are not known are
// passed over, so that a later version may add some.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "number_dispenser/dispenser/kind.h"
#include "number_dispenser/dispenser/strategy.h"

namespace number_dispenser {

struct DefinitionRecord {
  Definition definition;
  StrategyId strategy = kDefaultStrategy;
  int64_t changed_us = 0;  // since 1970, on the clock of the node that changed it; for people
  // Of one that a server has brought with it: which node, and the first ordinal that it had not
  // issued when it was alone.
  std::string imported_by{};
  uint64_t import_next = 0;

  std::string text() const;
  // Nothing where it is none that HSET would have made.
  static std::optional<DefinitionRecord> read(std::string_view text);
};

// Ordinals below `next` are leased. The latest lease was [first, next), to that `run` of `node`: a
// random number, since two processes may for a moment believe that they are the same node.
struct CounterRecord {
  uint64_t next = 0;
  uint64_t first = 0;
  std::string node{};
  uint32_t run = 0;

  std::string text() const;
  static std::optional<CounterRecord> read(std::string_view text);
};

// Which process serves with a node's id.
struct NodeRecord {
  uint64_t mark = 0;  // never 0 where it was read
  uint32_t epoch = 0;
  std::string host{};

  std::string text() const;
  static std::optional<NodeRecord> read(std::string_view text);
};

}  // namespace number_dispenser
