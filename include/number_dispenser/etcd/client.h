// etcd (v3.4 or later) as the cluster needs it: transactions, one watch, one lease. An interface,
// so that the simulator can be etcd too; HttpClient is the real one.
//
// Nothing here blocks. What was asked is answered by a callback, which poll() runs on the thread
// that calls it; one thread asks and polls. A callback may ask again. Every request is answered
// exactly once, unless the client is destroyed first.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace number_dispenser::etcd {

using Revision = int64_t;

struct KeyValue {
  std::string key;
  std::string value;
  Revision created = 0;   // create_revision
  Revision modified = 0;  // mod_revision
};

// Holds when the key's revision equals `revision`; 0 of kCreated: there is no such key.
struct Compare {
  enum class What : uint8_t { kCreated, kModified };
  std::string key;
  What what = What::kCreated;
  Revision revision = 0;
};

struct Txn;

struct Op {
  enum class Kind : uint8_t { kPut, kGet, kList, kDelete, kTxn };
  Kind kind = Kind::kGet;
  std::string key;        // of kList: the first key
  std::string end{};      // kList: one past the last key (see after_prefix)
  std::string value{};    // kPut
  int64_t lease = 0;      // kPut; 0: none
  int64_t limit = 0;      // kList; 0: none
  Revision revision = 0;  // kGet, kList: as it was then; 0: now
  std::vector<Txn> txn;   // kTxn: exactly one, with its own comparisons
};

// All of `then` if every comparison holds, else all of `otherwise`; at once, and at one revision.
// etcd takes at most kMostOps in each list.
struct Txn {
  std::vector<Compare> compares{};
  std::vector<Op> then{};
  std::vector<Op> otherwise{};
};
inline constexpr size_t kMostOps = 128;

struct TxnResult;

struct OpResult {
  std::vector<KeyValue> found{};  // kGet (none or one), kList
  bool more = false;              // kList: `limit` has cut it
  int64_t deleted = 0;            // kDelete
  std::vector<TxnResult> txn;     // kTxn: exactly one
};

struct TxnResult {
  Revision revision = 0;  // of the store, after it
  bool held = false;      // the comparisons did
  std::vector<OpResult> results{};
};

struct Failure {
  enum class Kind : uint8_t {
    kUnreachable,  // no member answered in time; a transaction may have been made all the same
    kRefused,      // etcd said no, in `text`: rights, space, a request that is too large
    kCompacted,    // the revision asked for is no longer kept
    kNotFound,     // the lease is gone
  };
  Kind kind = Kind::kUnreachable;
  bool may_have_happened = false;  // of what was to be changed
  std::string text{};              // one line, for people
};

template <class T>
using Answer = std::expected<T, Failure>;
template <class T>
using Callback = std::function<void(Answer<T>)>;

struct Event {
  bool deleted = false;
  KeyValue kv;  // of a deletion only key and modified
};

// Everything up to `revision` has been told. An empty one only says that the watch is alive.
struct Watched {
  Revision revision = 0;
  std::vector<Event> events{};
};

// What identifies the etcd cluster that answers; 0 before any has.
using ClusterId = uint64_t;

class Client {
 public:
  virtual ~Client() = default;

  virtual void transact(Txn txn, Callback<TxnResult> callback) = 0;

  // Everything that happens to keys in [key, end) from `first` on, in order. Replaces the watch
  // there was, of which nothing more is heard. Ends with a failure, once; kCompacted: `first` is
  // too old.
  virtual void watch(std::string key, std::string end, Revision first,
                     Callback<Watched> callback) = 0;
  virtual void end_watch() = 0;

  // A lease (for a key that is to vanish with this node) of `ttl_s` seconds: its id.
  virtual void grant_lease(int64_t ttl_s, Callback<int64_t> callback) = 0;
  // The seconds it has left.
  virtual void keep_alive(int64_t lease, Callback<int64_t> callback) = 0;
  virtual void revoke(int64_t lease, Callback<bool> callback) = 0;

  // Of the latest answer.
  virtual ClusterId cluster_id() const = 0;

  // Runs the callbacks of what has been answered. True if there was any.
  virtual bool poll() = 0;
};

// The end of the range of all keys that begin with `prefix`, which does not end in byte 255.
inline std::string after_prefix(std::string prefix) {
  ++prefix.back();
  return prefix;
}

inline Op put(std::string key, std::string value, int64_t lease = 0) {
  return {.kind = Op::Kind::kPut, .key = std::move(key), .value = std::move(value), .lease = lease};
}
inline Op get(std::string key, Revision revision = 0) {
  return {.kind = Op::Kind::kGet, .key = std::move(key), .revision = revision};
}
inline Op erase(std::string key) {
  return {.kind = Op::Kind::kDelete, .key = std::move(key)};
}
inline Op within(Txn txn) {
  return {.kind = Op::Kind::kTxn, .txn = {std::move(txn)}};
}

}  // namespace number_dispenser::etcd
