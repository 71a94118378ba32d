// What is said to etcd and what it answers, in the JSON of its gateway: protobuf's mapping, in
// which 64-bit numbers are strings, bytes are base64 and a field that has its default is left out.
// https://etcd.io/docs/v3.4/dev-guide/api_grpc_gateway/, etcd's api/etcdserverpb/rpc.proto
//
// An answer may be anything: what is not as it should be is nullopt. Pure functions, any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "number_dispenser/etcd/client.h"

namespace number_dispenser::etcd {

using Json = nlohmann::json;

std::string encode(const Txn& txn);
// With notes of progress.
std::string encode_watch(std::string_view key, std::string_view end, Revision first);
std::string encode_grant(int64_t ttl_s);
// To keep it alive and to revoke it.
std::string encode_lease(int64_t lease);
std::string encode_login(std::string_view user, std::string_view password);

bool changes_something(const Txn& txn);

// Nothing but one whole object.
std::optional<Json> parse_object(std::string_view text);

struct Header {
  ClusterId cluster_id = 0;
  Revision revision = 0;
};
// Every answer has one; what has none is not from etcd.
std::optional<Header> decode_header(const Json& answer);

// The results have the shape of what was asked: as many, and of the same kinds.
std::optional<TxnResult> decode_txn(const Json& answer, const Txn& asked);
std::optional<int64_t> decode_grant(const Json& answer);
// The seconds left; 0: the lease is gone.
std::optional<int64_t> decode_keep_alive(const Json& answer);
// The token, which can stand in an HTTP header.
std::optional<std::string> decode_login(const Json& answer);

struct WatchMessage {
  Header header;
  bool created = false;
  bool canceled = false;
  Revision compacted = 0;  // not 0: what was asked for is older than this, and gone
  std::string reason;      // of `canceled`
  std::vector<Event> events;
};
std::optional<WatchMessage> decode_watch(const Json& answer);

struct Rejection {
  int code = 0;  // gRPC's; 0: unknown
  std::string text;
};
// Of an error's answer. etcd's gateway, which is version 1 up to etcd 3.5 and then version 2, says
// alone and in a stream:
//   1: {"error": TEXT, "code": CODE, "message": TEXT}
//      {"error": {"grpc_code": CODE, "http_code": STATUS, "message": TEXT}}
//   2: {"code": CODE, "message": TEXT}
//      {"error": {"code": CODE, "message": TEXT}}
// nullopt: without a code of gRPC's it is not etcd that says so, but a proxy before it.
std::optional<Rejection> decode_rejection(const Json& answer);
// Of a canceled watch.
Rejection decode_reason(std::string_view reason);

std::string encode_base64(std::string_view bytes);
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace number_dispenser::etcd
