#include "number_dispenser/tls/context.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>

namespace number_dispenser {
namespace {

using Context = ssl_ctx_st;

// A client's chain of certificates: OpenSSL sets aside what the client announces, up to this.
constexpr long kLargestChainBytes = 1 << 15;

std::unexpected<Error> refuse(std::string message) {
  ::ERR_clear_error();
  return fail(ExitStatus::kConfiguration, std::move(message));
}

std::string_view openssl_reason() {
  const char* const text = ::ERR_reason_error_string(::ERR_peek_last_error());
  return text != nullptr ? text : "no reason given";
}

// Before OpenSSL tries, whose errors do not tell a wrong name from a wrong content.
Result<void> check_readable(std::string_view option, const std::string& path) {
  if (::access(path.c_str(), R_OK) == 0) return {};
  return fail_errno(ExitStatus::kConfiguration, fmt::format("{}: cannot read {}", option, path),
                    errno);
}

std::string date_of(const ASN1_TIME* time) {
  std::tm parts{};
  ::ASN1_TIME_to_tm(time, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &parts);
  return text.data();
}

Result<void> check_dates(const Context& context, const std::string& path) {
  const X509* const certificate = ::SSL_CTX_get0_certificate(&context);
  const ASN1_TIME* const begin = ::X509_get0_notBefore(certificate);
  const ASN1_TIME* const end = ::X509_get0_notAfter(certificate);
  if (::X509_cmp_current_time(end) <= 0)
    return refuse(fmt::format("--tls-cert-file: {} expired on {}: renew it", path, date_of(end)));
  if (::X509_cmp_current_time(begin) > 0)
    return refuse(
        fmt::format("--tls-cert-file: {} is valid only from {}: check this machine's "
                    "clock, or wait",
                    path, date_of(begin)));
  return {};
}

struct KeyPassword {
  const std::string& text;
  bool asked = false;
};

// Never asks at the terminal, as OpenSSL would.
int give_password(char* into, int size, int, void* data) {
  auto& password = *static_cast<KeyPassword*>(data);
  password.asked = true;
  const std::string& text = password.text;
  if (text.empty() || text.size() > static_cast<size_t>(size)) return -1;
  return static_cast<int>(text.copy(into, static_cast<size_t>(size)));
}

Result<void> load_key(Context& context, const TlsSettings& settings) {
  KeyPassword password{settings.key_file_pass};
  ::SSL_CTX_set_default_passwd_cb(&context, give_password);
  ::SSL_CTX_set_default_passwd_cb_userdata(&context, &password);
  ::ERR_clear_error();
  const std::string& file = settings.key_file;
  const bool loaded = ::SSL_CTX_use_PrivateKey_file(&context, file.c_str(), SSL_FILETYPE_PEM) == 1;
  ::SSL_CTX_set_default_passwd_cb(&context, nullptr);
  ::SSL_CTX_set_default_passwd_cb_userdata(&context, nullptr);
  if (loaded) return {};
  // A key that can be read but is another certificate's fails here as well.
  if (ERR_GET_LIB(::ERR_peek_last_error()) == ERR_LIB_X509)
    return refuse(
        fmt::format("--tls-key-file: the key in {} does not belong to the certificate "
                    "in {}: give the one it was made with",
                    file, settings.cert_file));
  if (password.asked)
    return refuse(fmt::format("--tls-key-file: {} is encrypted, {}", file,
                              settings.key_file_pass.empty()
                                  ? "give its password with --tls-key-file-pass"
                                  : "and not with the password of --tls-key-file-pass"));
  return refuse(fmt::format("--tls-key-file: {} holds no private key in PEM form ({})", file,
                            openssl_reason()));
}

Result<void> load_certificate(Context& context, const TlsSettings& settings) {
  if (settings.cert_file.empty() || settings.key_file.empty())
    return refuse(
        "TLS needs a certificate and its private key: give both --tls-cert-file and "
        "--tls-key-file");
  if (auto readable = check_readable("--tls-cert-file", settings.cert_file); !readable)
    return readable;
  if (auto readable = check_readable("--tls-key-file", settings.key_file); !readable)
    return readable;
  if (::SSL_CTX_use_certificate_chain_file(&context, settings.cert_file.c_str()) != 1)
    return refuse(
        fmt::format("--tls-cert-file: {} holds no certificate in PEM form that can be "
                    "used ({})",
                    settings.cert_file, openssl_reason()));
  if (auto dated = check_dates(context, settings.cert_file); !dated) return dated;
  return load_key(context, settings);
}

Result<void> load_authorities(Context& context, const TlsSettings& settings) {
  const std::string& file = settings.ca_cert_file;
  const std::string& folder = settings.ca_cert_dir;
  if (!file.empty()) {
    if (auto readable = check_readable("--tls-ca-cert-file", file); !readable) return readable;
    if (::SSL_CTX_load_verify_file(&context, file.c_str()) != 1)
      return refuse(fmt::format("--tls-ca-cert-file: {} holds no certificate in PEM form ({})",
                                file, openssl_reason()));
    // Tells clients whose certificates are accepted.
    ::SSL_CTX_set_client_CA_list(&context, ::SSL_load_client_CA_file(file.c_str()));
  }
  if (!folder.empty()) {
    if (auto readable = check_readable("--tls-ca-cert-dir", folder); !readable) return readable;
    if (::SSL_CTX_load_verify_dir(&context, folder.c_str()) != 1)
      return refuse(
          fmt::format("--tls-ca-cert-dir: {} cannot be used ({})", folder, openssl_reason()));
  }
  if (settings.auth_clients == TlsAuthClients::kNo) return {};
  if (file.empty() && folder.empty())
    return refuse(
        "TLS clients have to show a certificate: say who issues them with "
        "--tls-ca-cert-file or --tls-ca-cert-dir, or do without with "
        "--tls-auth-clients no");
  const bool must = settings.auth_clients == TlsAuthClients::kYes;
  ::SSL_CTX_set_verify(&context, SSL_VERIFY_PEER | (must ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                       nullptr);
  return {};
}

Result<void> choose_protocols(Context& context, std::string_view names) {
  constexpr std::string_view kOld = "TLSv1.2";
  constexpr std::string_view kNew = "TLSv1.3";
  bool with_old = names.empty();
  bool with_new = names.empty();
  while (!names.empty()) {
    const std::string_view name = names.substr(0, names.find(' '));
    names.remove_prefix(std::min(name.size() + 1, names.size()));
    if (name == kOld)
      with_old = true;
    else if (name == kNew)
      with_new = true;
    else if (!name.empty())
      return refuse(
          fmt::format("--tls-protocols: {} is not offered; accepted are {} and {}, with "
                      "a space between them",
                      name, kOld, kNew));
  }
  if (!with_old && !with_new) return refuse("--tls-protocols names no protocol");
  ::SSL_CTX_set_min_proto_version(&context, with_old ? TLS1_2_VERSION : TLS1_3_VERSION);
  ::SSL_CTX_set_max_proto_version(&context, with_new ? TLS1_3_VERSION : TLS1_2_VERSION);
  return {};
}

Result<void> choose_ciphers(Context& context, const TlsSettings& settings) {
  if (!settings.ciphers.empty() &&
      ::SSL_CTX_set_cipher_list(&context, settings.ciphers.c_str()) != 1)
    return refuse(
        fmt::format("--tls-ciphers: OpenSSL knows no cipher in '{}'; `openssl ciphers` "
                    "lists them",
                    settings.ciphers));
  if (!settings.ciphersuites.empty() &&
      ::SSL_CTX_set_ciphersuites(&context, settings.ciphersuites.c_str()) != 1)
    return refuse(
        fmt::format("--tls-ciphersuites: OpenSSL does not know all of '{}'; `openssl "
                    "ciphers -tls1_3 -s` lists them",
                    settings.ciphersuites));
  if (settings.prefer_server_ciphers)
    ::SSL_CTX_set_options(&context, SSL_OP_CIPHER_SERVER_PREFERENCE);
  return {};
}

void set_rules(Context& context) {
  ::SSL_CTX_set_options(&context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  // An idle connection keeps no buffer.
  ::SSL_CTX_set_mode(&context, SSL_MODE_RELEASE_BUFFERS);
  ::SSL_CTX_set_max_cert_list(&context, kLargestChainBytes);
  // Sessions are resumed by tickets, which the clients keep. The name has to be there where clients
  // show certificates; that tickets go no further than this context, its random keys see to.
  constexpr std::array<unsigned char, 1> kName{'n'};
  ::SSL_CTX_set_session_cache_mode(&context, SSL_SESS_CACHE_OFF);
  ::SSL_CTX_set_session_id_context(&context, kName.data(), kName.size());
}

}  // namespace

Result<TlsContext> TlsContext::create(const TlsSettings& settings) {
  ::ERR_clear_error();
  Handle context(::SSL_CTX_new(::TLS_server_method()), ::SSL_CTX_free);
  if (context == nullptr) return refuse(fmt::format("OpenSSL: {}", openssl_reason()));
  set_rules(*context);
  if (auto done = choose_protocols(*context, settings.protocols); !done)
    return std::unexpected(done.error());
  if (auto done = choose_ciphers(*context, settings); !done) return std::unexpected(done.error());
  if (auto done = load_certificate(*context, settings); !done) return std::unexpected(done.error());
  if (auto done = load_authorities(*context, settings); !done) return std::unexpected(done.error());
  return TlsContext(std::move(context));
}

}  // namespace number_dispenser
