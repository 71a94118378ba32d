// A request as its sender remembers it: enough to say, when the reply comes, whether it may be so.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace number_dispenser::sim {

struct Request {
  enum class What {
    kGet,   // also INCR and INCRBY
    kMget,  // `inner` are its numbers
    kInfo,
    kResolve,  // INFO by an owner that does not know which of its changes were run
    kVerify,   // INFO after a start
    kChange,   // an HSET or DEL of the name's owner
    kExact,    // the reply is `expected`, and no error
    kError,    // an error that begins with `expected`
    kExec,     // the replies to `inner`, together
  };

  What what = What::kExact;
  unsigned name = 0;
  std::string expected;
  uint64_t sent_at = 0;  // of all requests and answers of the simulation
  uint64_t count = 1;    // kGet: numbers
  // kGet and kInfo: what was certain when it was sent.
  bool existed = false;
  uint64_t deletions = 0;
  int generation = -1;  // the newest, and the least ordinal that it may still issue
  uint64_t floor = 0;
  // kChange: which of the name's changes.
  uint64_t serial = 0;
  std::vector<Request> inner;
};

}  // namespace number_dispenser::sim
