// What was asked of the client: goes to its thread, and comes back with the answer in it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "json.h"
#include "number_dispenser/etcd/client.h"

namespace number_dispenser::etcd {

using Instant = std::chrono::steady_clock::time_point;

// What has been tried to get an answer.
struct Attempts {
  std::vector<size_t> endpoints{};
  bool logged_in_anew = false;
};

struct Call {
  std::string path;  // of the URL
  std::string body;
  bool changes = false;  // something in etcd
};

class Request {
 public:
  explicit Request(Call what) : call(std::move(what)) {}
  virtual ~Request() = default;

  // The client's thread. False: not understood, then fail() follows.
  virtual bool take(const Json& answer) = 0;
  virtual void fail(Failure failure) = 0;
  // The thread that polls: calls back.
  virtual void deliver() = 0;

  const Call call;

  // The session's.
  Instant asked = std::chrono::steady_clock::now();
  Attempts attempts{};
  ClusterId answered_by = 0;
};

template <class T>
class TypedRequest final : public Request {
 public:
  // nullopt: not understood.
  using Decode = std::function<std::optional<Answer<T>>(const Json&)>;

  TypedRequest(Call what, Decode decode, Callback<T> callback)
      : Request(std::move(what)), decode_(std::move(decode)), callback_(std::move(callback)) {}

  bool take(const Json& answer) override {
    std::optional<Answer<T>> decoded = decode_(answer);
    if (!decoded) return false;
    answer_ = std::move(*decoded);
    return true;
  }
  void fail(Failure failure) override { answer_ = std::unexpected(std::move(failure)); }
  void deliver() override { callback_(std::move(answer_)); }

 private:
  Decode decode_;
  Callback<T> callback_;
  Answer<T> answer_ = std::unexpected(Failure{});
};

// To watch [key, end) from `first` on.
struct WatchOrder {
  uint64_t number = 0;  // tells this one from those before
  std::string key{};
  std::string end{};
  Revision first = 0;
};

// What the client's thread has for the one that polls: an answered request, or news of a watch.
struct Delivery {
  ClusterId cluster_id = 0;  // 0: etcd has not answered
  std::unique_ptr<Request> request{};
  uint64_t watch = 0;
  Answer<Watched> watched{};
};

}  // namespace number_dispenser::etcd
