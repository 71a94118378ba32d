// Nodes of a cluster on one etcd, and what their clients have received.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "cluster_node.h"
#include "number_dispenser/base/error.h"

namespace number_dispenser::testing_support {

class ClusterTest : public testing::Test {
 protected:
  using What = Proposal::What;
  using Outcome = Proposal::Outcome;
  static constexpr Definition kCounting{Kind::kIncrementing, 0, 0, 1};

  static constexpr Definition short_range(uint64_t numbers) {
    return {Kind::kIncrementing, 0, kMaxNumber - numbers + 1, 1};
  }

  // Nodes are called a, b, c ..., each on a machine of its own.
  ClusterNode& add(std::string id) {
    nodes.push_back(std::make_unique<ClusterNode>(etcd, clock, std::move(id), nodes.size() + 1));
    return *nodes.back();
  }
  ClusterNode& start(std::string id) {
    ClusterNode& node = add(std::move(id));
    node.start();
    join(node);
    return node;
  }
  // It is stopped, and has a dispenser d, of which nothing was issued.
  ClusterNode& served_alone(std::string id, StrategyId strategy) {
    ClusterNode& node = add(std::move(id));
    node.start(Registry::Mode::kAlone);
    node.registry().define(node.view(), "d", kCounting, strategy);
    for (int at = 0; at < 3; ++at) node.tick();
    node.kill();
    return node;
  }
  void join(ClusterNode& node) {
    EXPECT_TRUE(until([&] { return node.cluster().joined(); })) << node.settings.node_id;
  }
  void stop(ClusterNode& node) {
    node.begin_stop();
    EXPECT_TRUE(until([&] { return node.cluster().left(); }));
    node.end_stop();
  }

  // With some numbers issued, and a mark that has moved since.
  ClusterNode& used(const std::string& id) {
    ClusterNode& node = start(id);
    EXPECT_EQ(define(node, "d"), Outcome::kDone);
    take(node, "d", 10);
    run_ms(3000);
    return node;
  }
  // How it has ended.
  std::optional<ExitStatus> failure(ClusterNode& node) {
    EXPECT_TRUE(until([&] { return node.cluster().has_failed(); }));
    const auto& error = node.cluster().failure();
    return error ? std::optional(error->status) : std::nullopt;
  }

  // Ticks every node that runs, each millisecond. False: it is not so for `most_ms`.
  bool until(const std::function<bool()>& so, uint64_t most_ms = 60'000) {
    for (uint64_t passed = 0; passed < most_ms; ++passed) {
      if (so()) return true;
      clock.advance_ms(1);
      for (const auto& node : nodes)
        if (node->running() && !paused.contains(node.get())) node->tick();
      etcd.run();
    }
    return so();
  }
  void run_ms(uint64_t ms) {
    until([] { return false; }, ms);
  }

  // What a change of definitions came to, once it is settled here.
  Outcome propose(ClusterNode& node, Proposal proposal) {
    last = node.cluster().propose(std::move(proposal));
    EXPECT_TRUE(until([&] { return last->done(); }));
    const bool done = last->outcome.load() == Outcome::kDone;
    if (done) EXPECT_TRUE(until([&] { return node.registry().settled().load() > last->change; }));
    return last->outcome.load();
  }
  static Proposal definition(const std::string& name, Definition of = kCounting,
                             std::optional<StrategyId> strategy = std::nullopt) {
    Proposal proposal(What::kDefine, {name});
    proposal.definition = of;
    proposal.strategy = strategy;
    return proposal;
  }
  Outcome define(ClusterNode& node, const std::string& name, Definition of = kCounting,
                 std::optional<StrategyId> strategy = std::nullopt) {
    return propose(node, definition(name, of, strategy));
  }
  Outcome switch_to(ClusterNode& node, const std::string& name, StrategyId strategy) {
    Proposal proposal(What::kSwitch, {name});
    proposal.strategy = strategy;
    return propose(node, std::move(proposal));
  }
  Outcome remove(ClusterNode& node, const std::string& name) {
    return propose(node, {What::kRemove, {name}});
  }
  bool knows(ClusterNode& node, const std::string& name) {
    return node.view().find(name) != nullptr;
  }

  // The next number's ordinal, as a client receives it: new, whoever issued it. Nothing where there
  // is none left.
  std::optional<uint64_t> take(ClusterNode& node, const std::string& name) {
    std::expected<uint64_t, Registry::Supply> drawn;
    EXPECT_TRUE(until([&] {
      drawn = node.draw(name);
      return drawn || drawn.error() != Registry::Supply::kComing;
    })) << "no segment comes";
    if (!drawn) return std::nullopt;
    EXPECT_TRUE(until([&] { return node.is_released(name, *drawn); })) << "no bound covers it";
    const uint64_t generation = node.registry().info(name)->lease.generation;
    auto& before = received[{name, generation}];
    EXPECT_TRUE(before.insert(*drawn).second) << name << " issued " << *drawn << " twice";
    return *drawn;
  }
  void take(ClusterNode& node, const std::string& name, uint64_t count) {
    for (uint64_t at = 0; at < count; ++at) ASSERT_TRUE(take(node, name));
  }
  Lease lease(ClusterNode& node, const std::string& name) {
    return node.registry().info(name)->lease;
  }

  ManualClock clock;
  SeededRandom random{1};
  SimEtcd etcd{clock, random};
  std::vector<std::unique_ptr<ClusterNode>> nodes;
  std::set<ClusterNode*> paused;  // processes that do not get to run
  std::map<std::pair<std::string, uint64_t>, std::set<uint64_t>> received;
  std::shared_ptr<const Proposal> last;
};

}  // namespace number_dispenser::testing_support
