// All that goes on between this process and etcd: which member is asked, who we are there, the
// requests under way and the watch.
//
// One member (endpoint) is asked at a time. When it fails, the era of the next begins: what belongs
// to an era that is over cannot end the present one, and a watch of an era that is over ends.
//
// One thread, but for wake() and figures(). Only wait() waits.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>

#include "request.h"
#include "transfer.h"
#include "verdict.h"
#include "watch_stream.h"

namespace number_dispenser::etcd {

class Session {
 public:
  using Deliver = std::function<void(Delivery)>;
  struct Figures {
    std::atomic<uint64_t> requests{0};
    std::atomic<uint64_t> failures{0};
    std::atomic<size_t> endpoint{0};  // its index
  };

  Session(const Curl& curl, const EtcdSettings& settings, Deliver deliver);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void ask(std::unique_ptr<Request> request);
  // In place of the watch there was.
  void watch(WatchOrder order);
  void end_watch();

  // Does what can be done now.
  void turn();
  // Until there is something to do.
  void wait();
  // Ends wait(). Any thread.
  void wake() { curl_.multi_wakeup(multi_); }
  // Any thread.
  const Figures& figures() const { return figures_; }

 private:
  // Where and as whom something was sent.
  struct Sent {
    uint64_t era = 0;
    uint64_t login = 0;
  };
  struct Running {
    std::unique_ptr<Request> request;
    std::unique_ptr<Transfer> transfer;
    Sent sent;
    bool is_login = false;
  };
  struct Watching {
    WatchOrder order;
    std::unique_ptr<Transfer> transfer{};  // null: to be started
    std::unique_ptr<WatchStream> stream{};
    Sent sent{};
    Attempts attempts{};
    Instant silent_until{};  // etcd has to have agreed to it
  };

  // session.cc: requests, and where they go.
  void start_waiting();
  void start(std::unique_ptr<Request> request, bool is_login);
  void give_up_waiting();
  void reap();
  void end(Running running, CURLcode code);
  void finish(std::unique_ptr<Request> request, bool is_login);
  // What came of it; nullopt: an answer, which the request has taken.
  static std::optional<Verdict> judge_end(Request& request, const Transfer& transfer,
                                          CURLcode code);
  // After a failure: does what can be done about it. True: try again.
  bool try_again(Attempts& attempts, Sent sent, const Verdict& verdict);
  void move_on(const Verdict& verdict);
  std::unique_ptr<Transfer> begin(const std::string& path, const std::string& body, long timeout_ms,
                                  std::function<bool()> on_received = {});
  void drop(std::unique_ptr<Transfer> transfer);
  Sent here() const { return {era_, logins_}; }
  // The failure says where.
  Failure failure(const Verdict& verdict, bool changes, const Attempts& attempts) const;

  // session_login.cc: who we are.
  bool must_log_in() const { return !settings_.user.empty() && !logged_in_; }
  void log_in();
  void on_login(Answer<std::string> token);
  void refuse_waiting(const Failure& failure);

  // session_watch.cc: the watch.
  void start_watch();
  void end_watch_transfer(CURLcode code);
  void settle_watch(const Verdict& verdict);
  void fail_watch(Failure failure);
  void give_up_silent_watch();

  const Curl& curl_;
  const EtcdSettings settings_;
  const Deliver deliver_;
  CURLM* const multi_;
  Figures figures_;

  size_t endpoint_ = 0;
  uint64_t era_ = 0;
  std::deque<std::unique_ptr<Request>> waiting_;
  std::unordered_map<CURL*, Running> running_;

  std::string token_;
  uint64_t logins_ = 0;
  bool logged_in_ = false;
  bool logging_in_ = false;
  // What etcd said to our user and password holds for a while, as it takes etcd long to check one.
  std::optional<Failure> turned_away_;
  Instant turned_away_until_{};

  std::optional<Watching> watching_;
};

}  // namespace number_dispenser::etcd
