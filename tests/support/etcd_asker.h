// The etcd client with a thread that waits for its answers. One thread.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "number_dispenser/base/check.h"
#include "number_dispenser/etcd/http_client.h"

namespace number_dispenser::testing_support {

class EtcdAsker {
 public:
  explicit EtcdAsker(const EtcdSettings& settings) {
    auto made = etcd::HttpClient::create(settings, [this] { notify(); });
    ND_CHECK(made.has_value(), "{}", made.error().message);
    client_ = std::move(*made);
  }
  explicit EtcdAsker(std::vector<std::string> endpoints)
      : EtcdAsker(EtcdSettings{.endpoints = std::move(endpoints)}) {}

  etcd::HttpClient& client() { return *client_; }

  // Polls until it is so. False: it is not, for two minutes.
  bool until(const std::function<bool()>& so) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    while (!so()) {
      std::unique_lock lock(mutex_);
      if (!changed_.wait_until(lock, end, [&] { return std::exchange(notified_, false); }))
        return false;
      lock.unlock();
      client_->poll();
    }
    return true;
  }

  // What `ask`, which is given the callback, is answered.
  template <class T>
  etcd::Answer<T> wait_for(const std::function<void(etcd::Callback<T>)>& ask) {
    std::optional<etcd::Answer<T>> answer;
    ask([&](etcd::Answer<T> got) {
      EXPECT_FALSE(answer.has_value()) << "answered twice";
      answer = std::move(got);
    });
    ND_CHECK(until([&] { return answer.has_value(); }), "no answer");
    return std::move(*answer);
  }

  etcd::Answer<etcd::TxnResult> transact(etcd::Txn txn) {
    return wait_for<etcd::TxnResult>([&](etcd::Callback<etcd::TxnResult> callback) {
      client_->transact(std::move(txn), std::move(callback));
    });
  }
  etcd::Answer<etcd::TxnResult> transact(etcd::Op op) {
    return transact(etcd::Txn{.then = {std::move(op)}});
  }
  // Asked again while nobody answers it, for a machine with other work: what may be done twice.
  etcd::Answer<etcd::TxnResult> persist(const etcd::Txn& txn) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    for (;;) {
      etcd::Answer<etcd::TxnResult> answer = transact(txn);
      if (answer || answer.error().kind != etcd::Failure::Kind::kUnreachable ||
          std::chrono::steady_clock::now() > end)
        return answer;
    }
  }
  etcd::Answer<etcd::TxnResult> persist(etcd::Op op) {
    return persist(etcd::Txn{.then = {std::move(op)}});
  }
  // Until etcd is there to answer it: it starts, or elects.
  etcd::TxnResult insist(const etcd::Op& op) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    for (;;) {
      if (etcd::Answer<etcd::TxnResult> result = transact(op)) return std::move(*result);
      ND_CHECK(std::chrono::steady_clock::now() < end, "etcd does not come");
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
  // Empty: there is no such key.
  std::string value_of(const std::string& key) {
    const etcd::TxnResult result = insist(etcd::get(key));
    const auto& found = result.results.front().found;
    return found.empty() ? std::string() : found.front().value;
  }

  etcd::Answer<int64_t> grant_lease(int64_t ttl_s) {
    return wait_for<int64_t>([&](etcd::Callback<int64_t> callback) {
      client_->grant_lease(ttl_s, std::move(callback));
    });
  }
  etcd::Answer<int64_t> keep_alive(int64_t lease) {
    return wait_for<int64_t>(
        [&](etcd::Callback<int64_t> callback) { client_->keep_alive(lease, std::move(callback)); });
  }
  etcd::Answer<bool> revoke(int64_t lease) {
    return wait_for<bool>(
        [&](etcd::Callback<bool> callback) { client_->revoke(lease, std::move(callback)); });
  }

  // All that the watch has told since it began.
  struct Told {
    std::vector<etcd::Event> events;
    etcd::Revision revision = -1;
    size_t messages = 0;
    std::optional<etcd::Failure> end;
  };
  Told told;

  void watch(const std::string& prefix, etcd::Revision first) {
    told = {};
    client_->watch(prefix, etcd::after_prefix(prefix), first,
                   [this](etcd::Answer<etcd::Watched> watched) { take(std::move(watched)); });
  }
  // Until etcd has agreed to it, at the first try.
  bool watch_begins(const std::string& prefix, etcd::Revision first) {
    watch(prefix, first);
    return until([&] { return told.messages > 0 || told.end; }) && !told.end;
  }
  bool told_events(size_t count) {
    return until([&] { return told.events.size() >= count || told.end; }) && !told.end;
  }
  bool watch_ended() {
    return until([&] { return told.end.has_value(); });
  }

 private:
  void notify() {
    const std::scoped_lock lock(mutex_);
    notified_ = true;
    changed_.notify_one();
  }

  void take(etcd::Answer<etcd::Watched> watched) {
    EXPECT_FALSE(told.end) << "told after its end";
    if (!watched) {
      told.end = watched.error();
      return;
    }
    ++told.messages;
    for (etcd::Event& event : watched->events) {
      EXPECT_GT(event.kv.modified, told.revision) << "told to be all told";
      EXPECT_LE(event.kv.modified, watched->revision);
      told.events.push_back(std::move(event));
    }
    EXPECT_GE(watched->revision, told.revision);
    told.revision = watched->revision;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool notified_ = false;
  std::unique_ptr<etcd::HttpClient> client_;
};

}  // namespace number_dispenser::testing_support
