#include "session.h"

#include <fmt/format.h>

#include <algorithm>

#include "number_dispenser/base/check.h"

namespace number_dispenser::etcd {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// At once, each on a connection of its own.
constexpr size_t kMostRunning = 8;
// Until it is sent.
constexpr milliseconds kLongestWait{5'000};
constexpr milliseconds kLongestSleep{60'000};

}  // namespace

Session::Session(const Curl& curl, const EtcdSettings& settings, Deliver deliver)
    : curl_(curl), settings_(settings), deliver_(std::move(deliver)), multi_(curl.multi_init()) {
  ND_CHECK(multi_ != nullptr, "no memory");
  ND_CHECK(!settings_.endpoints.empty(), "nobody to ask");
}

Session::~Session() {
  for (auto& [handle, running] : running_) drop(std::move(running.transfer));
  if (watching_) drop(std::move(watching_->transfer));
  curl_.multi_cleanup(multi_);
}

void Session::ask(std::unique_ptr<Request> request) {
  waiting_.push_back(std::move(request));
}

void Session::turn() {
  int running = 0;
  curl_.multi_perform(multi_, &running);
  reap();
  give_up_waiting();
  give_up_silent_watch();
  start_waiting();
  start_watch();
}

void Session::wait() {
  Instant until = Clock::now() + kLongestSleep;
  if (!waiting_.empty()) until = std::min(until, waiting_.front()->asked + kLongestWait);
  if (watching_ && watching_->transfer && !watching_->stream->created())
    until = std::min(until, watching_->silent_until);
  const auto left = std::chrono::ceil<milliseconds>(until - Clock::now());
  const auto ms = static_cast<int>(std::max<int64_t>(left.count(), 0));
  curl_.multi_poll(multi_, nullptr, 0, ms, nullptr);
}

void Session::start_waiting() {
  if (waiting_.empty()) return;
  if (must_log_in()) {
    log_in();
    return;
  }
  while (!waiting_.empty() && running_.size() < kMostRunning) {
    std::unique_ptr<Request> request = std::move(waiting_.front());
    waiting_.pop_front();
    start(std::move(request), false);
  }
}

void Session::start(std::unique_ptr<Request> request, bool is_login) {
  request->attempts.endpoints.push_back(endpoint_);
  std::unique_ptr<Transfer> transfer =
      begin(request->call.path, request->call.body, kRequestTimeoutMs);
  CURL* const handle = transfer->handle();
  running_.emplace(handle, Running{std::move(request), std::move(transfer), here(), is_login});
}

std::unique_ptr<Transfer> Session::begin(const std::string& path, const std::string& body,
                                         long timeout_ms, std::function<bool()> on_received) {
  Transfer::Post post{.url = settings_.endpoints[endpoint_] + path,
                      .body = body,
                      .token = token_,
                      .timeout_ms = timeout_ms};
  auto transfer =
      std::make_unique<Transfer>(curl_, settings_, std::move(post), std::move(on_received));
  const CURLMcode added = curl_.multi_add_handle(multi_, transfer->handle());
  ND_CHECK(added == CURLM_OK, "curl_multi_add_handle: {}", static_cast<int>(added));
  ++figures_.requests;
  return transfer;
}

void Session::drop(std::unique_ptr<Transfer> transfer) {
  if (transfer) curl_.multi_remove_handle(multi_, transfer->handle());
}

void Session::give_up_waiting() {
  const Instant now = Clock::now();
  while (!waiting_.empty() && waiting_.front()->asked + kLongestWait <= now) {
    std::unique_ptr<Request> request = std::move(waiting_.front());
    waiting_.pop_front();
    request->fail({.text = "etcd does not answer, or not fast enough"});
    finish(std::move(request), false);
  }
}

void Session::reap() {
  int left = 0;
  while (const CURLMsg* const message = curl_.multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    if (auto node = running_.extract(message->easy_handle)) {
      end(std::move(node.mapped()), code);
    } else if (watching_ && watching_->transfer &&
               watching_->transfer->handle() == message->easy_handle) {
      end_watch_transfer(code);
    }
  }
}

void Session::end(Running running, CURLcode code) {
  Request& request = *running.request;
  const std::optional<Verdict> verdict = judge_end(request, *running.transfer, code);
  drop(std::move(running.transfer));
  if (verdict) {
    ++figures_.failures;
    const bool again = try_again(request.attempts, running.sent, *verdict);
    if (again && verdict->fault == Verdict::Fault::kMember) {
      start(std::move(running.request), running.is_login);
      return;
    }
    if (again) {
      waiting_.push_front(std::move(running.request));
      return;
    }
    request.fail(failure(*verdict, request.call.changes, request.attempts));
  }
  finish(std::move(running.request), running.is_login);
}

std::optional<Verdict> Session::judge_end(Request& request, const Transfer& transfer,
                                          CURLcode code) {
  if (code != CURLE_OK) return judge_transfer(code, transfer.unsent(), transfer.reason(code));
  const std::optional<Json> json = parse_object(transfer.received);
  if (transfer.status() != 200) return judge_status(transfer.status(), json);
  const std::optional<Header> header = json ? decode_header(*json) : std::nullopt;
  if (header && request.take(*json)) {
    request.answered_by = header->cluster_id;
    return std::nullopt;
  }
  // A stream begins well and says then what is wrong.
  if (const auto rejection = json ? decode_rejection(*json) : std::nullopt)
    return judge(*rejection);
  return judge_garbage();
}

void Session::finish(std::unique_ptr<Request> request, bool is_login) {
  if (is_login) {
    request->deliver();
    return;
  }
  const ClusterId cluster_id = request->answered_by;
  deliver_({.cluster_id = cluster_id, .request = std::move(request)});
}

bool Session::try_again(Attempts& attempts, Sent sent, const Verdict& verdict) {
  switch (verdict.fault) {
    case Verdict::Fault::kMember:
      if (sent.era == era_) move_on(verdict);
      return verdict.without_effect &&
             std::ranges::find(attempts.endpoints, endpoint_) == attempts.endpoints.end();
    case Verdict::Fault::kToken:
      if (sent.login == logins_) logged_in_ = false;
      return !settings_.user.empty() && !std::exchange(attempts.logged_in_anew, true);
    case Verdict::Fault::kRequest:
      break;
  }
  return false;
}

void Session::move_on(const Verdict& verdict) {
  ++era_;
  endpoint_ = (endpoint_ + 1) % settings_.endpoints.size();
  figures_.endpoint = endpoint_;
  if (watching_ && watching_->transfer) fail_watch(failure(verdict, false, watching_->attempts));
}

Failure Session::failure(const Verdict& verdict, bool changes, const Attempts& attempts) const {
  return {
      .kind = verdict.kind,
      .may_have_happened = changes && !verdict.without_effect,
      .text = fmt::format("{}: {}", settings_.endpoints[attempts.endpoints.back()], verdict.text)};
}

}  // namespace number_dispenser::etcd
