// GET, INFO, DEL and their kin, and what holds their replies.
#include <gtest/gtest.h>

#include <algorithm>

#include "command_server.h"

namespace number_dispenser {
namespace {

using testing_support::CommandServer;

class DrawTest : public testing::Test {
 protected:
  void define(std::string_view line) { ASSERT_EQ(server.ask_and_settle(client, line)[0], ':'); }
  // The reply to a request is held until the registry has settled, and not longer.
  void expect_held(std::string_view name, const std::vector<std::string_view>& words) {
    SCOPED_TRACE(name);
    client.sink.take();
    EXPECT_EQ(client.send(words), Next::kContinue);
    EXPECT_GT(client.sink.bytes().size(), 0U);
    EXPECT_TRUE(client.sink.held());
    server.settle();
    EXPECT_FALSE(client.sink.held());
    EXPECT_NE(client.sink.take()[0], '-');
  }

  CommandServer server;
  CommandServer::Client client{server.context};
};

TEST_F(DrawTest, FixedLengthIsPaddedAndEndsWithAnError) {
  define("HSET a type 2 length 2 starting 97 step 2");
  EXPECT_EQ(client.ask("GET a"), "$2\r\n97\r\n");
  EXPECT_EQ(client.ask("GET a"), "$2\r\n99\r\n");
  EXPECT_EQ(client.ask("GET a"), "-ERR number range exhausted\r\n");
  define("HSET b type 2 length 18");
  EXPECT_EQ(client.ask("GET b"), "$18\r\n000000000000000000\r\n");
  define("HSET c type 3 starting 7 step 5");
  EXPECT_EQ(client.ask("GET c"), "$1\r\n7\r\n");
  EXPECT_EQ(client.ask("GET c"), "$2\r\n12\r\n");
}

TEST_F(DrawTest, RandomHasItsLengthAndNoLeadingZero) {
  for (const unsigned length : {1U, 2U, 18U}) {
    const std::string name = "r" + std::to_string(length);
    define("HSET " + name + " type 1 length " + std::to_string(length));
    for (int drawn = 0; drawn < 300; ++drawn) {
      const std::string reply = client.ask("GET " + name);
      const std::string digits = reply.substr(reply.find('\n') + 1, length);
      ASSERT_EQ(reply, "$" + std::to_string(length) + "\r\n" + digits + "\r\n");
      ASSERT_TRUE(std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; }));
      ASSERT_NE(digits[0], '0');
    }
  }
}

TEST_F(DrawTest, UnknownNamesAreNotFound) {
  EXPECT_EQ(client.ask("GET a"), "-ERR dispenser not found\r\n");
  EXPECT_EQ(client.ask("INFO a"), "-ERR dispenser not found\r\n");
  EXPECT_EQ(client.ask("DEL a b"), ":0\r\n");
  define("HSET a type 3");
  EXPECT_EQ(client.ask("GET A"), "-ERR dispenser not found\r\n") << "names have a case";
}

TEST_F(DrawTest, ANumberOfADurableDispenserIsHeldUntilItsBoundIsDurable) {
  int number = 0;
  for (const char* strategy : {"pre-base", "pre-checkpoint", "pre_close", "elegant_close"})
    for (const char* command : {"GET", "INCR", "MGET", "INCRBY"}) {
      const std::string name = "n" + std::to_string(number++);
      define("HSET " + name + " type 3 auto_disk " + strategy);
      std::vector<std::string_view> words{command, name};
      if (words[0] == "INCRBY") words.push_back("5");
      expect_held(strategy, words);
    }
}

TEST_F(DrawTest, MemoryAndRandomNumbersAreNotHeld) {
  define("HSET m type 3 auto_disk memory");
  define("HSET r type 1 length 4");
  for (const char* name : {"m", "r"}) {
    client.send({"GET", name});
    EXPECT_FALSE(client.sink.held()) << name;
  }
}

TEST_F(DrawTest, NumbersOfAnyDispenserAreHeldUntilItsDefinitionIsDurable) {
  for (const char* definition :
       {"HSET a type 3 auto_disk memory", "HSET b type 1 length 4", "HSET c type 3"}) {
    client.ask(definition);
    expect_held(definition, {"GET", std::string_view(definition).substr(5, 1)});
  }
}

TEST_F(DrawTest, DefinitionsAndDeletionsAreHeldUntilTheySettle) {
  expect_held("create", {"HSET", "a", "type", "3"});
  expect_held("switch", {"HSET", "a", "auto_disk", "memory"});
  expect_held("create", {"HSET", "m", "type", "3", "auto_disk", "memory"});
  expect_held("delete", {"DEL", "a", "b", "m"});
  expect_held("flush", {"SAVE"});
}

TEST_F(DrawTest, AWindowLetsNumbersLeaveAtOnce) {
  define("HSET a type 3 auto_disk pre-base");
  for (int drawn = 0; drawn < 300; ++drawn) {
    client.ask("GET a");
    server.clock.advance_ms(1);
    server.settle();
  }
  client.send({"GET", "a"});
  EXPECT_FALSE(client.sink.held());
}

TEST_F(DrawTest, IncrbyIssuesConsecutiveNumbersAndRepliesWithTheLast) {
  define("HSET a type 3 starting 10 step 10");
  EXPECT_EQ(client.ask("INCR a"), ":10\r\n");
  EXPECT_EQ(client.ask("INCRBY a 5"), ":60\r\n");
  EXPECT_EQ(client.ask("GET a"), "$2\r\n70\r\n");
  define("HSET b type 2 length 1");
  EXPECT_EQ(client.ask("INCRBY b 11"), "-ERR number range exhausted\r\n");
  EXPECT_EQ(client.ask("INCRBY b 10"), ":9\r\n") << "a refused request takes nothing";
  for (const char* wrong : {"INCRBY a 0", "INCRBY a -1", "INCRBY a x"})
    EXPECT_TRUE(client.ask(wrong).starts_with("-ERR ")) << wrong;
}

TEST_F(DrawTest, MgetDrawsOneOfEach) {
  define("HSET a type 3");
  define("HSET b type 2 length 1 starting 9");
  EXPECT_EQ(client.ask("MGET a none b"), "*3\r\n$1\r\n0\r\n$-1\r\n$1\r\n9\r\n");
  EXPECT_EQ(client.ask("MGET b a"), "*2\r\n$-1\r\n$1\r\n1\r\n");
}

TEST(DrawOfANode, MgetWaitsUntilEachNameHasAsManyAsItIsGiven) {
  CommandServer server(64, Registry::Mode::kClustered);
  CommandServer::Client client{server.context};
  server.registry.resume_leases();
  for (const char* name : {"x", "y"})
    server.registry.define(*server.view, name, {Kind::kIncrementing, 0, 0, 1}, StrategyId::kPreBase,
                           {.generation = 7, .end = 1});
  server.settle();
  EXPECT_TRUE(client.ask("MGET x x").starts_with("-TRYAGAIN "));
  for (const Registry::Wish& wish : server.registry.take_wishes())
    server.registry.answer_wish(wish.slot, wish.generation, Segment{1, 3});
  server.settle();
  EXPECT_EQ(client.ask("MGET x none x"), "*3\r\n$1\r\n0\r\n$-1\r\n$1\r\n1\r\n");
  // More than two segments hold.
  ASSERT_TRUE(server.registry.add_segment("y", 7, {5, 6}));
  const std::string reply = client.ask("MGET y y y");
  EXPECT_TRUE(reply.starts_with("*3\r\n$1\r\n0\r\n$1\r\n5\r\n-TRYAGAIN ")) << reply;
}

TEST(DrawOfANode, ABlockThatNoSegmentHoldsIsToldHowManyAreLeft) {
  CommandServer server(64, Registry::Mode::kClustered);
  CommandServer::Client client{server.context};
  server.registry.resume_leases();
  server.registry.define(*server.view, "x", {Kind::kIncrementing, 0, 0, 1}, StrategyId::kPreBase,
                         {.generation = 7, .end = 5});
  server.settle();
  // It is the next segment's size that forbids it, not what may be wasted.
  ASSERT_TRUE(server.registry.add_segment("x", 7, {8, 10}));
  EXPECT_EQ(client.ask("INCRBY x 6"),
            "-ERR only 5 consecutive numbers are left of this node's segment: ask for 5 or "
            "fewer\r\n");
  EXPECT_EQ(client.ask("INCRBY x 5"), ":4\r\n");
}

TEST_F(DrawTest, InfoShowsTheFiguresInOrder) {
  define("HSET a type 2 length 5 starting 10 step 3 auto_disk pre-base");
  client.ask("GET a");
  client.ask("GET a");
  const std::string text =
      "name:a\r\ntype:2\r\nlength:5\r\nstarting:10\r\nstep:3\r\ncurrent:16\r\nauto_disk:pre-"
      "base\r\n"
      "generated:2\r\nwasted:0\r\nwaste_rate:0.00%\r\norder:strict\r\n";
  EXPECT_EQ(client.ask("INFO a"), "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n");
  client.ask("HELLO 3");
  EXPECT_EQ(client.ask("INFO a"),
            "=" + std::to_string(text.size() + 4) + "\r\ntxt:" + text + "\r\n");
}

TEST_F(DrawTest, InfoShowsWhatRecoveryCountedAsWaste) {
  testing_support::FakeStore store;
  store.live_counter(0).store(175);
  store.found = {{0, "a", {Kind::kIncrementing, 0, 0, 1}, {175, 175, 4, StrategyId::kPreBase}}};
  Registry registry(store, server.clock);
  const auto view = registry.make_view();
  CommandContext context{registry, server.clock, ServerFacts{}, [] {}};
  context.loops.push_back({view.get(), &server.random, &server.stats});
  CommandServer::Client reader(context);
  const std::string reply = reader.ask("INFO a");
  EXPECT_NE(reply.find("current:175\r\nauto_disk:pre-base\r\ngenerated:171\r\nwasted:4\r\n"
                       "waste_rate:2.29%\r\n"),
            std::string::npos)
      << reply;
}

TEST_F(DrawTest, InfoOfSectionsIsTheServersAndNeverADispensers) {
  define("HSET a type 3");
  const std::string whole = client.ask("INFO");
  for (const char* part : {"# Server\r\n", "redis_version:", "# Clients\r\n",
                           "# Keyspace\r\ndb0:keys=1,", "role:master", "loading:0"})
    EXPECT_NE(whole.find(part), std::string::npos) << part;
  const std::string one = client.ask("INFO SERVER");
  EXPECT_NE(one.find("# Server"), std::string::npos);
  EXPECT_EQ(one.find("# Clients"), std::string::npos);
}

TEST_F(DrawTest, DelCountsWhatExisted) {
  define("HSET a type 3");
  define("HSET b type 3");
  EXPECT_EQ(client.ask("DEL a a none b"), ":2\r\n");
  EXPECT_EQ(client.ask("GET a"), "-ERR dispenser not found\r\n");
  EXPECT_EQ(client.ask("EXISTS a b"), ":0\r\n");
  server.settle();
  EXPECT_EQ(client.ask("DBSIZE"), ":0\r\n");
  EXPECT_EQ(client.ask("HSET a type 2 length 2"), ":2\r\n") << "free for another definition";
  server.settle();
  EXPECT_EQ(client.ask("GET a"), "$2\r\n00\r\n");
}

TEST_F(DrawTest, ExistsAndTypeDrawNothing) {
  define("HSET a type 3");
  EXPECT_EQ(client.ask("EXISTS a a b"), ":2\r\n");
  EXPECT_EQ(client.ask("TYPE a"), "+hash\r\n");
  EXPECT_EQ(client.ask("TYPE b"), "+none\r\n");
  EXPECT_EQ(client.ask("HGETALL a"),
            "*8\r\n$4\r\ntype\r\n$1\r\n3\r\n$8\r\nstarting\r\n$1\r\n0\r\n$4\r\nstep\r\n$1\r\n1\r\n"
            "$9\r\nauto_disk\r\n$13\r\nelegant_close\r\n");
  EXPECT_EQ(client.ask("GET a"), "$1\r\n0\r\n");
}

TEST_F(DrawTest, AfterAFailedFlushNoNumberAndNoDefinitionIsGivenOut) {
  define("HSET a type 3 auto_disk memory");
  server.registry.stop_issuing();
  for (const char* request : {"GET a", "INCR a", "INCRBY a 2", "MGET a", "HSET b type 3", "DEL a",
                              "HSET a auto_disk pre-base"})
    EXPECT_TRUE(client.ask(request).starts_with("-IOERR ")) << request;
  EXPECT_EQ(server.registry.info("a")->next, 0U);
  EXPECT_EQ(server.registry.size(), 1U);
  EXPECT_EQ(client.ask("PING"), "+PONG\r\n");
}

}  // namespace
}  // namespace number_dispenser
