// Where a server listens, read from its text by config and used by net. A plain value.
#pragma once

#include <cstdint>
#include <string>

namespace number_dispenser {

struct ListenAddress {
  enum class Kind { kTcp, kUnix };

  Kind kind = Kind::kTcp;
  std::string host;   // kTcp: a name or a numeric address, without brackets; empty: every interface
  uint16_t port = 0;  // kTcp: 1..65535
  bool tls = false;   // kTcp: clients speak TLS
  std::string path;   // kUnix: at most 107 bytes, so that it fits sockaddr_un

  bool operator==(const ListenAddress&) const = default;
};

}  // namespace number_dispenser
