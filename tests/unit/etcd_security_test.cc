// The client where etcd wants to know who asks: users, and TLS.
#include <gtest/gtest.h>

#include <fstream>

#include "etcd_asker.h"
#include "etcd_server.h"

namespace number_dispenser::etcd {
namespace {

using testing_support::EtcdAsker;
using testing_support::EtcdServer;
using testing_support::run_program;
using testing_support::TemporaryDirectory;
using Kind = Failure::Kind;

// etcd with the users root (password "secret") and node ("pass"), who may use the keys n/.
class EtcdUsersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!EtcdServer::installed())
      GTEST_SKIP() << "etcd is missing (Debian: etcd-server, etcd-client)";
    serve({});
  }

  void serve(const std::vector<std::string>& arguments) {
    server = std::make_unique<EtcdServer>(arguments);
    EtcdAsker(server->endpoints()).insist(put("n/a", "0"));
    server->control({"user", "add", "root:secret"});
    server->control({"user", "add", "node:pass"});
    server->control({"role", "add", "nodes"});
    server->control({"role", "grant-permission", "nodes", "--prefix=true", "readwrite", "n/"});
    server->control({"user", "grant-role", "node", "nodes"});
  }

  void enable() { server->control({"auth", "enable"}); }
  std::string as_root(std::vector<std::string> words) {
    words.insert(words.begin(), "--user=root:secret");
    return server->control(words);
  }
  std::unique_ptr<EtcdAsker> log_in(const std::string& user, const std::string& password) {
    return std::make_unique<EtcdAsker>(
        EtcdSettings{.endpoints = server->endpoints(), .user = user, .password = password});
  }

  std::unique_ptr<EtcdServer> server;
};

TEST_F(EtcdUsersTest, AUserDoesWhatItMayAndNothingElse) {
  enable();
  const auto asker = log_in("node", "pass");
  ASSERT_TRUE(asker->watch_begins("n/", 0));
  ASSERT_TRUE(asker->persist(put("n/a", "1")));
  EXPECT_TRUE(asker->told_events(1));
  const auto lease = asker->grant_lease(60);
  ASSERT_TRUE(lease);
  EXPECT_TRUE(asker->keep_alive(*lease));
  EXPECT_TRUE(asker->revoke(*lease));

  const auto denied = asker->persist(put("other", "1"));
  ASSERT_FALSE(denied);
  EXPECT_EQ(denied.error().kind, Kind::kRefused);
  EXPECT_NE(denied.error().text.find("permission denied"), std::string::npos);
  asker->watch("other", 0);
  ASSERT_TRUE(asker->watch_ended());
  EXPECT_EQ(asker->told.end->kind, Kind::kRefused);
}

TEST_F(EtcdUsersTest, WithoutAUserItIsRefused) {
  enable();
  EtcdAsker asker(server->endpoints());
  EXPECT_EQ(asker.persist(get("n/a")).error().kind, Kind::kRefused);
  asker.watch("n/", 0);
  ASSERT_TRUE(asker.watch_ended());
  EXPECT_EQ(asker.told.end->kind, Kind::kRefused);
}

TEST_F(EtcdUsersTest, AWrongPasswordIsRefusedAndNotTriedOverAndOver) {
  enable();
  for (const std::string user : {"node", "nobody"}) {
    const auto asker = log_in(user, "wrong");
    constexpr size_t kCount = 50;
    size_t refused = 0;
    for (size_t i = 0; i < kCount; ++i) {
      const auto answer = asker->transact(get("n/a"));
      ASSERT_FALSE(answer);
      if (answer.error().kind != Kind::kRefused) continue;
      ++refused;
      EXPECT_NE(answer.error().text.find("the user " + user), std::string::npos);
      EXPECT_NE(answer.error().text.find("authentication failed"), std::string::npos);
      EXPECT_FALSE(answer.error().may_have_happened);
    }
    EXPECT_EQ(refused, kCount);
    asker->watch("n/", 0);
    ASSERT_TRUE(asker->watch_ended());
    EXPECT_EQ(asker->told.end->kind, Kind::kRefused);
    EXPECT_LT(asker->client().stats().requests, 20U);
  }
}

TEST_F(EtcdUsersTest, ALostTokenIsReplacedUnseen) {
  enable();
  const auto asker = log_in("node", "pass");
  ASSERT_TRUE(asker->transact(put("n/a", "1")));
  const uint64_t before = asker->client().stats().requests;
  // Tokens end with the switch.
  as_root({"auth", "disable"});
  enable();
  EXPECT_TRUE(asker->transact(put("n/a", "2")));
  EXPECT_EQ(asker->client().stats().requests, before + 3);  // refused, logged in, done
  as_root({"auth", "disable"});
  enable();
  EXPECT_TRUE(asker->watch_begins("n/", 0));
}

TEST_F(EtcdUsersTest, AnExpiredTokenIsReplacedUnseen) {
  serve({"--auth-token-ttl=2"});
  enable();
  const auto asker = log_in("node", "pass");
  ASSERT_TRUE(asker->transact(put("n/a", "1")));
  const uint64_t failures = asker->client().stats().failures;
  // It lives for two seconds after its last use; waiting for that to be over, without using it, is
  // waiting for another's, which is used later, to be refused.
  const auto witness = log_in("node", "pass");
  for (int pause_ms = 3'000; witness->client().stats().failures == 0; pause_ms += 500) {
    ASSERT_LT(pause_ms, 20'000) << "tokens do not expire";
    ASSERT_TRUE(witness->transact(get("n/a")));
    std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms));
  }
  EXPECT_TRUE(asker->transact(put("n/a", "2")));
  EXPECT_EQ(asker->client().stats().failures, failures + 1);
}

TEST_F(EtcdUsersTest, AuthenticationMayBeSwitchedOnLater) {
  const auto asker = log_in("node", "pass");
  EXPECT_TRUE(asker->persist(put("n/a", "1")));
  enable();
  EXPECT_TRUE(asker->persist(put("n/a", "2")));
  as_root({"auth", "disable"});
  EXPECT_TRUE(asker->persist(put("n/a", "3")));
}

// An authority in a folder, and what it has issued.
class Authority {
 public:
  explicit Authority(const std::string& folder) : folder_(folder) {
    make("authority", {"-addext", "basicConstraints=critical,CA:TRUE"});
  }
  std::string file(const std::string& name, const std::string& suffix) const {
    return folder_ + "/" + name + suffix;
  }
  EtcdServer::Files issue(const std::string& name) {
    const std::string authority = file("authority", ".crt");
    make(name, {"-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE",
                "-CA", authority, "-CAkey", file("authority", ".key")});
    return {authority, file(name, ".crt"), file(name, ".key")};
  }

 private:
  void make(const std::string& name, const std::vector<std::string>& more) {
    std::vector<std::string> command = {"/usr/bin/openssl",
                                        "req",
                                        "-x509",
                                        "-newkey",
                                        "ec",
                                        "-pkeyopt",
                                        "ec_paramgen_curve:prime256v1",
                                        "-nodes",
                                        "-days",
                                        "2",
                                        "-subj",
                                        "/O=" + name,
                                        "-keyout",
                                        file(name, ".key"),
                                        "-out",
                                        file(name, ".crt")};
    command.insert(command.end(), more.begin(), more.end());
    run_program(command);
  }

  const std::string folder_;
};

TEST(EtcdTlsTest, BothSidesAreVerified) {
  if (!EtcdServer::installed())
    GTEST_SKIP() << "etcd is missing (Debian: etcd-server, etcd-client)";
  const TemporaryDirectory ours, theirs;
  Authority authority(ours.path()), other(theirs.path());
  const EtcdServer::Files client = authority.issue("client");
  const EtcdServer::Files stranger = other.issue("stranger");
  const EtcdServer server({}, 1, authority.issue("server"));
  EtcdSettings settings{.endpoints = server.endpoints(),
                        .ca_file = client.authority,
                        .cert_file = client.certificate,
                        .key_file = client.key};
  EtcdAsker asker(settings);
  asker.insist(put("a", "1"));
  ASSERT_TRUE(asker.watch_begins("a", 0));
  ASSERT_TRUE(asker.persist(put("a", "2")));
  EXPECT_TRUE(asker.told_events(1));

  const auto failure = [](const EtcdSettings& with) {
    EtcdAsker one(with);
    const auto answer = one.transact(put("a", "3"));
    one.watch("a", 0);
    EXPECT_TRUE(one.watch_ended());
    return answer ? Failure{.text = "answered"} : answer.error();
  };
  EtcdSettings wrong = settings;
  wrong.ca_file = stranger.authority;
  Failure got = failure(wrong);
  EXPECT_EQ(got.kind, Kind::kUnreachable);
  EXPECT_FALSE(got.may_have_happened);
  EXPECT_NE(got.text.find("certificate"), std::string::npos) << got.text;

  wrong = settings;
  wrong.ca_file.clear();  // the system's do not know it
  EXPECT_EQ(failure(wrong).kind, Kind::kUnreachable);

  wrong = settings;
  wrong.cert_file.clear();
  wrong.key_file.clear();
  EXPECT_EQ(failure(wrong).kind, Kind::kUnreachable);

  wrong.cert_file = stranger.certificate;
  wrong.key_file = stranger.key;
  EXPECT_EQ(failure(wrong).kind, Kind::kUnreachable);

  wrong.key_file = client.key;
  got = failure(wrong);
  EXPECT_EQ(got.kind, Kind::kRefused) << got.text;

  wrong = settings;
  wrong.endpoints = {"https://localhost" + server.endpoint().substr(server.endpoint().rfind(':'))};
  got = failure(wrong);
  EXPECT_EQ(got.kind, Kind::kUnreachable) << "the certificate is for 127.0.0.1";
  EXPECT_EQ(asker.value_of("a"), "2");
}

}  // namespace
}  // namespace number_dispenser::etcd
