// The gate: no reply leaves before what it says is durable, and none behind it overtakes it. The
// whole server on a disk whose flushes end when the test says so.
#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <vector>

#include "fresh_state.h"
#include "number_dispenser/base/log.h"
#include "reply_reader.h"
#include "sim_server.h"

namespace number_dispenser::sim {
namespace {

using Replies = std::vector<std::string>;

class Gate : public testing::TestWithParam<unsigned> {
 protected:
  Gate() {
    set_log_level(LogLevel::kError);
    disk_.put(fresh_state(world_.rng, 16));
    start();
  }

  void start() {
    server_ = std::make_unique<SimServer>(world_, disk_, live_, net_, GetParam());
    ASSERT_TRUE(server_->start());
  }
  void cut_power() {
    server_.reset();
    net_.end_process();
    disk_.end_machine();
    live_.end_machine();
    start();
  }

  SocketPtr connect() { return net_.connect(); }
  // Until nothing happens any more, for so long at most.
  void run(uint64_t ms = 0) {
    const uint64_t end_ns = world_.clock.monotonic_ns() + ms * kNsPerMs;
    unsigned turns = 0;
    for (bool busy = true; busy || world_.clock.monotonic_ns() < end_ns;) {
      ASSERT_LT(++turns, 1'000'000u) << "the loops do not come to rest";
      busy = disk_.due_ns().has_value();
      for (unsigned loop = 0; loop < server_->loops(); ++loop) {
        if (!server_->is_runnable(loop)) continue;
        server_->step(loop);
        busy = true;
      }
      disk_.run();
      if (busy || world_.clock.monotonic_ns() < end_ns) world_.clock.advance_ns(100'000);
    }
    ASSERT_EQ(world_.violation, "");
  }
  Replies replies(const SocketPtr& socket) {
    Replies seen;
    size_t taken = 0;
    for (Reply reply; read_reply(socket->to_client, reply, taken) == Read::kWhole;) {
      socket->to_client.erase(0, taken);
      seen.push_back(reply.is_error() ? "-" + reply.text : reply.text);
    }
    EXPECT_EQ(socket->to_client, "");
    return seen;
  }
  Replies ask(const SocketPtr& socket, std::string_view requests) {
    socket->to_server += requests;
    run();
    return replies(socket);
  }

  World world_{1};
  SimDisk disk_{world_, layout::file_bytes(40)};
  SimLive live_{world_, layout::live_bytes(40)};
  SimNet net_{world_};
  std::unique_ptr<SimServer> server_;
};

std::string hset(std::string_view name, std::string_view strategy) {
  return fmt::format("HSET {} type 3 auto_disk {}\r\n", name, strategy);
}

constexpr std::string_view kDurable[] = {"pre-base", "pre-checkpoint", "pre_close",
                                         "elegant_close"};

TEST_P(Gate, NoNumberOfADurableDispenserLeavesWhileTheFlushIsHeld) {
  const SocketPtr owner = connect();
  for (const std::string_view strategy : kDurable) ask(owner, hset(strategy, strategy));
  disk_.hold(true);
  std::vector<SocketPtr> clients;
  for (int each = 0; each < 40; ++each) {
    clients.push_back(connect());
    const std::string_view name = kDurable[static_cast<size_t>(each) % std::size(kDurable)];
    clients.back()->to_server = fmt::format("GET {0}\r\nGET {0}\r\nGET {0}\r\n", name);
  }
  run(10'000);
  for (const SocketPtr& client : clients) EXPECT_EQ(client->to_client, "");

  disk_.hold(false);
  run();
  std::vector<int> seen(std::size(kDurable) * 30);
  for (size_t each = 0; each < clients.size(); ++each) {
    const Replies numbers = replies(clients[each]);
    ASSERT_EQ(numbers.size(), 3u);
    EXPECT_LT(std::stoi(numbers[0]), std::stoi(numbers[1]));
    EXPECT_LT(std::stoi(numbers[1]), std::stoi(numbers[2]));
    for (const std::string& number : numbers)
      ++seen.at(each % std::size(kDurable) * 30 + static_cast<size_t>(std::stoi(number)));
  }
  EXPECT_EQ(seen, std::vector<int>(seen.size(), 1));
}

TEST_P(Gate, AnOpenWindowLetsItsNumbersThroughAndNotOneMore) {
  const SocketPtr client = connect();
  ask(client, hset("a", "pre-base"));
  for (int round = 0; round < 200; ++round) ask(client, "GET a\r\n");
  disk_.hold(true);
  size_t through = 0;
  while (ask(client, "GET a\r\n").size() == 1) ASSERT_LT(++through, 1000u);
  EXPECT_GT(through, 0u);
  // The first that waits, and all behind it.
  EXPECT_EQ(ask(client, "GET a\r\nGET a\r\n"), Replies{});
  // What never reached the client is neither repeated nor in the budget's way.
  cut_power();
  disk_.hold(false);
  const SocketPtr after = connect();
  const Replies number = ask(after, "GET a\r\n");
  ASSERT_EQ(number.size(), 1u);
  EXPECT_GE(std::stoul(number[0]), 200 + through);
}

TEST_P(Gate, WhatIsBehindAHeldReplyWaitsInOrder) {
  const SocketPtr client = connect();
  ask(client, hset("a", "elegant_close"));
  ask(client, "HSET m type 3 auto_disk memory\r\n");
  disk_.hold(true);
  EXPECT_EQ(
      ask(client, "PING first\r\nGET a\r\nPING behind\r\nGET nobody\r\nGET m\r\nNONSENSE\r\n"),
      Replies{"first"});
  EXPECT_EQ(ask(client, "ECHO later\r\nGET a\r\n"), Replies{});
  disk_.hold(false);
  run();
  EXPECT_EQ(replies(client),
            (Replies{"0", "behind", "-ERR dispenser not found", "0",
                     "-ERR unknown command 'NONSENSE', with args beginning with: ", "later", "1"}));
}

TEST_P(Gate, AnotherConnectionIsNotHeldByWhatItDoesNotAskFor) {
  const SocketPtr waiting = connect();
  ask(waiting, hset("a", "elegant_close"));
  ask(waiting, "HSET m type 3 auto_disk memory\r\nHSET r type 1 length 4\r\n");
  disk_.hold(true);
  EXPECT_EQ(ask(waiting, "GET a\r\n"), Replies{});
  const SocketPtr other = connect();
  EXPECT_EQ(ask(other, "PING\r\nGET m\r\nGET m\r\nGET nobody\r\n"),
            (Replies{"PONG", "0", "1", "-ERR dispenser not found"}));
  EXPECT_EQ(ask(other, "GET r\r\n").size(), 1u);
}

TEST_P(Gate, ADefinitionIsAnsweredAfterItsTwoFlushes) {
  const SocketPtr client = connect();
  run();
  disk_.hold(true);
  EXPECT_EQ(ask(client, hset("a", "memory")), Replies{});
  cut_power();
  const SocketPtr again = connect();
  disk_.hold(false);
  EXPECT_EQ(ask(again, "GET a\r\n"), Replies{"-ERR dispenser not found"});
  EXPECT_EQ(ask(again, hset("a", "memory")), Replies{"2"});
  cut_power();
  const SocketPtr last = connect();
  EXPECT_EQ(ask(last, "GET a\r\n"), Replies{"0"});
}

TEST_P(Gate, ADeletionIsAnsweredAfterItsFlush) {
  const SocketPtr client = connect();
  ask(client, hset("a", "elegant_close"));
  disk_.hold(true);
  EXPECT_EQ(ask(client, "DEL a\r\nDEL a\r\nPING\r\n"), Replies{});
  disk_.hold(false);
  run();
  EXPECT_EQ(replies(client), (Replies{"1", "0", "PONG"}));
  cut_power();
  EXPECT_EQ(ask(connect(), "GET a\r\n"), Replies{"-ERR dispenser not found"});
}

TEST_P(Gate, ASwitchOfStrategyIsAnsweredAfterItsFlush) {
  const SocketPtr client = connect();
  ask(client, hset("a", "elegant_close"));
  disk_.hold(true);
  EXPECT_EQ(ask(client, "HSET a auto_disk memory\r\nGET a\r\n"), Replies{});
  disk_.hold(false);
  run();
  EXPECT_EQ(replies(client), (Replies{"1", "0"}));
}

TEST_P(Gate, AfterAFailedFlushNothingHeldLeavesAndNothingIsIssued) {
  const SocketPtr client = connect();
  const SocketPtr other = connect();
  ask(client, hset("a", "elegant_close"));
  ask(client, "HSET m type 3 auto_disk memory\r\nHSET w type 3 auto_disk pre-base\r\n");
  for (int round = 0; round < 100; ++round) ask(client, "GET w\r\n");
  disk_.hold(true);
  EXPECT_EQ(ask(client, "GET a\r\nPING\r\nDEL w\r\nHSET x type 3\r\n"), Replies{});
  EXPECT_EQ(ask(other, "GET a\r\n"), Replies{});
  disk_.fail_next_flush(EIO);
  disk_.hold(false);
  run();
  const std::string error = fmt::format("-{}", kIoErrorReply);
  EXPECT_EQ(replies(client), Replies(4, error));
  EXPECT_EQ(replies(other), Replies{error});
  EXPECT_TRUE(client->server_ended);
  EXPECT_TRUE(other->server_ended);
  EXPECT_TRUE(server_->failed());
  EXPECT_EQ(connect(), nullptr);
}

TEST_P(Gate, RequestsReadAfterAFailedFlushGetTheErrorToo) {
  const SocketPtr client = connect();
  ask(client, hset("a", "elegant_close"));
  ask(client, "HSET m type 3 auto_disk memory\r\n");
  disk_.hold(true);
  EXPECT_EQ(ask(client, "GET a\r\n"), Replies{});
  disk_.fail_next_flush(EIO);
  disk_.hold(false);
  client->to_server += "GET m\r\nGET a\r\nHSET y type 3\r\nDEL a\r\n";
  run();
  const Replies seen = replies(client);
  EXPECT_FALSE(seen.empty());
  for (const std::string& reply : seen) EXPECT_EQ(reply, fmt::format("-{}", kIoErrorReply));
  EXPECT_TRUE(client->server_ended);
}

TEST_P(Gate, AfterAFailedFlushWhoeverWantsNoReplyGetsNoError) {
  const SocketPtr client = connect();
  ask(client, hset("a", "elegant_close"));
  disk_.hold(true);
  EXPECT_EQ(ask(client, "GET a\r\nCLIENT REPLY SKIP\r\nGET a\r\nPING\r\n"), Replies{});
  disk_.fail_next_flush(EIO);
  disk_.hold(false);
  run();
  EXPECT_EQ(replies(client), Replies(2, fmt::format("-{}", kIoErrorReply)));
}

// Commands about other connections: they reach every loop, and without a timer where none is meant.

TEST_P(Gate, APauseHoldsBackOnEveryLoopUntilItsTime) {
  std::vector<SocketPtr> clients{connect(), connect(), connect()};
  ask(clients[0], hset("a", "elegant_close"));
  EXPECT_EQ(ask(clients[0], "CLIENT PAUSE 500 WRITE\r\n"), Replies{"OK"});
  for (const SocketPtr& client : clients) {
    EXPECT_EQ(ask(client, "GET a\r\n"), Replies{});
  }
  run(490);
  for (const SocketPtr& client : clients) EXPECT_EQ(client->to_client, "");
  run(11);
  for (const SocketPtr& client : clients) EXPECT_EQ(replies(client).size(), 1u);
}

TEST_P(Gate, UnpauseWakesEveryLoopAtOnce) {
  std::vector<SocketPtr> clients{connect(), connect(), connect()};
  const SocketPtr boss = connect();
  ask(boss, hset("a", "elegant_close"));
  ask(boss, "CLIENT PAUSE 100000 WRITE\r\n");
  for (const SocketPtr& client : clients) EXPECT_EQ(ask(client, "GET a\r\n"), Replies{});
  EXPECT_EQ(ask(boss, "CLIENT UNPAUSE\r\n"), Replies{"OK"});
  for (const SocketPtr& client : clients) EXPECT_EQ(replies(client).size(), 1u);
}

TEST_P(Gate, AClientKilledWhileItWaitsIsClosedAtOnceAndDrawsNothing) {
  const SocketPtr boss = connect();
  ask(boss, hset("a", "elegant_close"));
  ask(boss, "CLIENT PAUSE 100000 WRITE\r\n");
  const SocketPtr victim = connect();
  const Replies id = ask(victim, "CLIENT ID\r\n");
  EXPECT_EQ(ask(victim, "GET a\r\nGET a\r\n"), Replies{});
  EXPECT_EQ(ask(boss, fmt::format("CLIENT KILL ID {}\r\n", id.at(0))), Replies{"1"});
  EXPECT_TRUE(victim->closed);
  ask(boss, "CLIENT UNPAUSE\r\n");
  EXPECT_EQ(ask(boss, "GET a\r\n"), Replies{"0"});
}

TEST_P(Gate, AMonitorHearsEveryLoopAtOnce) {
  const SocketPtr monitor = connect();
  EXPECT_EQ(ask(monitor, "MONITOR\r\n"), Replies{"OK"});
  for (int each = 0; each < 6; ++each) {
    ask(connect(), fmt::format("ECHO {0}\r\nECHO {0}\r\n", each));
    const Replies lines = replies(monitor);
    ASSERT_EQ(lines.size(), 2u);
    EXPECT_TRUE(lines[1].ends_with(fmt::format("[0 ?:0] \"ECHO\" \"{}\"", each))) << lines[1];
  }
}

TEST_P(Gate, AMonitorIsNotIdleThoughNobodySaysAnything) {
  const SocketPtr monitor = connect();
  const SocketPtr idle = connect();
  ask(monitor, "MONITOR\r\n");
  ask(idle, "CONFIG SET timeout 2\r\n");
  run(5000);
  EXPECT_TRUE(idle->closed);
  EXPECT_FALSE(monitor->closed);
}

TEST_P(Gate, ALargeClientThatMustNotBeEvictedGoesOnlyWhereNobodyElseIsLeft) {
  const unsigned loops = server_->loops();
  std::vector<SocketPtr> spared;
  std::vector<SocketPtr> others;
  for (unsigned loop = 0; loop < loops; ++loop) spared.push_back(connect());
  for (unsigned loop = 0; loop < loops; ++loop) others.push_back(connect());
  run();
  ask(spared[0], fmt::format("CONFIG SET maxmemory-clients {}kb\r\n", 400 * loops));
  // Of each, part of a request, in a buffer of 256 KiB.
  const std::string large = "*2\r\n$4\r\nECHO\r\n$900000\r\n" + std::string(200'000, 'x');
  for (const SocketPtr& client : spared) {
    EXPECT_EQ(ask(client, "CLIENT NO-EVICT ON\r\n"), Replies{"OK"});
    EXPECT_EQ(ask(client, large), Replies{});
  }
  for (const SocketPtr& client : others) EXPECT_EQ(ask(client, large + "x"), Replies{});
  for (unsigned loop = 0; loop < loops; ++loop) {
    EXPECT_TRUE(others[loop]->closed);
    EXPECT_FALSE(spared[loop]->closed);
  }
  EXPECT_EQ(ask(spared[0], std::string(300'000, 'x')), Replies{});
  EXPECT_TRUE(spared[0]->closed);
}

TEST_P(Gate, AStopAnswersWhatAPauseHeldBack) {
  const SocketPtr client = connect();
  ask(client, hset("a", "elegant_close"));
  ask(client, "CLIENT PAUSE 100000\r\n");
  EXPECT_EQ(ask(client, "GET a\r\n"), Replies{});
  server_->stop();
  run();
  EXPECT_EQ(replies(client), Replies{"0"});
  EXPECT_TRUE(client->server_ended);
}

INSTANTIATE_TEST_SUITE_P(Loops, Gate, testing::Values(1u, 2u, 3u), [](const auto& loops) {
  return std::to_string(loops.param) + (loops.param == 1 ? "Loop" : "Loops");
});

}  // namespace
}  // namespace number_dispenser::sim
