#include <gtest/gtest.h>

#include "certificate.h"
#include "number_dispenser/tls/context.h"
#include "temporary_directory.h"
#include "tls_client.h"

namespace number_dispenser {
namespace {

using testing_support::make_certificate;
using testing_support::TemporaryDirectory;
using testing_support::TlsClient;
using Outcome = TlsStream::Outcome;

std::string take(Buffer& buffer) {
  std::string bytes(buffer.view());
  buffer.consume(buffer.size());
  return bytes;
}

// A server's stream and what goes between it and a client.
class TlsStreamTest : public ::testing::Test {
 protected:
  void SetUp() override { serve(settings_); }

  void serve(const TlsSettings& settings) {
    auto made = TlsContext::create(settings);
    ASSERT_TRUE(made) << made.error().message;
    stream_ = made->open();  // which outlives its context
  }

  // What the client sends, in pieces of `piece` bytes.
  Outcome deliver(TlsClient& client, size_t piece = 1 << 20) {
    const std::string bytes = client.output();
    Outcome outcome = Outcome::kOpen;
    for (size_t at = 0; at < bytes.size() && outcome == Outcome::kOpen; at += piece)
      outcome = stream_->receive(std::string_view(bytes).substr(at, piece), plain_);
    return outcome;
  }

  Outcome shake_hands(TlsClient& client, size_t piece = 1 << 20) {
    Outcome outcome = Outcome::kOpen;
    for (int flight = 0; flight < 4 && outcome == Outcome::kOpen; ++flight) {
      outcome = deliver(client, piece);
      client.receive(take(stream_->output()));
    }
    return outcome;
  }

  TemporaryDirectory folder_;
  TlsSettings settings_ = make_certificate(folder_.path(), "server");
  std::unique_ptr<TlsStream> stream_;
  Buffer plain_;
};

class TlsVersionTest : public TlsStreamTest, public ::testing::WithParamInterface<int> {};

INSTANTIATE_TEST_SUITE_P(Versions, TlsVersionTest,
                         ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) {
                           return version.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

TEST_P(TlsVersionTest, BytesArriveAsTheyWereSentBothWays) {
  TlsClient client(GetParam());
  ASSERT_EQ(shake_hands(client), Outcome::kOpen);
  ASSERT_TRUE(stream_->established() && client.established());
  client.send("PING\r\n");
  EXPECT_EQ(deliver(client), Outcome::kOpen);
  EXPECT_EQ(take(plain_), "PING\r\n");
  ASSERT_TRUE(stream_->encrypt("+PONG\r\n"));
  client.receive(take(stream_->output()));
  EXPECT_EQ(client.read, "+PONG\r\n");
}

TEST_P(TlsVersionTest, EverySplitOfTheHandshakeAndOfWhatFollowsIsTheSame) {
  for (size_t piece = 1; piece <= 64; ++piece) {
    serve(settings_);
    TlsClient client(GetParam());
    ASSERT_EQ(shake_hands(client, piece), Outcome::kOpen) << piece << stream_->fault();
    ASSERT_TRUE(stream_->established()) << piece;
    client.send("GET a\r\n");
    client.send("GET b\r\n");
    client.end();
    ASSERT_EQ(deliver(client, piece), Outcome::kEnded) << piece;
    ASSERT_EQ(take(plain_), "GET a\r\nGET b\r\n") << piece;
  }
}

TEST_P(TlsVersionTest, LargeMessagesTakeSeveralRecords) {
  TlsClient client(GetParam());
  ASSERT_EQ(shake_hands(client), Outcome::kOpen);
  const std::string large = std::string(100'000, 'x') + "end";
  client.send(large);
  EXPECT_EQ(deliver(client, 8192), Outcome::kOpen);
  EXPECT_EQ(take(plain_), large);
  ASSERT_TRUE(stream_->encrypt(large));
  client.receive(take(stream_->output()));
  EXPECT_EQ(client.read, large);
}

TEST_P(TlsVersionTest, ARecordIsNotSaidBeforeItIsWhole) {
  TlsClient client(GetParam());
  ASSERT_EQ(shake_hands(client), Outcome::kOpen);
  client.send("GET a\r\n");
  const std::string record = client.output();
  EXPECT_EQ(stream_->receive(record.substr(0, record.size() - 1), plain_), Outcome::kOpen);
  EXPECT_TRUE(plain_.empty());
  EXPECT_EQ(stream_->receive(record.substr(record.size() - 1), plain_), Outcome::kOpen);
  EXPECT_EQ(take(plain_), "GET a\r\n");
}

TEST_P(TlsVersionTest, EndIsSaidOnceAndOnlyAfterTheHandshake) {
  TlsClient client(GetParam());
  EXPECT_FALSE(stream_->end() || stream_->encrypt("early"));
  ASSERT_EQ(shake_hands(client), Outcome::kOpen);
  EXPECT_TRUE(stream_->end());
  client.receive(take(stream_->output()));
  EXPECT_TRUE(client.ended);
  EXPECT_FALSE(stream_->end());
  EXPECT_FALSE(stream_->encrypt("late"));
  EXPECT_TRUE(stream_->output().empty());
}

TEST_P(TlsVersionTest, RepliesCanFollowTheClientsEnd) {
  TlsClient client(GetParam());
  ASSERT_EQ(shake_hands(client), Outcome::kOpen);
  client.end();
  ASSERT_EQ(deliver(client), Outcome::kEnded);
  ASSERT_TRUE(stream_->encrypt("last"));
  EXPECT_TRUE(stream_->end());
  EXPECT_FALSE(stream_->output().empty());
}

TEST_P(TlsVersionTest, AFlippedBitFailsAndSaysNothing) {
  TlsClient client(GetParam());
  ASSERT_EQ(shake_hands(client), Outcome::kOpen);
  client.send("GET a\r\n");
  std::string record = client.output();
  record[record.size() / 2] = static_cast<char>(record[record.size() / 2] ^ 1);
  EXPECT_EQ(stream_->receive(record, plain_), Outcome::kFailed);
  EXPECT_FALSE(stream_->fault().empty());
  EXPECT_TRUE(plain_.empty());
  EXPECT_FALSE(stream_->end());
}

TEST_P(TlsVersionTest, AClientOfAnotherVersionIsRefused) {
  settings_.protocols = GetParam() == TLS1_2_VERSION ? "TLSv1.3" : "TLSv1.2";
  serve(settings_);
  TlsClient client(GetParam());
  EXPECT_EQ(shake_hands(client), Outcome::kFailed);
  EXPECT_FALSE(stream_->established());
}

TEST_P(TlsVersionTest, ACertificateIsAskedForAndChecked) {
  const TlsSettings known = make_certificate(folder_.path(), "known");
  const TlsSettings stranger = make_certificate(folder_.path(), "stranger");
  settings_.ca_cert_file = known.cert_file;
  for (const auto wanted : {TlsAuthClients::kYes, TlsAuthClients::kOptional}) {
    settings_.auth_clients = wanted;
    serve(settings_);
    TlsClient with(GetParam(), &known);
    EXPECT_EQ(shake_hands(with), Outcome::kOpen) << stream_->fault();
    EXPECT_TRUE(stream_->established());

    serve(settings_);
    TlsClient without(GetParam());
    EXPECT_EQ(shake_hands(without),
              wanted == TlsAuthClients::kYes ? Outcome::kFailed : Outcome::kOpen);

    serve(settings_);
    TlsClient wrong(GetParam(), &stranger);
    EXPECT_EQ(shake_hands(wrong), Outcome::kFailed);
    EXPECT_TRUE(stream_->fault().starts_with("the client's certificate: ")) << stream_->fault();
  }
}

TEST_F(TlsStreamTest, NewKeysOfTheClientAreTaken) {
  TlsClient client(TLS1_3_VERSION);
  ASSERT_EQ(shake_hands(client), Outcome::kOpen);
  ASSERT_EQ(::SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
  client.send("GET a\r\n");
  EXPECT_EQ(deliver(client, 1), Outcome::kOpen);
  EXPECT_EQ(take(plain_), "GET a\r\n");
  ASSERT_TRUE(stream_->encrypt("$1\r\n7\r\n"));
  client.receive(take(stream_->output()));
  EXPECT_EQ(client.read, "$1\r\n7\r\n");
}

TEST_F(TlsStreamTest, RenegotiationIsRefused) {
  TlsClient client(TLS1_2_VERSION);
  ASSERT_EQ(shake_hands(client), Outcome::kOpen);
  ASSERT_EQ(::SSL_renegotiate(client.ssl()), 1);
  ::SSL_do_handshake(client.ssl());
  EXPECT_EQ(deliver(client), Outcome::kOpen);
  client.receive(take(stream_->output()));
  EXPECT_EQ(::SSL_num_renegotiations(client.ssl()), 1);  // tried
  EXPECT_FALSE(client.established());
}

TEST_F(TlsStreamTest, PlainTextIsKnownByItsFirstByte) {
  EXPECT_EQ(stream_->receive("*", plain_), Outcome::kFailed);
  EXPECT_EQ(stream_->fault(), "the client does not speak TLS");
  EXPECT_TRUE(stream_->output().empty());
}

TEST_F(TlsStreamTest, AnAnnouncedLengthReservesNothing) {
  // A record of 16 KiB, and in it a hello of 128 KiB: once the second is seen, it is refused.
  std::string hello("\x16\x03\x01\x40\x00\x01\x02\x00\x00", 9);
  EXPECT_EQ(stream_->receive(hello, plain_), Outcome::kOpen);
  EXPECT_FALSE(stream_->established());
  hello.assign(16384 - 4, 'x');
  EXPECT_EQ(stream_->receive(hello, plain_), Outcome::kFailed);
  EXPECT_EQ(plain_.capacity(), 0U);
}

TEST_F(TlsStreamTest, ARecordThatIsTooLongIsRefusedByItsHeader) {
  EXPECT_EQ(stream_->receive(std::string_view("\x16\x03\x01\xff\xff\x01\x00\x00\x10", 9), plain_),
            Outcome::kFailed);
}

TEST_F(TlsStreamTest, AnythingButAHelloIsRefused) {
  for (const std::string_view first :
       {std::string_view("\x16\x03\x01\x00\x00", 5),
        std::string_view("\x16\x03\x01\x00\x01\x01", 6),
        std::string_view("\x16\x03\x01\x00\x02\x01\x00\x16\x03\x01\x00\x00", 12),
        std::string_view("\x16\x03\x01\x00\x04\x02\x00\x00\x00", 9)}) {
    serve(settings_);
    EXPECT_EQ(stream_->receive(first, plain_), Outcome::kFailed);
  }
}

}  // namespace
}  // namespace number_dispenser
