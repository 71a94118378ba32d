// What the operator wants of TLS, collected by config and used by tls. A plain value, not checked:
// TlsContext::create() is the check.
#pragma once

#include <cstdint>
#include <string>

namespace number_dispenser {

// Whether a client must show a certificate of an accepted authority.
enum class TlsAuthClients { kNo, kOptional, kYes };

struct TlsSettings {
  uint16_t port = 0;  // 0: none but those of the addresses
  std::string cert_file;
  std::string key_file;
  std::string key_file_pass;  // a secret
  std::string ca_cert_file;
  std::string ca_cert_dir;
  TlsAuthClients auth_clients = TlsAuthClients::kYes;
  std::string protocols;     // "TLSv1.2 TLSv1.3", or one of them; empty: both
  std::string ciphers;       // of TLS 1.2, in OpenSSL's notation; empty: OpenSSL's default
  std::string ciphersuites;  // of TLS 1.3, likewise
  bool prefer_server_ciphers = false;
};

}  // namespace number_dispenser
