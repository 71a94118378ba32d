#include <openssl/evp.h>

#include <algorithm>

#include "json.h"

namespace number_dispenser::etcd {
namespace {

Json encode_compare(const Compare& compare) {
  const bool created = compare.what == Compare::What::kCreated;
  return {{"key", encode_base64(compare.key)},
          {"result", "EQUAL"},
          {"target", created ? "CREATE" : "MOD"},
          {created ? "create_revision" : "mod_revision", std::to_string(compare.revision)}};
}

Json encode_txn(const Txn& txn);

Json encode_range(const Op& op) {
  Json range = {{"key", encode_base64(op.key)}};
  if (op.kind == Op::Kind::kList) range["range_end"] = encode_base64(op.end);
  if (op.limit != 0) range["limit"] = std::to_string(op.limit);
  if (op.revision != 0) range["revision"] = std::to_string(op.revision);
  return range;
}

Json encode_op(const Op& op) {
  switch (op.kind) {
    case Op::Kind::kPut: {
      Json put = {{"key", encode_base64(op.key)}, {"value", encode_base64(op.value)}};
      if (op.lease != 0) put["lease"] = std::to_string(op.lease);
      return {{"request_put", std::move(put)}};
    }
    case Op::Kind::kGet:
    case Op::Kind::kList:
      return {{"request_range", encode_range(op)}};
    case Op::Kind::kDelete:
      return {{"request_delete_range", {{"key", encode_base64(op.key)}}}};
    case Op::Kind::kTxn:
      return {{"request_txn", encode_txn(op.txn.front())}};
  }
  return nullptr;
}

Json encode_ops(const std::vector<Op>& ops) {
  Json list = Json::array();
  for (const Op& op : ops) list.push_back(encode_op(op));
  return list;
}

Json encode_txn(const Txn& txn) {
  Json compares = Json::array();
  for (const Compare& compare : txn.compares) compares.push_back(encode_compare(compare));
  return {{"compare", std::move(compares)},
          {"success", encode_ops(txn.then)},
          {"failure", encode_ops(txn.otherwise)}};
}

// A user's name may hold bytes that are not UTF-8.
std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string encode(const Txn& txn) {
  return text_of(encode_txn(txn));
}

std::string encode_watch(std::string_view key, std::string_view end, Revision first) {
  Json create = {{"key", encode_base64(key)},
                 {"range_end", encode_base64(end)},
                 {"start_revision", std::to_string(first)},
                 {"progress_notify", true}};
  return text_of({{"create_request", std::move(create)}});
}

std::string encode_grant(int64_t ttl_s) {
  return text_of({{"TTL", std::to_string(ttl_s)}});
}

std::string encode_lease(int64_t lease) {
  return text_of({{"ID", std::to_string(lease)}});
}

std::string encode_login(std::string_view user, std::string_view password) {
  return text_of({{"name", user}, {"password", password}});
}

bool changes_something(const Txn& txn) {
  const auto changes = [](const Op& op) {
    return op.kind == Op::Kind::kPut || op.kind == Op::Kind::kDelete ||
           (op.kind == Op::Kind::kTxn && changes_something(op.txn.front()));
  };
  return std::ranges::any_of(txn.then, changes) || std::ranges::any_of(txn.otherwise, changes);
}

std::string encode_base64(std::string_view bytes) {
  // With room for the zero that it ends with.
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  ::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                    reinterpret_cast<const unsigned char*>(bytes.data()),
                    static_cast<int>(bytes.size()));
  text.pop_back();
  return text;
}

}  // namespace number_dispenser::etcd
