// HSET: what it accepts, and how it says what it does not.
#include <gtest/gtest.h>

#include "command_server.h"

namespace number_dispenser {
namespace {

using testing_support::CommandServer;

class HsetTest : public testing::Test {
 protected:
  CommandServer server;
  CommandServer::Client client{server.context};
};

TEST_F(HsetTest, RepliesWithTheNumberOfPairs) {
  EXPECT_EQ(client.ask("HSET a type 3"), ":1\r\n");
  EXPECT_EQ(client.ask("hset b TYPE 2 Length 6 starting 5 step 2 auto_disk pre-base"), ":5\r\n");
  EXPECT_EQ(client.ask("HSET c auto_disk memory length 4 type 1"), ":3\r\n");
  const auto b = server.registry.info("b");
  ASSERT_TRUE(b);
  EXPECT_EQ(b->definition, (Definition{Kind::kFixedLength, 6, 5, 2}));
  EXPECT_EQ(b->strategy, StrategyId::kPreBase);
  EXPECT_EQ(server.registry.info("c")->definition, (Definition{Kind::kRandom, 4, 0, 0}));
}

TEST_F(HsetTest, Defaults) {
  client.ask("HSET a type 3");
  client.ask("HSET b type 2 length 3");
  EXPECT_EQ(server.registry.info("a")->definition, (Definition{Kind::kIncrementing, 0, 0, 1}));
  EXPECT_EQ(server.registry.info("a")->strategy, StrategyId::kElegantClose);
  EXPECT_EQ(server.registry.info("b")->definition, (Definition{Kind::kFixedLength, 3, 0, 1}));
}

struct Wrong {
  const char* request;
  const char* names;    // the field, or what else is wrong
  const char* accepts;  // what would be right
};
constexpr Wrong kWrong[] = {
    {"HSET n type 0", "type '0'", "1 (random), 2 (incrementing, fixed length) or 3 (incrementing)"},
    {"HSET n type 4", "type '4'", "1 (random)"},
    {"HSET n type x", "type 'x'", "1 (random)"},
    {"HSET n type -1", "type '-1'", "1 (random)"},
    {"HSET n type 1", "'length'", "1 to 18"},
    {"HSET n type 2", "'length'", "1 to 18"},
    {"HSET n type 2 length 0", "length '0'", "1 to 18"},
    {"HSET n type 2 length 19", "length '19'", "1 to 18"},
    {"HSET n type 2 length 5x", "length '5x'", "1 to 18"},
    {"HSET n type 3 length 5", "'length'", "type 2"},
    {"HSET n type 1 length 5 starting 1", "'starting' does not apply to type 1", "random"},
    {"HSET n type 1 length 5 step 1", "'step' does not apply to type 1", "random"},
    {"HSET n type 3 starting -1", "starting '-1'", "0 to 9223372036854775807"},
    {"HSET n type 3 starting 9223372036854775808", "starting", "0 to 9223372036854775807"},
    {"HSET n type 3 starting 99999999999999999999999", "starting", "0 to 9223372036854775807"},
    {"HSET n type 2 length 2 starting 100", "starting '100'", "0 to 99"},
    {"HSET n type 3 step 0", "step '0'", "1 to 9223372036854775807"},
    {"HSET n type 3 step 9223372036854775808", "step", "1 to 9223372036854775807"},
    {"HSET n type 3 step 1.5", "step '1.5'", "1 to 9223372036854775807"},
    {"HSET n type 3 auto_disk never", "auto_disk 'never'",
     "memory, pre-base, pre-checkpoint, pre_close, elegant_close"},
    {"HSET n type 3 type 3", "'type' is given twice", ""},
    {"HSET n type 2 length 3 length 3", "'length' is given twice", ""},
    {"HSET n type 3 starting 1 starting 1", "'starting' is given twice", ""},
    {"HSET n type 3 step 1 step 1", "'step' is given twice", ""},
    {"HSET n type 3 auto_disk memory AUTO_DISK memory", "'auto_disk' is given twice", ""},
    {"HSET n type 3 colour red", "unknown field 'colour'",
     "type, length, starting, step, auto_disk"},
    {"HSET n type 3 step", "'step' has no value", "type, length, starting, step, auto_disk"},
    {"HSET n type", "'type' has no value", "type, length, starting, step, auto_disk"},
    {"HSET n length 3", "'type' is required", "1 (random)"},
    {"HSET n auto_disk memory", "dispenser not found", "type (1, 2 or 3)"},
    {"HSET server type 3", "'server' cannot be a dispenser's name", "INFO"},
    {"HSET KeySpace type 3", "'KeySpace' cannot be a dispenser's name", "INFO"},
};

TEST_F(HsetTest, EveryErrorNamesTheFieldAndWhatIsAcceptedAndChangesNothing) {
  for (const Wrong& wrong : kWrong) {
    const std::string reply = client.ask(wrong.request);
    EXPECT_TRUE(reply.starts_with("-ERR ")) << wrong.request << ": " << reply;
    EXPECT_NE(reply.find(wrong.names), std::string::npos) << wrong.request << ": " << reply;
    EXPECT_NE(reply.find(wrong.accepts), std::string::npos) << wrong.request << ": " << reply;
    EXPECT_EQ(reply.find("\r\n"), reply.size() - 2) << "one line: " << reply;
    EXPECT_EQ(server.registry.size(), 0U) << wrong.request;
  }
  EXPECT_FALSE(server.registry.has_work());
}

TEST_F(HsetTest, EverySectionOfInfoIsRefusedAsAName) {
  for (const char* name : {"all", "default", "everything", "server", "clients", "memory",
                           "persistence", "stats", "replication", "cpu", "modules", "commandstats",
                           "errorstats", "latencystats", "cluster", "keyspace", "ALL", "Server"})
    EXPECT_TRUE(client.ask("HSET " + std::string(name) + " type 3").starts_with("-ERR ")) << name;
  EXPECT_EQ(server.registry.size(), 0U);
}

TEST_F(HsetTest, NamesHaveUpTo128BytesWithoutSpacesAndControlCharacters) {
  const auto define = [&](std::string_view name) {
    client.send({"HSET", name, "type", "3"});
    return client.sink.take();
  };
  EXPECT_EQ(define(std::string(128, 'x')), ":1\r\n");
  EXPECT_EQ(define("\xc3\xa9\xff"), ":1\r\n") << "any other byte will do";
  for (const std::string& wrong : {std::string(), std::string(129, 'x'), std::string("a b"),
                                   std::string("a\n"), std::string("\0", 1), std::string("a\x7f")})
    EXPECT_TRUE(define(wrong).starts_with("-ERR a dispenser's name has")) << wrong;
  EXPECT_EQ(server.registry.size(), 2U);
}

TEST_F(HsetTest, BoundariesAreAccepted) {
  EXPECT_EQ(client.ask("HSET a type 3 starting 9223372036854775807 step 9223372036854775807"),
            ":3\r\n");
  EXPECT_EQ(client.ask("HSET b type 2 length 18 starting 999999999999999999"), ":3\r\n");
  server.settle();
  EXPECT_EQ(client.ask("GET a"), "$19\r\n9223372036854775807\r\n");
  EXPECT_EQ(client.ask("GET a"), "-ERR number range exhausted\r\n");
  EXPECT_EQ(client.ask("GET b"), "$18\r\n999999999999999999\r\n");
  EXPECT_EQ(client.ask("GET b"), "-ERR number range exhausted\r\n");
}

TEST_F(HsetTest, TheSameDefinitionAgainIsAccepted) {
  client.ask("HSET a type 2 length 3 starting 5");
  server.settle();
  client.ask("GET a");
  EXPECT_EQ(client.ask("HSET a starting 5 step 1 length 3 type 2"), ":4\r\n");
  server.settle();
  EXPECT_EQ(client.ask("GET a"), "$3\r\n006\r\n") << "it was reset";
}

TEST_F(HsetTest, AnotherStrategySwitchesInPlace) {
  client.ask("HSET a type 3");
  server.settle();
  client.ask("GET a");
  EXPECT_EQ(client.ask("HSET a auto_disk PRE-CLOSE"), ":1\r\n");
  EXPECT_EQ(client.ask("HSET a type 3 auto_disk pre_base"), ":2\r\n");
  server.settle();
  EXPECT_EQ(server.registry.info("a")->strategy, StrategyId::kPreBase);
  EXPECT_EQ(client.ask("GET a"), "$1\r\n1\r\n");
}

TEST_F(HsetTest, AnyOtherDifferenceSaysToDeleteFirst) {
  client.ask("HSET a type 2 length 3");
  server.settle();
  for (const char* request : {"HSET a type 3", "HSET a type 2 length 4",
                              "HSET a type 2 length 3 step 2", "HSET a type 2 length 3 starting 1",
                              "HSET a step 2", "HSET a type 1 length 3 auto_disk memory"}) {
    const std::string reply = client.ask(request);
    EXPECT_NE(reply.find("DEL it first"), std::string::npos) << request << ": " << reply;
  }
  EXPECT_EQ(server.registry.info("a")->definition, (Definition{Kind::kFixedLength, 3, 0, 1}));
  EXPECT_EQ(server.registry.info("a")->strategy, StrategyId::kElegantClose);
  EXPECT_FALSE(server.registry.has_work());
}

TEST_F(HsetTest, WithoutRoomItIsTriedAgainOrRefused) {
  CommandServer full(1);
  CommandServer::Client other(full.context);
  EXPECT_EQ(other.ask("HSET a type 3"), ":1\r\n");
  EXPECT_EQ(other.send({"HSET", "b", "type", "3"}), Next::kRetry);
  EXPECT_EQ(other.sink.take(), "");
  full.registry.refuse_new(true);
  EXPECT_TRUE(other.ask("HSET b type 3").starts_with("-ERR no room for another dispenser"));
}

}  // namespace
}  // namespace number_dispenser
