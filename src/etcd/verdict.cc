#include "verdict.h"

#include <fmt/format.h>

namespace number_dispenser::etcd {
namespace {

using Fault = Verdict::Fault;
using Kind = Failure::Kind;

// gRPC's codes, and what etcd uses them for (etcd's etcdserver/api/v3rpc/rpctypes/error.go).
enum Code {
  kNone = 0,       // a watch that is canceled without one
  kCancelled = 1,  // the member is being stopped, which it may be in the middle of a request
  kUnknown = 2,
  kDeadlineExceeded = 4,
  kAborted = 10,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

bool says(const Rejection& rejection, std::string_view words) {
  return rejection.text.find(words) != std::string::npos;
}

// The token is lost or old, or there was none when authentication was switched on.
bool asks_for_login(const Rejection& rejection) {
  return rejection.code == kUnauthenticated || says(rejection, "invalid auth token") ||
         says(rejection, "user name is empty") || says(rejection, "revision of auth store is old");
}

// Said before anything is done.
bool is_turned_away(const Rejection& rejection) {
  return says(rejection, "etcdserver: no leader") ||
         says(rejection, "etcdserver: too many requests");
}

// Said before, or with the last change that etcd had space for: that is made (its issue 16659).
bool may_be_made(const Rejection& rejection) {
  return says(rejection, "database space exceeded");
}

bool is_of_the_member(int code) {
  return code == kNone || code == kCancelled || code == kUnknown || code == kDeadlineExceeded ||
         code == kAborted || code == kInternal || code == kUnavailable || code == kDataLoss;
}

// One line, whatever etcd said.
std::string one_line(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  return text;
}

}  // namespace

Verdict judge(const Rejection& rejection) {
  std::string text = one_line(rejection.text);
  if (asks_for_login(rejection)) return {Fault::kToken, Kind::kRefused, true, std::move(text)};
  if (is_turned_away(rejection)) return {Fault::kMember, Kind::kUnreachable, true, std::move(text)};
  if (is_of_the_member(rejection.code))
    return {Fault::kMember, Kind::kUnreachable, false, std::move(text)};
  Kind kind = Kind::kRefused;
  if (says(rejection, "has been compacted")) kind = Kind::kCompacted;
  if (says(rejection, "requested lease not found")) kind = Kind::kNotFound;
  return {Fault::kRequest, kind, !may_be_made(rejection), std::move(text)};
}

Verdict judge_status(long status, const std::optional<Json>& json) {
  if (const auto rejection = json ? decode_rejection(*json) : std::nullopt)
    return judge(*rejection);
  return {Fault::kMember, Kind::kUnreachable, false,
          fmt::format("HTTP status {}, not an answer of etcd 3.4 or later", status)};
}

Verdict judge_transfer(CURLcode code, bool unsent, std::string reason) {
  // A file of ours is at fault, which is so at every endpoint.
  const bool own = code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_CACERT_BADFILE ||
                   code == CURLE_SSL_ENGINE_INITFAILED || code == CURLE_URL_MALFORMAT;
  reason = one_line(std::move(reason));
  if (own) return {Fault::kRequest, Kind::kRefused, true, std::move(reason)};
  return {Fault::kMember, Kind::kUnreachable, unsent, std::move(reason)};
}

Verdict judge_garbage() {
  return {Fault::kMember, Kind::kUnreachable, false, "not an answer of etcd 3.4 or later"};
}

}  // namespace number_dispenser::etcd
