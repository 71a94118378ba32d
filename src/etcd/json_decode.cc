#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "json.h"

namespace number_dispenser::etcd {
namespace {

// Reads the fields of one object. A field that is not there has its default; one of another type
// makes the whole not good().
class Fields {
 public:
  explicit Fields(const Json& object) : object_(object), good_(object.is_object()) {}

  bool good() const { return good_; }

  const Json* find(const char* name) const {
    if (!object_.is_object()) return nullptr;
    const auto found = object_.find(name);
    return found != object_.end() && !found->is_null() ? &*found : nullptr;
  }
  // Null if it is not there, or not an object.
  const Json* object(const char* name) { return of_type(name, &Json::is_object); }
  const Json* array(const char* name) { return of_type(name, &Json::is_array); }

  bool truth(const char* name) {
    const Json* const field = of_type(name, &Json::is_boolean);
    return field != nullptr && field->get<bool>();
  }
  std::string text(const char* name) {
    const Json* const field = of_type(name, &Json::is_string);
    return field != nullptr ? field->get<std::string>() : std::string();
  }
  std::string bytes(const char* name) {
    std::optional<std::string> decoded = decode_base64(text(name));
    if (!decoded) good_ = false;
    return decoded ? std::move(*decoded) : std::string();
  }
  // Of 64 bits as a string, of 32 bits as a number.
  template <class Number = int64_t>
  Number number(const char* name) {
    const Json* const field = find(name);
    Number value = 0;
    if (field == nullptr) return value;
    if (field->is_number_integer()) return field->get<Number>();
    const std::string digits = text(name);
    const char* const end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, value);
    if (error != std::errc() || stop != end) good_ = false;
    return good_ ? value : 0;
  }

 private:
  const Json* of_type(const char* name, bool (Json::*is)() const noexcept) {
    const Json* const field = find(name);
    if (field == nullptr || (field->*is)()) return field;
    good_ = false;
    return nullptr;
  }

  const Json& object_;
  bool good_;
};

std::optional<KeyValue> decode_key_value(const Json& object) {
  Fields fields(object);
  KeyValue kv{.key = fields.bytes("key"),
              .value = fields.bytes("value"),
              .created = fields.number("create_revision"),
              .modified = fields.number("mod_revision")};
  if (!fields.good()) return std::nullopt;
  return kv;
}

std::optional<OpResult> decode_range(Fields& fields, const Op& asked) {
  OpResult result{.more = fields.truth("more")};
  if (const Json* const kvs = fields.array("kvs")) {
    for (const Json& object : *kvs) {
      std::optional<KeyValue> kv = decode_key_value(object);
      if (!kv) return std::nullopt;
      result.found.push_back(std::move(*kv));
    }
  }
  if (asked.kind == Op::Kind::kGet && result.found.size() > 1) return std::nullopt;
  return result;
}

std::optional<TxnResult> decode_txn_body(const Json& answer, const Txn& asked);

std::optional<OpResult> decode_op(const Json& answer, const Op& asked) {
  constexpr std::array kNames = {"response_put", "response_range", "response_range",
                                 "response_delete_range", "response_txn"};
  Fields outer(answer);
  const Json* const object = outer.object(kNames.at(static_cast<size_t>(asked.kind)));
  if (object == nullptr) return std::nullopt;
  Fields fields(*object);
  std::optional<OpResult> result = OpResult{};
  switch (asked.kind) {
    case Op::Kind::kPut:
      break;
    case Op::Kind::kGet:
    case Op::Kind::kList:
      result = decode_range(fields, asked);
      break;
    case Op::Kind::kDelete:
      result->deleted = fields.number("deleted");
      break;
    case Op::Kind::kTxn: {
      std::optional<TxnResult> inner = decode_txn_body(*object, asked.txn.front());
      if (!inner) return std::nullopt;
      result->txn.push_back(std::move(*inner));
      break;
    }
  }
  return fields.good() ? result : std::nullopt;
}

std::optional<TxnResult> decode_txn_body(const Json& answer, const Txn& asked) {
  Fields fields(answer);
  TxnResult result{.held = fields.truth("succeeded")};
  const Json* const responses = fields.array("responses");
  if (!fields.good()) return std::nullopt;
  const std::vector<Op>& ops = result.held ? asked.then : asked.otherwise;
  if ((responses != nullptr ? responses->size() : 0) != ops.size()) return std::nullopt;
  for (size_t i = 0; i < ops.size(); ++i) {
    std::optional<OpResult> each = decode_op((*responses)[i], ops[i]);
    if (!each) return std::nullopt;
    result.results.push_back(std::move(*each));
  }
  return result;
}

// Only etcd's outermost header tells the revision.
void give_revision(TxnResult& result, Revision revision) {
  result.revision = revision;
  for (OpResult& each : result.results)
    for (TxnResult& inner : each.txn) give_revision(inner, revision);
}

std::optional<Event> decode_event(const Json& object) {
  Fields fields(object);
  const std::string type = fields.text("type");
  const Json* const kv = fields.object("kv");
  if (kv == nullptr || !fields.good()) return std::nullopt;
  if (!type.empty() && type != "PUT" && type != "DELETE") return std::nullopt;
  std::optional<KeyValue> decoded = decode_key_value(*kv);
  if (!decoded || decoded->modified <= 0) return std::nullopt;
  return Event{.deleted = type == "DELETE", .kv = std::move(*decoded)};
}

// A stream's answers are wrapped. Null if it is not one.
const Json* unwrap(const Json& answer) {
  return Fields(answer).object("result");
}

}  // namespace

std::optional<Json> parse_object(std::string_view text) {
  Json parsed = Json::parse(text, nullptr, false);
  if (!parsed.is_object()) return std::nullopt;
  return parsed;
}

std::optional<Header> decode_header(const Json& answer) {
  const Json* const inside = unwrap(answer);
  const Json* const object = Fields(inside != nullptr ? *inside : answer).object("header");
  if (object == nullptr) return std::nullopt;
  Fields fields(*object);
  const Header header{.cluster_id = fields.number<uint64_t>("cluster_id"),
                      .revision = fields.number("revision")};
  if (!fields.good() || header.cluster_id == 0) return std::nullopt;
  return header;
}

std::optional<TxnResult> decode_txn(const Json& answer, const Txn& asked) {
  const std::optional<Header> header = decode_header(answer);
  std::optional<TxnResult> result = decode_txn_body(answer, asked);
  if (!header || !result) return std::nullopt;
  give_revision(*result, header->revision);
  return result;
}

std::optional<int64_t> decode_grant(const Json& answer) {
  Fields fields(answer);
  const int64_t lease = fields.number("ID");
  if (!fields.good() || lease <= 0) return std::nullopt;
  return lease;
}

std::optional<int64_t> decode_keep_alive(const Json& answer) {
  const Json* const result = unwrap(answer);
  if (result == nullptr) return std::nullopt;
  Fields fields(*result);
  const int64_t left_s = fields.number("TTL");
  if (!fields.good()) return std::nullopt;
  return std::max<int64_t>(left_s, 0);
}

std::optional<std::string> decode_login(const Json& answer) {
  std::string token = Fields(answer).text("token");
  const bool printable = std::ranges::all_of(token, [](char c) { return c > ' ' && c <= '~'; });
  if (token.empty() || !printable) return std::nullopt;
  return token;
}

std::optional<WatchMessage> decode_watch(const Json& answer) {
  const Json* const result = unwrap(answer);
  const std::optional<Header> header = decode_header(answer);
  if (result == nullptr || !header) return std::nullopt;
  Fields fields(*result);
  WatchMessage message{.header = *header,
                       .created = fields.truth("created"),
                       .canceled = fields.truth("canceled"),
                       .compacted = fields.number("compact_revision"),
                       .reason = fields.text("cancel_reason")};
  const Json* const events = fields.array("events");
  if (!fields.good()) return std::nullopt;
  if (events == nullptr) return message;
  for (const Json& object : *events) {
    std::optional<Event> event = decode_event(object);
    if (!event) return std::nullopt;
    message.events.push_back(std::move(*event));
  }
  return message;
}

std::optional<Rejection> decode_rejection(const Json& answer) {
  // gRPC's codes, but for 0, which is no error. A proxy has others, if any: HTTP's, or its own.
  constexpr int64_t kFirst = 1, kLast = 16;
  const Json* const error = Fields(answer).find("error");
  Fields fields(error != nullptr && error->is_object() ? *error : answer);
  const bool named = fields.find("grpc_code") != nullptr;
  const int64_t code = fields.number(named ? "grpc_code" : "code");
  std::string text = fields.text("message");
  if (!fields.good() || code < kFirst || code > kLast || text.empty()) return std::nullopt;
  return Rejection{.code = static_cast<int>(code), .text = std::move(text)};
}

Rejection decode_reason(std::string_view reason) {
  // As Go prints an error of gRPC's: "rpc error: code = NAME desc = TEXT".
  constexpr std::string_view kCode = "code = ", kText = " desc = ";
  constexpr std::array<std::pair<std::string_view, int>, 5> kCodes = {{
      {"InvalidArgument", 3},
      {"PermissionDenied", 7},
      {"OutOfRange", 11},
      {"Unavailable", 14},
      {"Unauthenticated", 16},
  }};
  Rejection rejection{.code = 0, .text = std::string(reason)};
  const size_t code = reason.find(kCode);
  const size_t text = reason.find(kText);
  if (code == std::string_view::npos || text == std::string_view::npos || text < code)
    return rejection;
  const std::string_view name = reason.substr(code + kCode.size(), text - code - kCode.size());
  for (const auto& [known, number] : kCodes)
    if (name == known) rejection.code = number;
  rejection.text = reason.substr(text + kText.size());
  return rejection;
}

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string bytes(text.size() / 4 * 3, '\0');
  const int length = ::EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                       reinterpret_cast<const unsigned char*>(text.data()),
                                       static_cast<int>(text.size()));
  // It counts what the text is padded with, and skips blanks around it, which nobody sends.
  if (length != static_cast<int>(bytes.size())) return std::nullopt;
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  bytes.resize(bytes.size() - padding);
  return bytes;
}

}  // namespace number_dispenser::etcd
