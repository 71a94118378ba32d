// Guessing passwords is slow. The penalties themselves, and a connection under them.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "command_server.h"

namespace number_dispenser {
namespace {

using testing_support::CommandServer;

constexpr uint64_t kNsPerMs = 1'000'000;
constexpr uint64_t kNowNs = 1'000 * kNsPerMs;

TEST(LoginGuardTest, PenaltiesDoubleUpToTheLongest) {
  LoginGuard guard;
  uint64_t now_ns = kNowNs;
  EXPECT_EQ(guard.allowed_ns("10.0.0.1:1", now_ns), now_ns);
  for (const uint64_t penalty_ms : {2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2000, 2000, 2000}) {
    guard.failed("10.0.0.1:1", now_ns);
    EXPECT_EQ(guard.allowed_ns("10.0.0.1:1", now_ns), now_ns + penalty_ms * kNsPerMs);
    now_ns += penalty_ms * kNsPerMs;
    EXPECT_EQ(guard.allowed_ns("10.0.0.1:1", now_ns), now_ns) << "its end is exact";
  }
}

TEST(LoginGuardTest, APenaltyIsAnAddresssWhateverThePort) {
  LoginGuard guard;
  guard.failed("10.0.0.1:1", kNowNs);
  EXPECT_GT(guard.allowed_ns("10.0.0.1:2", kNowNs), kNowNs);
  EXPECT_EQ(guard.allowed_ns("10.0.0.2:1", kNowNs), kNowNs);
  guard.failed("[2001:db8::1]:1", kNowNs);
  EXPECT_GT(guard.allowed_ns("[2001:db8::ffff:1]:2", kNowNs), kNowNs) << "the same /64";
  EXPECT_EQ(guard.allowed_ns("[2001:db8:0:1::1]:1", kNowNs), kNowNs);
}

TEST(LoginGuardTest, FailuresAreForgottenAMinuteAfterTheLastPenalty) {
  LoginGuard guard;
  for (int each = 0; each < 8; ++each) guard.failed("10.0.0.1:1", kNowNs);
  const uint64_t later_ns = kNowNs + 62'000 * kNsPerMs;
  guard.failed("10.0.0.1:1", later_ns);
  EXPECT_EQ(guard.allowed_ns("10.0.0.1:1", later_ns), later_ns + 2 * kNsPerMs);
}

TEST(LoginGuardTest, AddressesAreBoundedAndTheOneDueFirstIsForgotten) {
  LoginGuard guard;
  for (int each = 0; each < 9; ++each) guard.failed("10.0.0.1:1", kNowNs);
  for (size_t each = 0; each < LoginGuard::kAddresses; ++each)
    guard.failed(fmt::format("172.16.{}.{}:1", each / 256, each % 256), kNowNs + each);
  EXPECT_GT(guard.allowed_ns("10.0.0.1:1", kNowNs), kNowNs);
  EXPECT_EQ(guard.allowed_ns("172.16.0.0:1", kNowNs), kNowNs);
  EXPECT_GT(guard.allowed_ns("172.16.15.255:1", kNowNs), kNowNs);
}

TEST(LoginGuardTest, LogLinesAreLimitedAndTheRestIsCounted) {
  LoginGuard guard;
  uint64_t left_out = 0;
  for (int each = 0; each < 10; ++each) EXPECT_TRUE(guard.may_log(kNowNs, &left_out));
  for (int each = 0; each < 5; ++each) EXPECT_FALSE(guard.may_log(kNowNs, &left_out));
  EXPECT_EQ(left_out, 0U);
  EXPECT_TRUE(guard.may_log(kNowNs + 10'000 * kNsPerMs, &left_out));
  EXPECT_EQ(left_out, 5U);
}

class LoginTest : public testing::Test {
 protected:
  void SetUp() override { server.context.acl.set_default_password("secret"); }

  CommandServer server;
};

TEST_F(LoginTest, AnAttemptWithinThePenaltyWaitsRightOrWrong) {
  CommandServer::Client guesser(server.context);
  EXPECT_TRUE(guesser.ask("AUTH wrong").starts_with("-WRONGPASS "));
  CommandServer::Client other(server.context);
  for (const std::string_view password : {"wrong", "secret"}) {
    EXPECT_EQ(other.send({"AUTH", password}), Next::kRetry) << "another connection does not help";
    EXPECT_EQ(other.sink.take(), "");
    EXPECT_EQ(other.session.take_retry_ns(), server.clock.monotonic_ns() + 2 * kNsPerMs);
  }
  EXPECT_EQ(other.send({"HELLO", "3", "AUTH", "default", "secret"}), Next::kRetry);
  EXPECT_FALSE(other.session.authenticated());
  server.clock.advance_ms(2);
  EXPECT_EQ(other.ask("AUTH secret"), "+OK\r\n");
  EXPECT_EQ(other.session.take_retry_ns(), UINT64_MAX);
}

TEST_F(LoginTest, WhoeverWaitsIsNotPutOffByTheFailuresOfOthers) {
  CommandServer::Client guesser(server.context);
  CommandServer::Client honest(server.context);
  guesser.ask("AUTH wrong");
  EXPECT_EQ(honest.send({"AUTH", "secret"}), Next::kRetry);
  server.clock.advance_ms(2);
  EXPECT_TRUE(guesser.ask("AUTH wrong").starts_with("-WRONGPASS "));
  EXPECT_EQ(honest.ask("AUTH secret"), "+OK\r\n");
}

TEST_F(LoginTest, ASuccessDoesNotForgiveTheAddress) {
  CommandServer::Client guesser(server.context);
  CommandServer::Client insider(server.context);
  for (int each = 0; each < 4; ++each) {
    guesser.ask("AUTH wrong");
    server.clock.advance_ms(1u << (each + 1));
    EXPECT_EQ(insider.ask("AUTH secret"), "+OK\r\n");
  }
  guesser.ask("AUTH wrong");
  EXPECT_EQ(insider.send({"AUTH", "secret"}), Next::kRetry);
  EXPECT_EQ(insider.session.take_retry_ns(), server.clock.monotonic_ns() + 32 * kNsPerMs);
}

TEST_F(LoginTest, OtherRequestsDoNotWait) {
  CommandServer::Client client(server.context);
  client.ask("AUTH secret");
  client.ask("AUTH wrong");
  EXPECT_EQ(client.ask("PING"), "+PONG\r\n");
}

TEST_F(LoginTest, AnAttemptInATransactionWaitsToo) {
  CommandServer::Client client(server.context);
  client.ask("AUTH secret");
  client.ask("MULTI");
  client.ask("PING");
  client.ask("AUTH wrong");
  client.ask("AUTH secret");
  EXPECT_EQ(client.send({"EXEC"}), Next::kRetry);
  server.clock.advance_ms(2);
  EXPECT_EQ(client.send({"EXEC"}), Next::kContinue);
  EXPECT_EQ(client.sink.take(),
            "*3\r\n+PONG\r\n-WRONGPASS invalid username-password pair or user is disabled.\r\n"
            "+OK\r\n");
}

TEST_F(LoginTest, AServerThatStopsLooksAtOnce) {
  CommandServer::Client client(server.context);
  client.ask("AUTH wrong");
  EXPECT_EQ(client.send({"AUTH", "secret"}), Next::kRetry);
  server.context.end_waits();
  EXPECT_EQ(client.ask("AUTH secret"), "+OK\r\n");
}

}  // namespace
}  // namespace number_dispenser
