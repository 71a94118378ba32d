#include <gtest/gtest.h>

#include "etcd/json.h"
#include "etcd/verdict.h"
#include "etcd/watch_stream.h"
#include "seeded_random.h"

namespace number_dispenser::etcd {
namespace {

using testing_support::SeededRandom;
using Fault = Verdict::Fault;

const std::string kHeader = R"("header":{"cluster_id":"17146741974310482541","revision":"7"})";

std::string answer(const std::string& rest) {
  return "{" + kHeader + rest + "}";
}

std::optional<TxnResult> txn(const std::string& text, const Txn& asked) {
  const std::optional<Json> json = parse_object(text);
  return json ? decode_txn(*json, asked) : std::nullopt;
}

TEST(EtcdJsonTest, Base64OfEveryLengthComesBack) {
  std::string bytes;
  for (int i = 0; i < 260; ++i) {
    EXPECT_EQ(decode_base64(encode_base64(bytes)), bytes);
    bytes.push_back(static_cast<char>(i));
  }
  EXPECT_EQ(encode_base64("a"), "YQ==");
}

TEST(EtcdJsonTest, WhatIsNotBase64IsNotDecoded) {
  for (const std::string_view text :
       {"YQ=", "YQ", "Y", "Y!==", "====Y", "YQ==YQ=!", "\xff\xff\xff\xff"})
    EXPECT_FALSE(decode_base64(text)) << text;
}

TEST(EtcdJsonTest, ATransactionIsWrittenAsProtobufsMappingSays) {
  const Txn asked{.compares = {{"a", Compare::What::kModified, 5}},
                  .then = {put("a", "v", 9), get("b", 3), erase("c")},
                  .otherwise = {{.kind = Op::Kind::kList, .key = "d", .end = "e", .limit = 2},
                                {.kind = Op::Kind::kTxn, .txn = {Txn{}}}}};
  EXPECT_EQ(encode(asked),
            R"({"compare":[{"key":"YQ==","mod_revision":"5","result":"EQUAL","target":"MOD"}],)"
            R"("failure":[{"request_range":{"key":"ZA==","limit":"2","range_end":"ZQ=="}},)"
            R"({"request_txn":{"compare":[],"failure":[],"success":[]}}],)"
            R"("success":[{"request_put":{"key":"YQ==","lease":"9","value":"dg=="}},)"
            R"({"request_range":{"key":"Yg==","revision":"3"}},)"
            R"({"request_delete_range":{"key":"Yw=="}}]})");
}

TEST(EtcdJsonTest, TheOtherRequestsAreObjects) {
  EXPECT_EQ(encode_grant(10), R"({"TTL":"10"})");
  EXPECT_EQ(encode_lease(77), R"({"ID":"77"})");
  EXPECT_EQ(encode_login("a", "b\""), R"({"name":"a","password":"b\""})");
  EXPECT_EQ(encode_login("\xff", ""), "{\"name\":\"\xef\xbf\xbd\",\"password\":\"\"}");
  EXPECT_EQ(encode_watch("a", "b", 4),
            R"({"create_request":{"key":"YQ==","progress_notify":true,"range_end":"Yg==",)"
            R"("start_revision":"4"}})");
}

TEST(EtcdJsonTest, ATransactionChangesSomethingIfAnyBranchOfItMay) {
  EXPECT_FALSE(changes_something({.then = {get("a")}}));
  EXPECT_TRUE(changes_something({.otherwise = {erase("a")}}));
  EXPECT_TRUE(changes_something(
      {.then = {{.kind = Op::Kind::kTxn, .txn = {{.otherwise = {put("a", "")}}}}}}));
}

TEST(EtcdJsonTest, DefaultsThatAreLeftOutAreFilledIn) {
  const Txn asked{.then = {put("a", ""), get("a"), erase("a")}, .otherwise = {}};
  const auto held = txn(answer(R"(,"succeeded":true,"responses":[{"response_put":{}},)"
                               R"({"response_range":{"kvs":[{"key":"YQ==","mod_revision":"3"}]}},)"
                               R"({"response_delete_range":{}}])"),
                        asked);
  ASSERT_TRUE(held && held->held);
  EXPECT_EQ(held->revision, 7);
  EXPECT_EQ(held->results.at(1).found.at(0).value, "");
  EXPECT_EQ(held->results.at(1).found.at(0).modified, 3);
  EXPECT_EQ(held->results.at(2).deleted, 0);
  const auto not_held = txn(answer(""), asked);
  ASSERT_TRUE(not_held);
  EXPECT_FALSE(not_held->held);
}

TEST(EtcdJsonTest, ResultsThatDoNotFitWhatWasAskedAreNotUnderstood) {
  const Txn asked{.then = {get("a")}};
  const std::string begin = R"(,"succeeded":true,"responses":)";
  for (const std::string responses :
       {"[]", "[{}]", "[1]", "null", "{}", "3", R"([{"response_put":{}}])",
        R"([{"response_range":[]}])", R"([{"response_range":{"kvs":{}}}])",
        R"([{"response_range":{"kvs":[{"key":"YQ==","mod_revision":"x"}]}}])",
        R"([{"response_range":{"kvs":[{"key":"YQ==","mod_revision":"99999999999999999999"}]}}])",
        R"([{"response_range":{"kvs":[{"key":"?"}]}}])", R"([{"response_range":{"kvs":[1]}}])",
        R"([{"response_range":{"kvs":[{},{}]}}])", R"([{"response_range":{"more":"yes"}}])",
        R"([{"response_range":{}},{"response_range":{}}])"})
    EXPECT_FALSE(txn(answer(begin + responses), asked)) << responses;
  EXPECT_TRUE(txn(answer(begin + R"([{"response_range":{}}])"), asked));
}

TEST(EtcdJsonTest, AnAnswerWithoutEtcdsHeaderIsNotEtcds) {
  for (const std::string_view text :
       {"{}", R"({"header":{}})", R"({"header":3})", R"({"header":{"cluster_id":"-1"}})",
        R"({"result":{}})", R"({"header":{"cluster_id":[]}})"})
    EXPECT_FALSE(decode_header(*parse_object(text))) << text;
  EXPECT_EQ(decode_header(*parse_object(answer("")))->cluster_id, 17146741974310482541U);
  EXPECT_TRUE(decode_header(*parse_object("{\"result\":" + answer("") + "}")));
  for (const std::string_view text : {"", "[]", "3", "{", "{} {}", "{\"a\":\"\xff\"}"})
    EXPECT_FALSE(parse_object(text)) << text;
}

TEST(EtcdJsonTest, ATokenThatCouldBreakAHeaderIsNotTaken) {
  EXPECT_EQ(decode_login(*parse_object(R"({"token":"ab.1"})")), "ab.1");
  for (const std::string_view text :
       {R"({"token":""})", R"({})", R"({"token":"a\r\nX: y"})", R"({"token":1})"})
    EXPECT_FALSE(decode_login(*parse_object(text))) << text;
}

TEST(EtcdJsonTest, RejectionsComeInTwoFormsFromEachGateway) {
  for (const std::string_view text :
       {R"({"error":"m","message":"m","code":5})",
        R"({"error":{"grpc_code":5,"http_code":404,"message":"m","http_status":"Not Found"}})",
        R"({"code":5,"message":"m","details":[]})",
        R"({"error":{"code":5,"message":"m","details":[]}})"}) {
    const auto rejection = decode_rejection(*parse_object(text));
    ASSERT_TRUE(rejection) << text;
    EXPECT_EQ(rejection->code, 5) << text;
    EXPECT_EQ(rejection->text, "m") << text;
  }
  const auto lost = decode_rejection(
      *parse_object(R"({"code":16,"message":"etcdserver: invalid auth token","details":[]})"));
  ASSERT_TRUE(lost);
  EXPECT_EQ(judge(*lost).fault, Fault::kToken);
  const auto stream = decode_rejection(*parse_object(
      R"({"error":{"grpc_code":14,"http_code":503,"message":"etcdserver: no leader"}})"));
  ASSERT_TRUE(stream);
  EXPECT_EQ(judge(*stream).fault, Fault::kMember);
  EXPECT_TRUE(judge(*stream).without_effect);
  const Rejection reason =
      decode_reason("rpc error: code = Unauthenticated desc = etcdserver: invalid auth token");
  EXPECT_EQ(reason.code, 16);
  EXPECT_EQ(reason.text, "etcdserver: invalid auth token");
  EXPECT_EQ(decode_reason(" desc = code = ").code, 0);
}

TEST(EtcdJsonTest, WhatAProxySaysIsNoRejectionOfEtcds) {
  for (const std::string_view text :
       {R"({"message":"no healthy upstream"})", R"({"error":"forbidden"})",
        R"({"error":"Forbidden","message":"invalid auth token"})", R"({"error":{"message":"m"}})",
        R"({"code":503,"message":"m"})",
        R"({"code":403,"message":"etcdserver: too many requests"})",
        R"({"error":{"code":502,"message":"m"}})", R"({"code":0,"message":"m"})",
        R"({"code":17,"message":"m"})", R"({"code":-1,"message":"m"})",
        R"({"code":4294967301,"message":"m"})", R"({"code":"ServiceUnavailable","message":"m"})",
        R"({"error":"m","code":[5],"message":"m"})", R"({"code":5})", R"({})"}) {
    const auto json = parse_object(text);
    EXPECT_FALSE(decode_rejection(*json)) << text;
    for (const long status : {401L, 403L, 429L, 502L, 503L}) {
      const Verdict verdict = judge_status(status, json);
      EXPECT_EQ(verdict.fault, Fault::kMember) << text;
      EXPECT_EQ(verdict.kind, Failure::Kind::kUnreachable) << text;
      EXPECT_TRUE(verdict.failure(true).may_have_happened) << text;
      EXPECT_FALSE(verdict.failure(false).may_have_happened) << text;
    }
  }
}

// 27 of 20,000 requests while members were stopped and started.
TEST(EtcdJsonTest, AMemberThatIsBeingStoppedLeavesItInDoubt) {
  for (const std::string text : {"grpc: the client connection is closing", "context canceled"}) {
    const Verdict verdict = judge_status(
        408, parse_object(R"({"error":")" + text + R"(","message":")" + text + R"(","code":1})"));
    EXPECT_EQ(verdict.fault, Fault::kMember);
    EXPECT_EQ(verdict.kind, Failure::Kind::kUnreachable);
    EXPECT_TRUE(verdict.failure(true).may_have_happened);
  }
}

TEST(EtcdJsonTest, EachRejectionHasItsConsequence) {
  const auto kind = [](int code, const char* text) { return judge({code, text}).kind; };
  EXPECT_EQ(kind(11, "etcdserver: mvcc: required revision has been compacted"),
            Failure::Kind::kCompacted);
  EXPECT_EQ(kind(5, "etcdserver: requested lease not found"), Failure::Kind::kNotFound);
  EXPECT_EQ(kind(7, "etcdserver: permission denied"), Failure::Kind::kRefused);
  EXPECT_EQ(kind(8, "etcdserver: mvcc: database space exceeded"), Failure::Kind::kRefused);
  EXPECT_EQ(kind(3, "etcdserver: request is too large"), Failure::Kind::kRefused);
  EXPECT_TRUE(
      judge({8, "etcdserver: mvcc: database space exceeded"}).failure(true).may_have_happened);
  EXPECT_FALSE(judge({3, "etcdserver: request is too large"}).failure(true).may_have_happened);
  EXPECT_EQ(judge({16, "etcdserver: invalid auth token"}).fault, Fault::kToken);
  EXPECT_EQ(judge({3, "etcdserver: revision of auth store is old"}).fault, Fault::kToken);
  EXPECT_EQ(judge({8, "etcdserver: too many requests"}).fault, Fault::kMember);
  const Verdict late = judge({14, "etcdserver: request timed out"});
  EXPECT_EQ(late.fault, Fault::kMember);
  EXPECT_TRUE(late.failure(true).may_have_happened);
  EXPECT_FALSE(late.failure(false).may_have_happened);
  EXPECT_EQ(judge({2, "a\nb"}).text, "a b");
  EXPECT_EQ(judge_status(502, std::nullopt).fault, Fault::kMember);
  EXPECT_EQ(judge_status(502, parse_object(R"({"error":"x","message":"bad gateway"})")).fault,
            Fault::kMember);
}

// What a watch from revision `first` tells, when it is answered with this.
struct Heard {
  std::vector<Watched> told;
  std::optional<Verdict> end;
  std::string left;
};
Heard hear(Revision first, std::string text, size_t piece = SIZE_MAX) {
  Heard heard;
  WatchStream stream(first,
                     [&](ClusterId, Watched watched) { heard.told.push_back(std::move(watched)); });
  for (size_t at = 0; at < text.size(); at += std::min(piece, text.size() - at)) {
    heard.left += text.substr(at, piece);
    if (!stream.consume(heard.left)) break;
  }
  heard.end = stream.verdict();
  return heard;
}
std::string message(const std::string& rest) {
  return "{\"result\":" + answer(rest) + "}\n";
}
std::string events(const std::string& list) {
  return message(",\"events\":[" + list + "]");
}

TEST(EtcdJsonTest, AWatchTellsEverythingUpToItsLastEventOnly) {
  const std::string text =
      message(R"(,"created":true)") +
      events(
          R"({"kv":{"key":"YQ==","mod_revision":"4"}},{"type":"DELETE","kv":{"key":"YQ==","mod_revision":"5"}})") +
      message("");
  for (const size_t piece : {size_t{1}, size_t{7}, SIZE_MAX}) {
    const Heard heard = hear(4, text, piece);
    ASSERT_EQ(heard.told.size(), 3U);
    EXPECT_EQ(heard.told[0].revision, 3);
    EXPECT_EQ(heard.told[1].revision, 5);
    EXPECT_TRUE(heard.told[1].events.at(1).deleted);
    EXPECT_EQ(heard.told[2].revision, 7);
    EXPECT_FALSE(heard.end);
    EXPECT_EQ(heard.left, "");
  }
}

TEST(EtcdJsonTest, AWatchDoesNotTellWhatWasBefore) {
  const Heard heard = hear(5, events(R"({"kv":{"key":"YQ==","mod_revision":"4"}})") +
                                  events(R"({"kv":{"key":"YQ==","mod_revision":"5"}})"));
  ASSERT_EQ(heard.told.size(), 2U);
  EXPECT_TRUE(heard.told[0].events.empty());
  EXPECT_EQ(heard.told[0].revision, 4);
  EXPECT_EQ(heard.told[1].events.size(), 1U);
}

TEST(EtcdJsonTest, AWatchEndsForAReason) {
  EXPECT_EQ(hear(1, message(R"(,"canceled":true,"compact_revision":"3")")).end->kind,
            Failure::Kind::kCompacted);
  EXPECT_EQ(
      hear(1,
           message(R"(,"created":true,"canceled":true,"cancel_reason":)"
                   R"("rpc error: code = PermissionDenied desc = etcdserver: permission denied")"))
          .end->kind,
      Failure::Kind::kRefused);
  EXPECT_EQ(hear(1, R"({"error":{"code":16,"message":"etcdserver: invalid auth token"}})"
                    "\n")
                .end->fault,
            Fault::kToken);
  EXPECT_EQ(hear(1, "hello\n").end->fault, Fault::kMember);
  EXPECT_EQ(hear(1, "{\"result\":{}}\n").end->fault, Fault::kMember);
  EXPECT_EQ(hear(1, events(R"({"type":"MOVE","kv":{"mod_revision":"4"}})")).end->fault,
            Fault::kMember);
  EXPECT_EQ(hear(1, events(R"({"kv":{"key":"YQ=="}})")).end->fault, Fault::kMember);
}

TEST(EtcdJsonTest, CutAndMutatedAnswersAreUnderstoodOrNotAndNothingWorse) {
  const Txn asked{.then = {put("a", ""),
                           get("a"),
                           erase("b"),
                           {.kind = Op::Kind::kTxn, .txn = {{.then = {get("b")}}}}}};
  const std::string good = answer(
      R"(,"succeeded":true,"responses":[{"response_put":{"header":{"revision":"2"}}},)"
      R"({"response_range":{"kvs":[{"key":"YQ==","create_revision":"2","mod_revision":"2","value":"dg=="}],"more":true}},)"
      R"({"response_delete_range":{"deleted":"1"}},)"
      R"({"response_txn":{"header":{},"succeeded":true,"responses":[{"response_range":{}}]}}])");
  const std::string stream = events(R"({"type":"DELETE","kv":{"key":"YQ==","mod_revision":"5"}})");
  const std::string rejection =
      R"({"error":{"grpc_code":14,"http_code":503,"message":"no"},"code":3})";
  ASSERT_TRUE(txn(good, asked));
  size_t understood = 0;
  const auto take = [&](const std::string& text) {
    if (const auto json = parse_object(text)) {
      const auto result = decode_txn(*json, asked);
      if (result) {
        ++understood;
        ASSERT_EQ(result->results.size(), result->held ? asked.then.size() : 0);
      }
      decode_grant(*json);
      decode_keep_alive(*json);
      decode_login(*json);
      decode_watch(*json);
      if (const auto no = decode_rejection(*json)) judge(*no);
    }
    hear(3, text + "\n");
  };
  SeededRandom random(1);
  for (const std::string& text : {good, stream, rejection}) {
    for (size_t end = 0; end < text.size(); ++end) take(text.substr(0, end));
    for (int round = 0; round < 4'000; ++round) {
      std::string mutated = text;
      for (uint64_t i = random.below(4) + 1; i > 0; --i) {
        const size_t at = random.below(mutated.size());
        const std::string_view pool = "{}[]\",:=0a-\\\x01\xff";
        if (random.chance(50)) {
          mutated[at] = pool[random.below(pool.size())];
        } else {
          // Another of its own parts.
          mutated.replace(at, random.below(12),
                          mutated.substr(random.below(mutated.size()), random.below(12)));
        }
        if (mutated.empty()) mutated = "{";
      }
      take(mutated);
    }
  }
  EXPECT_GT(understood, 0U);
}

}  // namespace
}  // namespace number_dispenser::etcd
