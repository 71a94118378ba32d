// One POST to etcd over libcurl, and its answer. HTTP/1.1 on a connection that is kept.
//
// libcurl by itself sends a request again if a kept connection ends before an answer has begun.
// etcd may have done what it says by then, and not to know that is worse than no answer: the body
// is handed out through a callback and cannot be rewound, so libcurl gives up instead.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "curl.h"
#include "number_dispenser/base/cluster_settings.h"

namespace number_dispenser::etcd {

inline constexpr long kConnectTimeoutMs = 1'000;
inline constexpr long kRequestTimeoutMs = 2'500;

// One thread. Stays where it is: libcurl has pointers to it.
class Transfer {
 public:
  struct Post {
    std::string url;
    std::string body;
    std::string token{};                  // of a login; empty: none
    long timeout_ms = kRequestTimeoutMs;  // 0: none
  };
  // `settings` have to live on. on_received is called when `received` has grown: a stream's. False
  // ends the transfer.
  Transfer(const Curl& curl, const EtcdSettings& settings, Post post,
           std::function<bool()> on_received = {});
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  CURL* handle() const { return easy_; }

  // All of the answer's body, or what on_received has left of it.
  std::string received;

  // Once the transfer has ended.
  long status() const;
  // Not a byte of the body has gone out, so nobody has done what it says.
  bool unsent() const { return sent_ == 0; }
  // Why it failed: libcurl's words, and where.
  std::string reason(CURLcode code) const;

 private:
  void set_connection();
  void set_tls(const EtcdSettings& settings);
  void set_post();

  static int on_socket(void* self, curl_socket_t socket, curlsocktype);
  static size_t on_read(char* into, size_t size, size_t count, void* self);
  static size_t on_write(char* from, size_t size, size_t count, void* self);

  const Curl& curl_;
  CURL* const easy_;
  curl_slist* headers_ = nullptr;
  const Post post_;
  size_t sent_ = 0;  // of the body
  std::function<bool()> on_received_;
  std::array<char, CURL_ERROR_SIZE> error_{};
};

}  // namespace number_dispenser::etcd
