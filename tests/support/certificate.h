// Certificates made on the spot: self-signed, of an elliptic-curve key, as PEM files.
#pragma once

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdio>
#include <memory>
#include <string>

#include "number_dispenser/base/check.h"
#include "number_dispenser/base/tls_settings.h"

namespace number_dispenser::testing_support {

struct Validity {
  long begin_s = -3600;  // from now
  long end_s = 3600;
};

// Writes FOLDER/NAME.crt and FOLDER/NAME.key; returns settings that use them and ask for no client
// certificate.
inline TlsSettings make_certificate(const std::string& folder, const std::string& name,
                                    Validity validity = {}, const char* password = nullptr) {
  using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;
  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(::EVP_EC_gen("P-256"), ::EVP_PKEY_free);
  const std::unique_ptr<X509, void (*)(X509*)> made(::X509_new(), ::X509_free);
  ND_CHECK(key && made, "no memory");
  ::X509_set_version(made.get(), 2);
  ::ASN1_INTEGER_set(::X509_get_serialNumber(made.get()), 1);
  ::X509_gmtime_adj(::X509_getm_notBefore(made.get()), validity.begin_s);
  ::X509_gmtime_adj(::X509_getm_notAfter(made.get()), validity.end_s);
  ::X509_set_pubkey(made.get(), key.get());
  X509_NAME* const subject = ::X509_get_subject_name(made.get());
  ::X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  ::X509_set_issuer_name(made.get(), subject);
  ND_CHECK(::X509_sign(made.get(), key.get(), ::EVP_sha256()) > 0, "X509_sign");

  TlsSettings settings;
  settings.cert_file = folder + "/" + name + ".crt";
  settings.key_file = folder + "/" + name + ".key";
  settings.auth_clients = TlsAuthClients::kNo;
  const File cert_file(std::fopen(settings.cert_file.c_str(), "w"), std::fclose);
  const File key_file(std::fopen(settings.key_file.c_str(), "w"), std::fclose);
  ND_CHECK(::PEM_write_X509(cert_file.get(), made.get()) == 1, "{}", settings.cert_file);
  ND_CHECK(::PEM_write_PKCS8PrivateKey(key_file.get(), key.get(),
                                       password == nullptr ? nullptr : ::EVP_aes_128_cbc(), nullptr,
                                       0, nullptr, const_cast<char*>(password)) == 1,
           "{}", settings.key_file);
  return settings;
}

}  // namespace number_dispenser::testing_support
