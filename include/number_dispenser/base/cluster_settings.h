// How a node finds etcd, and what it is called there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace number_dispenser {

struct EtcdSettings {
  std::vector<std::string>
      endpoints;     // http://HOST:PORT or https://HOST:PORT; the first is tried first
  std::string user;  // empty: etcd's authentication is not used
  std::string password;
  std::string ca_file;    // PEM; empty: the system's
  std::string cert_file;  // PEM, of this client; empty: none
  std::string key_file;   // PEM

  bool operator==(const EtcdSettings&) const = default;
};

struct ClusterSettings {
  bool enabled = false;
  std::string node_id;                       // 1 to 64 of A-Z a-z 0-9 . _ -
  std::string prefix = "/number-dispenser";  // of every key; begins with /, does not end with it
  unsigned segment_minutes = 10;             // of use, that a segment is to last; 1..1440
  EtcdSettings etcd;

  bool operator==(const ClusterSettings&) const = default;
};

}  // namespace number_dispenser
