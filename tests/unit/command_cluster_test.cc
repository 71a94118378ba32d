// Commands on a node of a cluster: what etcd decides, and what of the leases is shown.
#include "cluster_test.h"
#include "command_server.h"

namespace number_dispenser {
namespace {

using testing_support::ClusterNode;
using testing_support::ClusterTest;
using testing_support::CommandServer;

// What a node's clients talk to; it ends before the node's process does.
struct Front {
  Front(ClusterNode& node, const Clock& clock) : context{node.registry(), clock, {}, [] {}} {
    context.loops.push_back({&node.view(), &random, &stats});
    context.cluster = &node.cluster();
  }

  testing_support::SeededRandom random{1};
  LoopStats stats;
  CommandContext context;
};

class CommandCluster : public ClusterTest {
 protected:
  // A request that is tried again until it is answered.
  std::string ask(CommandServer::Client& client, std::string_view line) {
    std::string reply;
    EXPECT_TRUE(until([&] {
      reply = client.ask(line);
      return !reply.empty();
    })) << line;
    return reply;
  }
};

TEST_F(CommandCluster, ADecisionDoesNotOutliveItsRequest) {
  Front front(start("a"), clock);
  CommandServer::Client admin(front.context);
  CommandServer::Client client(front.context);
  ASSERT_EQ(ask(admin, "HSET x type 3"), ":1\r\n");
  ASSERT_EQ(client.ask("DEL x"), "") << "it is to wait for etcd";
  ASSERT_EQ(ask(admin, "ACL SETUSER default -del"), "+OK\r\n");
  ASSERT_TRUE(until([&] { return !etcd.store.find("/number-dispenser/def/x"); }));
  run_ms(100);
  EXPECT_TRUE(client.ask("DEL x").starts_with("-NOPERM"));
  ASSERT_EQ(ask(admin, "ACL SETUSER default +del"), "+OK\r\n");
  ASSERT_EQ(ask(admin, "HSET x type 3"), ":1\r\n");
  EXPECT_EQ(ask(client, "DEL x"), ":1\r\n");
  EXPECT_FALSE(etcd.store.find("/number-dispenser/def/x")) << "it was told of an earlier deletion";
}

TEST_F(CommandCluster, WhatIsNotImportedYetHasNoSegment) {
  ClusterNode& a = add("a");
  a.start(Registry::Mode::kAlone);
  a.registry().define(a.view(), "d", kCounting, std::nullopt);
  run_ms(10);
  ASSERT_EQ(a.draw("d", 500), 0U);
  run_ms(10);
  a.end_stop();
  etcd.go_down(3'600'000'000'000);
  a.start();
  Front front(a, clock);
  CommandServer::Client client(front.context);
  const std::string reply = client.ask("INFO d");
  EXPECT_NE(reply.find("current:500\r\n"), std::string::npos) << reply;
  EXPECT_NE(reply.find("segment:none\r\nsegment_left:0\r\n"), std::string::npos) << reply;
}

}  // namespace
}  // namespace number_dispenser
