#include "number_dispenser/etcd/http_client.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <variant>

#include "curl.h"
#include "session.h"

namespace number_dispenser::etcd {
namespace {

struct EndWatch {};
// What goes to the client's thread.
using Order = std::variant<std::unique_ptr<Request>, WatchOrder, EndWatch>;

Result<void> check_file(std::string_view what, const std::string& path) {
  if (path.empty() || ::access(path.c_str(), R_OK) == 0) return {};
  return fail_errno(ExitStatus::kConfiguration, fmt::format("cannot read etcd's {} {}", what, path),
                    errno);
}

Result<void> check(const EtcdSettings& settings) {
  if (settings.endpoints.empty())
    return fail(ExitStatus::kConfiguration, "the cluster needs an endpoint of etcd");
  for (const std::string& endpoint : settings.endpoints)
    if (!endpoint.starts_with("http://") && !endpoint.starts_with("https://"))
      return fail(
          ExitStatus::kConfiguration,
          fmt::format(
              "{} is no endpoint of etcd: it is written http://HOST:PORT or https://HOST:PORT",
              endpoint));
  if (settings.cert_file.empty() != settings.key_file.empty())
    return fail(ExitStatus::kConfiguration,
                "for etcd, a client certificate and its key have to be given together");
  if (auto readable = check_file("CA file", settings.ca_file); !readable) return readable;
  if (auto readable = check_file("client certificate", settings.cert_file); !readable)
    return readable;
  return check_file("client key", settings.key_file);
}

// What the answers about leases come to.
std::optional<Answer<int64_t>> take_lease(const Json& answer) {
  const std::optional<int64_t> lease = decode_grant(answer);
  if (!lease) return std::nullopt;
  return *lease;
}

std::optional<Answer<int64_t>> take_seconds_left(const Json& answer) {
  const std::optional<int64_t> left_s = decode_keep_alive(answer);
  if (!left_s) return std::nullopt;
  if (*left_s > 0) return *left_s;
  return std::unexpected(Failure{.kind = Failure::Kind::kNotFound, .text = "the lease is gone"});
}

std::optional<Answer<bool>> take_revoked(const Json&) {
  return true;
}

class ThreadedClient final : public HttpClient {
 public:
  ThreadedClient(Curl curl, const EtcdSettings& settings, std::function<void()> notify)
      : curl_(curl),
        endpoints_(settings.endpoints),
        notify_(std::move(notify)),
        session_(curl_, settings, [this](Delivery delivery) { deliver(std::move(delivery)); }) {
    // Signals are the main thread's.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { run(); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  ~ThreadedClient() override {
    stopping_ = true;
    session_.wake();
    thread_.join();
  }

  void transact(Txn txn, Callback<TxnResult> callback) override {
    std::string body = encode(txn);
    const bool changes = changes_something(txn);
    const auto take = [asked =
                           std::move(txn)](const Json& answer) -> std::optional<Answer<TxnResult>> {
      std::optional<TxnResult> result = decode_txn(answer, asked);
      if (!result) return std::nullopt;
      return std::move(*result);
    };
    ask<TxnResult>("/v3/kv/txn", std::move(body), changes, take, std::move(callback));
  }

  void watch(std::string key, std::string end, Revision first,
             Callback<Watched> callback) override {
    on_watched_ = std::move(callback);
    order(WatchOrder{++watch_, std::move(key), std::move(end), first});
  }

  void end_watch() override {
    ++watch_;
    on_watched_ = nullptr;
    order(EndWatch{});
  }

  void grant_lease(int64_t ttl_s, Callback<int64_t> callback) override {
    ask<int64_t>("/v3/lease/grant", encode_grant(ttl_s), true, take_lease, std::move(callback));
  }

  void keep_alive(int64_t lease, Callback<int64_t> callback) override {
    ask<int64_t>("/v3/lease/keepalive", encode_lease(lease), true, take_seconds_left,
                 std::move(callback));
  }

  void revoke(int64_t lease, Callback<bool> callback) override {
    ask<bool>("/v3/lease/revoke", encode_lease(lease), true, take_revoked, std::move(callback));
  }

  ClusterId cluster_id() const override { return cluster_id_; }

  bool poll() override {
    std::vector<Delivery> arrived;
    {
      const std::scoped_lock lock(mutex_);
      arrived.swap(out_);
    }
    for (Delivery& delivery : arrived) run_callback(delivery);
    return !arrived.empty();
  }

  HttpStats stats() const override {
    const Session::Figures& figures = session_.figures();
    return {.requests = figures.requests,
            .failures = figures.failures,
            .endpoint = endpoints_[figures.endpoint]};
  }

 private:
  template <class T, class Take>
  void ask(const char* path, std::string body, bool changes, Take take, Callback<T> callback) {
    order(std::make_unique<TypedRequest<T>>(Call{path, std::move(body), changes}, std::move(take),
                                            std::move(callback)));
  }

  void order(Order order) {
    {
      const std::scoped_lock lock(mutex_);
      in_.push_back(std::move(order));
    }
    session_.wake();
  }

  void run_callback(Delivery& delivery) {
    if (delivery.cluster_id != 0) cluster_id_ = delivery.cluster_id;
    if (delivery.request) {
      delivery.request->deliver();
    } else if (delivery.watch == watch_ && on_watched_) {
      // It may watch anew, and so replace itself.
      const Callback<Watched> callback = on_watched_;
      callback(std::move(delivery.watched));
    }
  }

  // The client's thread.
  void run() {
    while (!stopping_) {
      take_orders();
      session_.turn();
      session_.wait();
    }
  }

  void take_orders() {
    std::vector<Order> orders;
    {
      const std::scoped_lock lock(mutex_);
      orders.swap(in_);
    }
    for (Order& order : orders) {
      if (auto* const request = std::get_if<std::unique_ptr<Request>>(&order)) {
        session_.ask(std::move(*request));
      } else if (auto* const watch = std::get_if<WatchOrder>(&order)) {
        session_.watch(std::move(*watch));
      } else {
        session_.end_watch();
      }
    }
  }

  void deliver(Delivery delivery) {
    bool first = false;
    {
      const std::scoped_lock lock(mutex_);
      first = out_.empty();
      out_.push_back(std::move(delivery));
    }
    if (first) notify_();
  }

  const Curl curl_;
  const std::vector<std::string> endpoints_;
  const std::function<void()> notify_;

  // Of the thread that polls.
  ClusterId cluster_id_ = 0;
  uint64_t watch_ = 0;
  Callback<Watched> on_watched_;

  std::mutex mutex_;
  std::vector<Order> in_;
  std::vector<Delivery> out_;

  std::atomic<bool> stopping_{false};
  Session session_;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<HttpClient>> HttpClient::create(const EtcdSettings& settings,
                                                       std::function<void()> notify) {
  if (auto good = check(settings); !good) return std::unexpected(good.error());
  Result<Curl> curl = load_curl();
  if (!curl) return std::unexpected(curl.error());
  return std::make_unique<ThreadedClient>(*curl, settings, std::move(notify));
}

}  // namespace number_dispenser::etcd
