// Who is at the other end of a socket.
#pragma once

#include <string>

namespace number_dispenser {

struct Peer {
  // HOST:PORT, [HOST]:PORT, or PATH:0 of a Unix socket; "?:0" where the connection is gone already.
  std::string address, local_address;
  bool is_unix = false;
  bool is_local = false;  // a loopback address, or a Unix socket
};

Peer peer_of(int fd);

}  // namespace number_dispenser
