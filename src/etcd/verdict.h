// What a failed exchange with etcd means, and so what is done about it.
#pragma once

#include <optional>
#include <string>

#include "curl.h"
#include "json.h"

namespace number_dispenser::etcd {

struct Verdict {
  enum class Fault {
    kMember,   // or the network's: another member may do better
    kToken,    // etcd does not know who asks: log in again
    kRequest,  // would fail again, and anywhere
  };
  Fault fault = Fault::kMember;
  Failure::Kind kind = Failure::Kind::kUnreachable;
  bool without_effect = true;  // certain: what was to be changed was not
  std::string text;

  // `changes`: something was to be changed.
  Failure failure(bool changes) const { return {kind, changes && !without_effect, text}; }
};

Verdict judge(const Rejection& rejection);
// `json`: what came with an HTTP status other than 200; nullopt: that was no object.
Verdict judge_status(long status, const std::optional<Json>& json);
// libcurl has failed, because of `reason`. `unsent`: before the request was sent.
Verdict judge_transfer(CURLcode code, bool unsent, std::string reason);
// HTTP went well, and yet this is not etcd.
Verdict judge_garbage();

}  // namespace number_dispenser::etcd
