// The gate under TLS: nothing that must wait is in a record that has left. The whole server on a
// disk whose flushes end when the test says so, and a clock that the test moves.
#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "../support/certificate.h"
#include "../support/temporary_directory.h"
#include "../support/tls_client.h"
#include "fresh_state.h"
#include "number_dispenser/base/log.h"
#include "sim_server.h"

namespace number_dispenser::sim {
namespace {

class TlsGate : public testing::Test {
 protected:
  struct Peer {
    SocketPtr socket;
    testing_support::TlsClient tls{TLS1_3_VERSION};

    bool got_nothing() const { return socket->to_client.empty(); }
  };

  TlsGate() {
    set_log_level(LogLevel::kError);
    const testing_support::TemporaryDirectory folder;
    auto made = TlsContext::create(testing_support::make_certificate(folder.path(), "server"));
    ND_CHECK(made, "{}", made.error().message);
    tls_.emplace(std::move(*made));
    disk_.put(fresh_state(world_.rng, 16));
    ND_CHECK(server_.start(&*tls_), "the server did not start");
  }

  // Until nothing happens any more, for so long at most.
  void run(uint64_t ms = 0) {
    const uint64_t end_ns = world_.clock.monotonic_ns() + ms * kNsPerMs;
    for (bool busy = true; busy || world_.clock.monotonic_ns() < end_ns;) {
      busy = disk_.due_ns().has_value() || server_.is_runnable(0);
      if (server_.is_runnable(0)) server_.step(0);
      disk_.run();
      world_.clock.advance_ns(100'000);
    }
  }

  Peer connect() {
    Peer peer{net_.connect()};
    for (int flight = 0; flight < 3; ++flight) exchange(peer);
    EXPECT_TRUE(peer.tls.established());
    return peer;
  }
  // What the client has said, and what the server says to it.
  void exchange(Peer& peer) {
    peer.socket->to_server += peer.tls.output();
    run();
    peer.tls.receive(std::exchange(peer.socket->to_client, {}));
  }
  std::string ask(Peer& peer, std::string_view requests) {
    if (!requests.empty()) peer.tls.send(requests);
    exchange(peer);
    return std::exchange(peer.tls.read, {});
  }

  std::optional<TlsContext> tls_;
  World world_{1};
  SimDisk disk_{world_, layout::file_bytes(40)};
  SimLive live_{world_, layout::live_bytes(40)};
  SimNet net_{world_};
  SimServer server_{world_, disk_, live_, net_, 1};
};

TEST_F(TlsGate, ANumberIsNotEncryptedWhileItsFlushIsHeld) {
  Peer peer = connect();
  ask(peer, "HSET a type 3 auto_disk elegant_close\r\n");
  disk_.hold(true);
  peer.tls.send("GET a\r\nGET a\r\n");
  peer.socket->to_server += peer.tls.output();
  run(5'000);
  EXPECT_TRUE(peer.got_nothing());
  disk_.hold(false);
  EXPECT_EQ(ask(peer, ""), "$1\r\n0\r\n$1\r\n1\r\n");
}

TEST_F(TlsGate, WhatIsInFrontLeavesAndWhatIsBehindWaitsInOrder) {
  Peer peer = connect();
  ask(peer, "HSET a type 3 auto_disk elegant_close\r\n");
  disk_.hold(true);
  EXPECT_EQ(ask(peer, "PING\r\nGET a\r\nECHO behind\r\n"), "+PONG\r\n");
  EXPECT_EQ(ask(peer, "PING\r\n"), "");
  disk_.hold(false);
  EXPECT_EQ(ask(peer, ""), "$1\r\n0\r\n$6\r\nbehind\r\n+PONG\r\n");
}

TEST_F(TlsGate, AfterAFailedFlushTheErrorAndTheEndAreSaid) {
  Peer peer = connect();
  ask(peer, "HSET a type 3 auto_disk elegant_close\r\n");
  disk_.hold(true);
  EXPECT_EQ(ask(peer, "GET a\r\n"), "");
  disk_.fail_next_flush(EIO);
  disk_.hold(false);
  EXPECT_EQ(ask(peer, ""), fmt::format("-{}\r\n", kIoErrorReply));
  EXPECT_TRUE(peer.tls.ended);
  EXPECT_TRUE(peer.socket->server_ended);
}

TEST_F(TlsGate, HeldRepliesOfAConnectionThatFailsAreNeverSent) {
  Peer peer = connect();
  ask(peer, "HSET a type 3 auto_disk elegant_close\r\n");
  disk_.hold(true);
  EXPECT_EQ(ask(peer, "GET a\r\n"), "");
  peer.socket->to_server += std::string("\x17\x03\x03\x00\x13", 5) + std::string(19, 'x');
  run();
  disk_.hold(false);
  EXPECT_EQ(ask(peer, ""), "");
  EXPECT_FALSE(peer.tls.ended);
  EXPECT_TRUE(peer.socket->server_ended);
  Peer next = connect();
  EXPECT_EQ(ask(next, "GET a\r\n"), "$1\r\n1\r\n");
}

TEST_F(TlsGate, AHandshakeThatStallsEndsAfterTenSecondsAndAnIdleConnectionDoesNot) {
  Peer idle = connect();
  const SocketPtr silent = net_.connect();
  const SocketPtr halfway = net_.connect();
  testing_support::TlsClient client(TLS1_3_VERSION);
  halfway->to_server = client.output();
  run(8'000);
  EXPECT_FALSE(silent->server_ended || halfway->server_ended);
  EXPECT_FALSE(halfway->to_client.empty());
  run(4'000);
  EXPECT_TRUE(silent->server_ended && halfway->server_ended);
  EXPECT_EQ(ask(idle, "PING\r\n"), "+PONG\r\n");
}

TEST_F(TlsGate, PlainTextOnATlsSocketIsNeverARequest) {
  const SocketPtr plain = net_.connect();
  plain->to_server = "HSET a type 3\r\n";
  run();
  EXPECT_EQ(plain->to_client, "");
  EXPECT_TRUE(plain->server_ended);
  Peer peer = connect();
  EXPECT_EQ(ask(peer, "EXISTS a\r\n"), ":0\r\n");
}

}  // namespace
}  // namespace number_dispenser::sim
