// The etcd client over etcd's JSON gateway (HTTP/1.1, one thread of its own, libcurl). libcurl is
// loaded here and not before, so that a server without a cluster neither needs nor loads it.
//
// Requests that are under way at the same time (up to 8) are made in any order. One is answered
// within a few seconds: kUnreachable if it could not be sent for 5, or was sent and not answered
// for 2.5. The member that is asked stays the same until it fails; then it is the next in the list,
// and the watch ends, to be begun anew there.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "number_dispenser/base/cluster_settings.h"
#include "number_dispenser/base/error.h"
#include "number_dispenser/etcd/client.h"

namespace number_dispenser::etcd {

struct HttpStats {
  uint64_t requests = 0;  // sent, ever
  uint64_t failures = 0;  // of those, not answered with what was asked
  std::string endpoint;   // that requests go to now
};

class HttpClient : public Client {
 public:
  // `notify` is called, on the client's thread, when poll() has something to do.
  // Errors: libcurl cannot be loaded, a TLS file cannot be read (kConfiguration, kNoPermission).
  static Result<std::unique_ptr<HttpClient>> create(const EtcdSettings& settings,
                                                    std::function<void()> notify);
  // Any thread.
  virtual HttpStats stats() const = 0;
};

}  // namespace number_dispenser::etcd
