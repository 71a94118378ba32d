
#include <limits>

#include "config/choice.h"
#include "config/option.h"

namespace number_dispenser {
namespace {

constexpr std::pair<std::string_view, TlsAuthClients> kAuthClients[] = {
    {"no", TlsAuthClients::kNo},
    {"optional", TlsAuthClients::kOptional},
    {"yes", TlsAuthClients::kYes}};

Applied apply_port(Config& config, const std::string& text, bool) {
  return choose_number(text, uint16_t{0}, std::numeric_limits<uint16_t>::max(), config.tls.port);
}

template <std::string TlsSettings::*Member>
Applied apply_path(Config& config, const std::string& text, bool) {
  return choose_path(text, config.tls.*Member);
}

template <std::string TlsSettings::*Member>
Applied apply_text(Config& config, const std::string& text, bool) {
  config.tls.*Member = text;
  return {};
}

template <std::string TlsSettings::*Member>
std::string show_text(const Config& config) {
  const std::string& text = config.tls.*Member;
  return text.empty() ? "(none)" : printable(text);
}

const Option kTlsOptions[] = {
    {.name = "tls-port",
     .value_name = "PORT",
     .variable = "NUMBER_DISPENSER_TLS_PORT",
     .key = "tls.port",
     .help = "Serve TLS on this port of each host that --addr names, as well; 0: do not. For TLS "
             "only, use --addr tls:HOST:PORT.",
     .apply = apply_port,
     .show = [](const Config& c) { return std::to_string(c.tls.port); }},
    {.name = "tls-cert-file",
     .value_name = "FILE",
     .variable = "NUMBER_DISPENSER_TLS_CERT_FILE",
     .key = "tls.cert_file",
     .help = "The server's certificate, PEM, with those between it and the authority behind it. "
             "This and the other files of TLS are reread on SIGHUP.",
     .apply = apply_path<&TlsSettings::cert_file>,
     .show = show_text<&TlsSettings::cert_file>},
    {.name = "tls-key-file",
     .value_name = "FILE",
     .variable = "NUMBER_DISPENSER_TLS_KEY_FILE",
     .key = "tls.key_file",
     .help = "The certificate's private key, PEM.",
     .apply = apply_path<&TlsSettings::key_file>,
     .show = show_text<&TlsSettings::key_file>},
    {.name = "tls-key-file-pass",
     .value_name = "PASSWORD",
     .variable = "NUMBER_DISPENSER_TLS_KEY_FILE_PASS",
     .key = "tls.key_file_pass",
     .help = "Password of an encrypted key; prefer the variable or the file to the command line.",
     .apply = apply_text<&TlsSettings::key_file_pass>,
     .show = [](const Config& c) -> std::string {
       return c.tls.key_file_pass.empty() ? "(none)" : "(set)";
     }},
    {.name = "tls-ca-cert-file",
     .value_name = "FILE",
     .variable = "NUMBER_DISPENSER_TLS_CA_CERT_FILE",
     .key = "tls.ca_cert_file",
     .help = "Authorities whose client certificates are accepted, PEM.",
     .apply = apply_path<&TlsSettings::ca_cert_file>,
     .show = show_text<&TlsSettings::ca_cert_file>},
    {.name = "tls-ca-cert-dir",
     .value_name = "DIR",
     .variable = "NUMBER_DISPENSER_TLS_CA_CERT_DIR",
     .key = "tls.ca_cert_dir",
     .help = "The same as a folder of files, prepared by openssl rehash.",
     .apply = apply_path<&TlsSettings::ca_cert_dir>,
     .show = show_text<&TlsSettings::ca_cert_dir>},
    {.name = "tls-auth-clients",
     .value_name = "no|optional|yes",
     .variable = "NUMBER_DISPENSER_TLS_AUTH_CLIENTS",
     .key = "tls.auth_clients",
     .help = "Whether TLS clients must show a certificate; optional: one that is shown must be "
             "accepted.",
     .apply = [](Config& c, const std::string& v,
                 bool) { return choose(kAuthClients, v, c.tls.auth_clients); },
     .show = [](const Config& c) { return name_of(kAuthClients, c.tls.auth_clients); }},
    {.name = "tls-protocols",
     .value_name = "NAMES",
     .variable = "NUMBER_DISPENSER_TLS_PROTOCOLS",
     .key = "tls.protocols",
     .help = "TLSv1.2, TLSv1.3 or both, with a space between them.",
     .apply = apply_text<&TlsSettings::protocols>,
     .show = show_text<&TlsSettings::protocols>,
     .default_text = "both"},
    {.name = "tls-ciphers",
     .value_name = "LIST",
     .variable = "NUMBER_DISPENSER_TLS_CIPHERS",
     .key = "tls.ciphers",
     .help = "Ciphers of TLS 1.2, as in openssl-ciphers(1).",
     .apply = apply_text<&TlsSettings::ciphers>,
     .show = show_text<&TlsSettings::ciphers>,
     .default_text = "OpenSSL's"},
    {.name = "tls-ciphersuites",
     .value_name = "LIST",
     .variable = "NUMBER_DISPENSER_TLS_CIPHERSUITES",
     .key = "tls.ciphersuites",
     .help = "Ciphers of TLS 1.3, with colons between them.",
     .apply = apply_text<&TlsSettings::ciphersuites>,
     .show = show_text<&TlsSettings::ciphersuites>,
     .default_text = "OpenSSL's"},
    {.name = "tls-prefer-server-ciphers",
     .value_name = "yes|no",
     .variable = "NUMBER_DISPENSER_TLS_PREFER_SERVER_CIPHERS",
     .key = "tls.prefer_server_ciphers",
     .help = "yes: the order of the server's ciphers decides, not that of the client's.",
     .apply = [](Config& c, const std::string& v,
                 bool) { return choose(kYesNo, v, c.tls.prefer_server_ciphers); },
     .show = [](const Config& c) { return name_of(kYesNo, c.tls.prefer_server_ciphers); }},
};

}  // namespace

std::span<const Option> tls_options() {
  return kTlsOptions;
}

}  // namespace number_dispenser
