#include "config_testing.h"

namespace number_dispenser {
namespace {

using config_testing::error_of;
using config_testing::parse;
using config_testing::TemporaryFile;

using Addresses = std::vector<std::string>;

Addresses addresses_of(const std::vector<std::string>& arguments) {
  const auto parsed = parse(arguments);
  EXPECT_TRUE(parsed) << error_of(parsed);
  return parsed ? parsed->config.addresses : Addresses{};
}

TEST(ConfigTls, ThePortIsServedOnEveryHostOfThePlainAddresses) {
  EXPECT_EQ(addresses_of({"--tls-port", "6390"}), (Addresses{":6380", "tls::6390"}));
  EXPECT_EQ(addresses_of({"--tls-port=6390", "--addr=127.0.0.1:1", "--addr=[::1]:1"}),
            (Addresses{"127.0.0.1:1", "[::1]:1", "tls:127.0.0.1:6390", "tls:[::1]:6390"}));
  EXPECT_EQ(addresses_of({"--tls-port=6390", "--addr=localhost:1", "--addr=localhost:2"}),
            (Addresses{"localhost:1", "localhost:2", "tls:localhost:6390"}));
}

TEST(ConfigTls, WithoutAPlainHostThePortIsServedOnEveryInterface) {
  EXPECT_EQ(addresses_of({"--tls-port=6390", "--addr=unix:/s"}),
            (Addresses{"unix:/s", "tls::6390"}));
}

TEST(ConfigTls, AnAddressAloneIsEnough) {
  EXPECT_EQ(addresses_of({"--addr=tls::6390"}), Addresses{"tls::6390"});
}

TEST(ConfigTls, PortZeroIsNone) {
  EXPECT_EQ(addresses_of({"--tls-port=0"}), Addresses{":6380"});
}

TEST(ConfigTls, APortCannotBeBothPlainAndTls) {
  EXPECT_EQ(error_of(parse({"--tls-port=6380"})),
            "78: the TLS port 6380 is also that of the address ':6380': choose another with "
            "--tls-port");
}

TEST(ConfigTls, EveryKeyOfTheFileIsTaken) {
  const TemporaryFile file(R"(tls:
  port: 6390
  cert_file: /c
  key_file: /k
  key_file_pass: hunter2
  ca_cert_file: /a
  ca_cert_dir: /d
  auth_clients: optional
  protocols: "TLSv1.3"
  ciphers: "ECDHE+AESGCM"
  ciphersuites: "TLS_AES_128_GCM_SHA256"
  prefer_server_ciphers: yes
)");
  const auto parsed = parse({"--config", file.path()});
  ASSERT_TRUE(parsed) << error_of(parsed);
  const TlsSettings& tls = parsed->config.tls;
  EXPECT_EQ(tls.port, 6390);
  EXPECT_EQ(tls.cert_file, "/c");
  EXPECT_EQ(tls.key_file, "/k");
  EXPECT_EQ(tls.key_file_pass, "hunter2");
  EXPECT_EQ(tls.ca_cert_file, "/a");
  EXPECT_EQ(tls.ca_cert_dir, "/d");
  EXPECT_EQ(tls.auth_clients, TlsAuthClients::kOptional);
  EXPECT_EQ(tls.protocols, "TLSv1.3");
  EXPECT_EQ(tls.ciphers, "ECDHE+AESGCM");
  EXPECT_EQ(tls.ciphersuites, "TLS_AES_128_GCM_SHA256");
  EXPECT_TRUE(tls.prefer_server_ciphers);
}

TEST(ConfigTls, VariablesOutrankTheFileAndOptionsThem) {
  const TemporaryFile file("tls: {cert_file: /file, key_file: /file, ca_cert_file: /file}");
  const auto parsed = parse({"--config", file.path(), "--tls-key-file", "/option"},
                            {{"NUMBER_DISPENSER_TLS_CERT_FILE", "/variable"},
                             {"NUMBER_DISPENSER_TLS_KEY_FILE", "/variable"}});
  ASSERT_TRUE(parsed) << error_of(parsed);
  EXPECT_EQ(parsed->config.tls.ca_cert_file, "/file");
  EXPECT_EQ(parsed->config.tls.cert_file, "/variable");
  EXPECT_EQ(parsed->config.tls.key_file, "/option");
}

TEST(ConfigTls, WrongValuesAreRefused) {
  EXPECT_EQ(error_of(parse({"--tls-port=65536"})),
            "64: --tls-port: '65536' is not a number from 0 to 65535");
  EXPECT_EQ(error_of(parse({"--tls-auth-clients=maybe"})),
            "64: --tls-auth-clients: 'maybe' is not one of no, optional, yes");
  EXPECT_EQ(error_of(parse({"--tls-cert-file="})), "64: --tls-cert-file: '' is not a path");
}

TEST(ConfigTls, TheKeysPasswordIsNeverShown) {
  const auto checked = parse({"--check-config", "--tls-key-file-pass", "hunter2"});
  ASSERT_TRUE(checked) << error_of(checked);
  EXPECT_TRUE(checked->text.contains("tls-key-file-pass                 (set)\n"));
  EXPECT_FALSE(checked->text.contains("hunter2"));
}

}  // namespace
}  // namespace number_dispenser
