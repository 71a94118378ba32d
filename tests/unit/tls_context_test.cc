#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "certificate.h"
#include "number_dispenser/tls/context.h"
#include "temporary_directory.h"

namespace number_dispenser {
namespace {

using testing_support::make_certificate;
using testing_support::TemporaryDirectory;

class TlsContextTest : public ::testing::Test {
 protected:
  // The message; empty where there is no error. Every error of these is of the configuration.
  static std::string refusal(const TlsSettings& settings) {
    const auto made = TlsContext::create(settings);
    if (made) return "";
    EXPECT_EQ(made.error().status, ExitStatus::kConfiguration);
    EXPECT_FALSE(made.error().message.contains('\n'));
    return made.error().message;
  }

  std::string file_of(std::string_view text) const {
    const std::string path = folder_.path() + "/file";
    std::ofstream(path) << text;
    return path;
  }

  TemporaryDirectory folder_;
  TlsSettings good_ = make_certificate(folder_.path(), "server");
};

TEST_F(TlsContextTest, ACertificateAndItsKeyAreEnough) {
  EXPECT_EQ(refusal(good_), "");
}

TEST_F(TlsContextTest, BothFilesMustBeNamed) {
  good_.key_file.clear();
  EXPECT_TRUE(refusal(good_).contains("give both --tls-cert-file and --tls-key-file"));
  EXPECT_TRUE(refusal({}).contains("give both --tls-cert-file and --tls-key-file"));
}

TEST_F(TlsContextTest, AFileThatIsNotThereIsNamed) {
  for (auto member : {&TlsSettings::cert_file, &TlsSettings::key_file, &TlsSettings::ca_cert_file,
                      &TlsSettings::ca_cert_dir}) {
    TlsSettings settings = good_;
    settings.*member = "/nowhere/at-all";
    EXPECT_TRUE(refusal(settings).contains("cannot read /nowhere/at-all")) << refusal(settings);
  }
}

TEST_F(TlsContextTest, AFileWithoutPemIsNamed) {
  for (auto member :
       {&TlsSettings::cert_file, &TlsSettings::key_file, &TlsSettings::ca_cert_file}) {
    TlsSettings settings = good_;
    settings.*member = file_of("no certificate\n");
    EXPECT_TRUE(refusal(settings).contains("/file holds no ")) << refusal(settings);
  }
}

TEST_F(TlsContextTest, AKeyOfAnotherCertificateIsRefused) {
  good_.key_file = make_certificate(folder_.path(), "other").key_file;
  EXPECT_TRUE(refusal(good_).contains("does not belong to the certificate")) << refusal(good_);
}

TEST_F(TlsContextTest, ACertificateOutOfItsTimeIsRefusedWithTheDate) {
  const TlsSettings old = make_certificate(folder_.path(), "old", {-7200, -3600});
  EXPECT_TRUE(refusal(old).contains("expired on 20")) << refusal(old);
  const TlsSettings early = make_certificate(folder_.path(), "early", {3600, 7200});
  EXPECT_TRUE(refusal(early).contains("valid only from 20")) << refusal(early);
}

TEST_F(TlsContextTest, AnEncryptedKeyNeedsItsPasswordWhichNoErrorRepeats) {
  TlsSettings locked = make_certificate(folder_.path(), "locked", {}, "sesame");
  EXPECT_TRUE(refusal(locked).contains("give its password with --tls-key-file-pass"));
  locked.key_file_pass = "barley";
  EXPECT_TRUE(refusal(locked).contains("not with the password")) << refusal(locked);
  EXPECT_FALSE(refusal(locked).contains("barley"));
  locked.key_file_pass = "sesame";
  EXPECT_EQ(refusal(locked), "");
}

TEST_F(TlsContextTest, AskingForCertificatesNeedsAnAuthority) {
  good_.auth_clients = TlsAuthClients::kOptional;
  EXPECT_TRUE(refusal(good_).contains("--tls-auth-clients no"));
  good_.ca_cert_dir = folder_.path();
  EXPECT_EQ(refusal(good_), "");
  good_.ca_cert_dir.clear();
  good_.ca_cert_file = good_.cert_file;
  EXPECT_EQ(refusal(good_), "");
}

TEST_F(TlsContextTest, UnknownProtocolsAndCiphersAreRefused) {
  for (const char* protocols : {"TLSv1.1", "TLSv1.2 SSLv3", "TLSv1.2,TLSv1.3", " "}) {
    good_.protocols = protocols;
    EXPECT_TRUE(refusal(good_).starts_with("--tls-protocols")) << protocols;
  }
  good_.protocols = "TLSv1.2  TLSv1.3";
  EXPECT_EQ(refusal(good_), "");
  good_.ciphers = "NO-SUCH-CIPHER";
  EXPECT_TRUE(refusal(good_).contains("no cipher in 'NO-SUCH-CIPHER'"));
  good_.ciphers = "ECDHE+AESGCM";
  good_.ciphersuites = "TLS_NO_SUCH";
  EXPECT_TRUE(refusal(good_).contains("does not know all of 'TLS_NO_SUCH'"));
  good_.ciphersuites = "TLS_AES_128_GCM_SHA256";
  EXPECT_EQ(refusal(good_), "");
}

}  // namespace
}  // namespace number_dispenser
