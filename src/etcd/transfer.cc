#include "transfer.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>

#include "number_dispenser/base/check.h"

namespace number_dispenser::etcd {
namespace {

// A watch is silent for long; its connection is asked whether it is still there, and given up when
// what was sent has not arrived for so long.
constexpr long kSilenceS = 3;
constexpr long kProbeS = 1;
constexpr unsigned kUnacknowledgedMs = 5'000;
// Far more than an answer to anything we ask has.
constexpr size_t kMostBytes = size_t{256} << 20;

}  // namespace

Transfer::Transfer(const Curl& curl, const EtcdSettings& settings, Post post,
                   std::function<bool()> on_received)
    : curl_(curl),
      easy_(curl.easy_init()),
      post_(std::move(post)),
      on_received_(std::move(on_received)) {
  ND_CHECK(easy_ != nullptr, "no memory");
  set_connection();
  set_tls(settings);
  set_post();
}

Transfer::~Transfer() {
  curl_.easy_cleanup(easy_);
  curl_.slist_free_all(headers_);
}

void Transfer::set_connection() {
  const auto set = curl_.easy_setopt;
  set(easy_, CURLOPT_URL, post_.url.c_str());
  set(easy_, CURLOPT_ERRORBUFFER, error_.data());
  set(easy_, CURLOPT_NOSIGNAL, 1L);
  set(easy_, CURLOPT_PROXY, "");
  set(easy_, CURLOPT_NOPROXY, "*");
  set(easy_, CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});
  set(easy_, CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
  set(easy_, CURLOPT_TIMEOUT_MS, post_.timeout_ms);
  set(easy_, CURLOPT_TCP_NODELAY, 1L);
  set(easy_, CURLOPT_TCP_KEEPALIVE, 1L);
  set(easy_, CURLOPT_TCP_KEEPIDLE, kSilenceS);
  set(easy_, CURLOPT_TCP_KEEPINTVL, kProbeS);
  set(easy_, CURLOPT_SOCKOPTFUNCTION, &Transfer::on_socket);
  set(easy_, CURLOPT_SOCKOPTDATA, this);
#if CURL_AT_LEAST_VERSION(7, 87, 0)
  // A name server that does not answer would hold up the end; an older libcurl takes no notice.
  set(easy_, CURLOPT_QUICK_EXIT, 1L);
#endif
}

void Transfer::set_tls(const EtcdSettings& settings) {
  const auto set = curl_.easy_setopt;
  set(easy_, CURLOPT_SSL_VERIFYPEER, 1L);
  set(easy_, CURLOPT_SSL_VERIFYHOST, 2L);
  set(easy_, CURLOPT_SSLVERSION, long{CURL_SSLVERSION_TLSv1_2});
  if (!settings.ca_file.empty()) {
    set(easy_, CURLOPT_CAINFO, settings.ca_file.c_str());
    // The system's authorities would be believed as well.
    set(easy_, CURLOPT_CAPATH, nullptr);
  }
  if (!settings.cert_file.empty()) {
    set(easy_, CURLOPT_SSLCERT, settings.cert_file.c_str());
    set(easy_, CURLOPT_SSLKEY, settings.key_file.c_str());
  }
}

void Transfer::set_post() {
  const auto add = [&](const std::string& line) {
    headers_ = curl_.slist_append(headers_, line.c_str());
  };
  add("Content-Type: application/json");
  add("Expect:");
  // A member that is cut off from the others says so at once, instead of trying.
  add("Grpc-Metadata-hasleader: true");
  if (!post_.token.empty()) add("Authorization: " + post_.token);

  const auto set = curl_.easy_setopt;
  set(easy_, CURLOPT_HTTPHEADER, headers_);
  set(easy_, CURLOPT_POST, 1L);
  set(easy_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(post_.body.size()));
  set(easy_, CURLOPT_READFUNCTION, &Transfer::on_read);
  set(easy_, CURLOPT_READDATA, this);
  set(easy_, CURLOPT_WRITEFUNCTION, &Transfer::on_write);
  set(easy_, CURLOPT_WRITEDATA, this);
}

int Transfer::on_socket(void*, curl_socket_t socket, curlsocktype) {
  ::setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &kUnacknowledgedMs, sizeof kUnacknowledgedMs);
  return CURL_SOCKOPT_OK;
}

size_t Transfer::on_read(char* into, size_t size, size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  const size_t copied = transfer.post_.body.copy(into, size * count, transfer.sent_);
  transfer.sent_ += copied;
  return copied;
}

size_t Transfer::on_write(char* from, size_t size, size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  transfer.received.append(from, size * count);
  const bool go_on =
      transfer.received.size() <= kMostBytes && (!transfer.on_received_ || transfer.on_received_());
  return go_on ? size * count : CURL_WRITEFUNC_ERROR;
}

long Transfer::status() const {
  long status = 0;
  curl_.easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

std::string Transfer::reason(CURLcode code) const {
  if (error_.front() != '\0') return error_.data();
  return curl_.easy_strerror(code);
}

}  // namespace number_dispenser::etcd
