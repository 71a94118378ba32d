// What took long: SLOWLOG, LATENCY, the histograms, and what INFO makes of them.
#include <gtest/gtest.h>

#include "command_server.h"
#include "number_dispenser/command/latency.h"
#include "number_dispenser/command/slow_log.h"

namespace number_dispenser {
namespace {

using testing_support::CommandServer;

constexpr uint64_t kMs = 1'000'000;

class LatencyTest : public testing::Test {
 protected:
  CommandServer server;
  CommandServer::Client client{server.context};
};

TEST(LatencyBuckets, EveryTimeIsInABucketThatEndsAtMostAnEighthLater) {
  for (uint64_t ns = 1; ns < LatencyBuckets::kLongestNs; ns += ns / 7 + 1) {
    const size_t bucket = LatencyBuckets::of(ns);
    ASSERT_LT(bucket, LatencyBuckets::kCount);
    EXPECT_GE(LatencyBuckets::longest_ns(bucket), ns);
    EXPECT_LE(LatencyBuckets::longest_ns(bucket), ns + ns / 8);
    if (bucket > 0) {
      EXPECT_LT(LatencyBuckets::longest_ns(bucket - 1), ns);
    }
  }
  EXPECT_EQ(LatencyBuckets::of(UINT64_MAX), LatencyBuckets::kCount - 1);
}

TEST(LatencyDistribution, PercentilesAndStepsAreThoseOfWhatWasAdded) {
  LatencyHistogram histogram;
  LatencyDistribution none;
  EXPECT_EQ(none.percentile_us(50), 0);
  EXPECT_TRUE(none.cumulative().empty());
  for (int call = 0; call < 98; ++call) histogram.add(900);
  histogram.add(5 * kMs);
  histogram.add(5000 * kMs);
  LatencyDistribution sum;
  sum.add(histogram);
  EXPECT_EQ(sum.count(), 100U);
  EXPECT_NEAR(sum.percentile_us(0), 0.9, 0.12);
  EXPECT_NEAR(sum.percentile_us(50), 0.9, 0.12);
  EXPECT_NEAR(sum.percentile_us(99), 5000, 625);
  EXPECT_NEAR(sum.percentile_us(100), 1073741, 1);
  const auto steps = sum.cumulative();
  ASSERT_EQ(steps.size(), 3U) << "only where the count grows";
  EXPECT_EQ(steps[0].us, 1U);
  EXPECT_EQ(steps[0].count, 98U);
  EXPECT_EQ(steps[1].us, 8454U) << "Redis's name for 2^23 ns";
  EXPECT_EQ(steps[1].count, 99U);
  EXPECT_EQ(steps[2].us, 1073741U);
  EXPECT_EQ(steps[2].count, 100U);
  histogram.reset();
  LatencyDistribution after;
  after.add(histogram);
  EXPECT_EQ(after.count(), 0U);
}

TEST(SlowLogWords, AreCutAsRedisCutsThem) {
  const std::string word(130, 'x');
  std::vector<std::string_view> words(32, "w");
  words[1] = word;
  auto kept = words_for_log(words);
  EXPECT_EQ(kept.size(), 32U);
  EXPECT_EQ(kept[1], std::string(128, 'x') + "... (2 more bytes)");
  words.emplace_back("last");
  kept = words_for_log(words);
  EXPECT_EQ(kept.size(), 32U);
  EXPECT_EQ(kept.back(), "... (2 more arguments)");
}

TEST_F(LatencyTest, TheSlowLogKeepsTheLatestInRedissForm) {
  EXPECT_EQ(client.ask("PING"), "+PONG\r\n");
  EXPECT_EQ(client.ask("SLOWLOG LEN"), ":0\r\n") << "fast ones are not kept";
  client.ask("CONFIG SET slowlog-log-slower-than 0 slowlog-max-len 2");
  client.ask("SLOWLOG RESET");
  client.ask("SLOWLOG RESET");
  client.ask("CLIENT SETNAME me");
  client.ask("ECHO a");
  EXPECT_EQ(client.ask("SLOWLOG LEN"), ":2\r\n");
  const std::string reply = client.ask("SLOWLOG GET 1");
  EXPECT_EQ(reply,
            "*1\r\n*6\r\n:5\r\n:1\r\n:0\r\n*2\r\n$7\r\nSLOWLOG\r\n$3\r\nLEN\r\n$3\r\n?:0\r\n$"
            "2\r\nme\r\n");
  EXPECT_TRUE(client.ask("SLOWLOG GET -1").starts_with("*2\r\n"));
  EXPECT_TRUE(client.ask("SLOWLOG GET").starts_with("*2\r\n"));
  EXPECT_EQ(client.ask("SLOWLOG GET 0"), "*0\r\n");
  for (const char* wrong : {"SLOWLOG GET -2", "SLOWLOG GET x"})
    EXPECT_EQ(client.ask(wrong), "-ERR count should be greater than or equal to -1\r\n");
  EXPECT_TRUE(client.ask("SLOWLOG GET 1 2").starts_with("-ERR unknown subcommand or wrong number"));
  client.ask("CONFIG SET slowlog-max-len 1");
  EXPECT_EQ(client.ask("SLOWLOG LEN"), ":1\r\n");
  client.ask("CONFIG SET slowlog-log-slower-than -1");
  EXPECT_EQ(client.ask("SLOWLOG RESET"), "+OK\r\n");
  EXPECT_EQ(client.ask("SLOWLOG LEN"), ":0\r\n");
}

TEST_F(LatencyTest, NoSecretIsInTheSlowLog) {
  client.ask("CONFIG SET slowlog-log-slower-than 0 slowlog-max-len 100");
  for (const char* request :
       {"AUTH hunter2", "AUTH default hunter2", "HELLO 3 SETNAME auth AUTH default hunter2",
        "HELLO 2 AUTH default hunter2 SETNAME shown", "ACL SETUSER bob on >hunter2",
        "CONFIG SET slowlog-max-len 99 requirepass hunter2", "AUTH hunter2"})
    client.ask(request);
  const std::string all = client.ask("SLOWLOG GET -1");
  EXPECT_EQ(all.find("hunter2"), std::string::npos) << all;
  EXPECT_EQ(all.find("bob"), std::string::npos) << "as in Redis";
  EXPECT_NE(all.find("(redacted)"), std::string::npos);
  EXPECT_NE(all.find("shown"), std::string::npos) << "what is no secret stays";
  EXPECT_NE(all.find("$2\r\n99\r\n"), std::string::npos);
}

TEST_F(LatencyTest, ATransactionIsLoggedByItsCommands) {
  client.ask("CONFIG SET slowlog-log-slower-than 0");
  client.ask("SLOWLOG RESET");
  for (const char* request : {"MULTI", "ECHO inside", "EXEC"}) client.ask(request);
  const std::string all = client.ask("SLOWLOG GET");
  EXPECT_NE(all.find("inside"), std::string::npos);
  EXPECT_EQ(all.find("EXEC"), std::string::npos);
}

TEST_F(LatencyTest, EventsAreKeptFromTheThresholdOn) {
  LatencyMonitor& latency = server.context.latency;
  EXPECT_FALSE(latency.wants(UINT64_MAX)) << "off until it is switched on";
  client.ask("CONFIG SET latency-monitor-threshold 10");
  EXPECT_FALSE(latency.wants(10 * kMs - 1));
  EXPECT_TRUE(latency.wants(10 * kMs));
  latency.note("command", 30 * kMs, 100);
  latency.note("command", 20 * kMs, 100);
  latency.note("command", 12 * kMs, 101);
  latency.note("flush", 50 * kMs, 7);
  EXPECT_EQ(client.ask("LATENCY LATEST"),
            "*2\r\n*4\r\n$7\r\ncommand\r\n:101\r\n:12\r\n:30\r\n"
            "*4\r\n$5\r\nflush\r\n:7\r\n:50\r\n:50\r\n");
  EXPECT_EQ(client.ask("LATENCY HISTORY command"),
            "*2\r\n*2\r\n:100\r\n:30\r\n*2\r\n:101\r\n:12\r\n");
  EXPECT_EQ(client.ask("LATENCY HISTORY none"), "*0\r\n");
  const std::string report = client.ask("LATENCY DOCTOR");
  EXPECT_NE(
      report.find("command: average 21 ms, mean deviation 9 ms, longest ever 30 ms; kept: 2."),
      std::string::npos)
      << report;
  EXPECT_NE(report.find("flush: average 50 ms, mean deviation 0 ms, longest ever 50 ms; kept: 1. "
                        "The disk is slow"),
            std::string::npos)
      << report;
  EXPECT_EQ(client.ask("LATENCY RESET flush none"), ":1\r\n");
  EXPECT_EQ(client.ask("LATENCY RESET"), ":1\r\n");
  EXPECT_EQ(client.ask("LATENCY LATEST"), "*0\r\n");
  EXPECT_NE(client.ask("LATENCY DOCTOR").find("Nothing took 10 ms or longer."), std::string::npos);
  client.ask("CONFIG SET latency-monitor-threshold 0");
  EXPECT_NE(client.ask("LATENCY DOCTOR").find("Latency monitoring is off."), std::string::npos);
}

TEST_F(LatencyTest, AnEventsHistoryIsBounded) {
  for (int64_t second = 0; second < 200; ++second)
    server.context.latency.note("command", kMs, second);
  const auto event = server.context.latency.event("command");
  EXPECT_EQ(event.samples.size(), LatencyMonitor::kMostSamples);
  EXPECT_EQ(event.samples.front().unix_s, 40);
}

TEST_F(LatencyTest, TheGraphHasAColumnASample) {
  EXPECT_EQ(client.ask("LATENCY GRAPH none"), "-ERR No samples available for event 'none'\r\n");
  LatencyMonitor& latency = server.context.latency;
  server.clock.advance_ms(200'000'000);  // now is 200001 s
  latency.note("command", 10 * kMs, 1);
  latency.note("command", 21 * kMs, 200'001 - 7200);
  latency.note("command", 15 * kMs, 200'001 - 125);
  latency.note("command", 12 * kMs, 200'001 - 9);
  const std::string graph = client.ask("LATENCY GRAPH command");
  EXPECT_NE(graph.find("command - high 21 ms, low 10 ms (all time high 21 ms)\n" +
                       std::string(80, '-') + "\n #\n |\n |#\n_||#\n\n2229\ndhms\n"),
            std::string::npos)
      << graph;
  for (int64_t second = 0; second < 100; ++second) latency.note("flush", kMs, second);
  const std::string flat = client.ask("LATENCY GRAPH flush");
  EXPECT_NE(flat.find("\n" + std::string(80, '_') + "\n"), std::string::npos) << "the last 80";
}

TEST_F(LatencyTest, HistogramsAreOfTheCommandsAskedFor) {
  client.ask("PING");
  client.ask("PING");
  client.ask("CLIENT ID");
  EXPECT_EQ(
      client.ask("LATENCY HISTOGRAM PING nosuch"),
      "*2\r\n$4\r\nping\r\n*4\r\n$5\r\ncalls\r\n:2\r\n$14\r\nhistogram_usec\r\n*2\r\n:1\r\n:2\r\n");
  EXPECT_TRUE(client.ask("LATENCY HISTOGRAM client").starts_with("*2\r\n$9\r\nclient|id\r\n"))
      << "a container stands for its subcommands";
  const std::string all = client.ask("LATENCY HISTOGRAM");
  EXPECT_TRUE(all.starts_with("*6\r\n$9\r\nclient|id\r\n")) << all;
  client.ask("CONFIG RESETSTAT");
  EXPECT_EQ(client.ask("LATENCY HISTOGRAM ping"), "*0\r\n");
  client.ask("CONFIG SET latency-tracking no");
  client.ask("PING");
  EXPECT_EQ(client.ask("LATENCY HISTOGRAM ping"), "*0\r\n");
}

TEST_F(LatencyTest, OneDrawIn64IsTimedAndEverythingElseAlways) {
  server.ask_and_settle(client, "HSET a type 3");
  for (int call = 0; call < 130; ++call) client.ask("GET a");
  for (int call = 0; call < 130; ++call) client.ask("EXISTS a");
  const auto calls = [&](const char* name) {
    const std::string reply = client.ask(std::string("LATENCY HISTOGRAM ") + name);
    return reply.substr(reply.find(':'), reply.find("\r\n$14") - reply.find(':'));
  };
  EXPECT_EQ(calls("get"), ":3");
  EXPECT_EQ(calls("exists"), ":130");
}

TEST_F(LatencyTest, InfoShowsThePercentilesAskedFor) {
  client.ask("PING");
  EXPECT_NE(client.ask("INFO latencystats")
                .find("# Latencystats\r\nlatency_percentiles_usec_ping:p50=0.000,p99=0.000,p99.9=0."
                      "000\r\n"),
            std::string::npos);
  client.send({"CONFIG", "SET", "latency-tracking-info-percentiles", ""});
  client.sink.take();
  EXPECT_NE(client.ask("INFO latencystats").find("latency_percentiles_usec_ping:\r\n"),
            std::string::npos);
  client.ask("CONFIG SET latency-tracking no");
  EXPECT_EQ(client.ask("INFO latencystats").find("ping"), std::string::npos);
}

}  // namespace
}  // namespace number_dispenser
