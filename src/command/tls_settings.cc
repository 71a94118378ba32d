// What is in force of TLS, as CONFIG shows it. It changes with the configuration file and SIGHUP.
#include "settings.h"

namespace number_dispenser {
namespace {

using Context = CommandContext;

std::string auth_clients(const Context& context) {
  const TlsAuthClients wanted = context.tls().auth_clients;
  if (wanted == TlsAuthClients::kNo) return "no";
  return wanted == TlsAuthClients::kYes ? "yes" : "optional";
}

constexpr RuntimeSetting kSettings[] = {
    {"tls-auth-clients", auth_clients},
    {"tls-ca-cert-dir", [](const Context& c) { return c.tls().ca_cert_dir; }},
    {"tls-ca-cert-file", [](const Context& c) { return c.tls().ca_cert_file; }},
    {"tls-cert-file", [](const Context& c) { return c.tls().cert_file; }},
    {"tls-ciphers", [](const Context& c) { return c.tls().ciphers; }},
    {"tls-ciphersuites", [](const Context& c) { return c.tls().ciphersuites; }},
    {"tls-key-file", [](const Context& c) { return c.tls().key_file; }},
    {"tls-port", [](const Context& c) { return std::to_string(c.facts.tls_port); }},
    {"tls-prefer-server-ciphers",
     [](const Context& c) -> std::string { return c.tls().prefer_server_ciphers ? "yes" : "no"; }},
    {"tls-protocols", [](const Context& c) { return c.tls().protocols; }},
};

}  // namespace

std::span<const RuntimeSetting> tls_settings() {
  return kSettings;
}

}  // namespace number_dispenser
