#include <fmt/format.h>

#include "session.h"

namespace number_dispenser::etcd {
namespace {

constexpr std::chrono::seconds kTurnedAwayFor{1};

std::optional<Answer<std::string>> take_token(const Json& answer) {
  std::optional<std::string> token = decode_login(answer);
  if (!token) return std::nullopt;
  return std::move(*token);
}

}  // namespace

void Session::log_in() {
  if (logging_in_) return;
  if (turned_away_ && std::chrono::steady_clock::now() < turned_away_until_) {
    refuse_waiting(*turned_away_);
    return;
  }
  logging_in_ = true;
  token_.clear();
  auto request = std::make_unique<TypedRequest<std::string>>(
      Call{"/v3/auth/authenticate", encode_login(settings_.user, settings_.password)}, take_token,
      [this](Answer<std::string> token) { on_login(std::move(token)); });
  request->attempts.logged_in_anew = true;
  start(std::move(request), true);
}

void Session::on_login(Answer<std::string> token) {
  logging_in_ = false;
  // etcd may be told of users before it is told to ask for them.
  const bool nobody_asks =
      !token && token.error().text.find("authentication is not enabled") != std::string::npos;
  if (token || nobody_asks) {
    token_ = token ? std::move(*token) : std::string();
    logged_in_ = true;
    ++logins_;
    turned_away_.reset();
    return;
  }
  Failure failure = std::move(token.error());
  if (failure.kind == Failure::Kind::kRefused) {
    failure.text =
        fmt::format("etcd does not let the user {} log in: {}", settings_.user, failure.text);
    turned_away_ = failure;
    turned_away_until_ = std::chrono::steady_clock::now() + kTurnedAwayFor;
  }
  refuse_waiting(failure);
}

void Session::refuse_waiting(const Failure& failure) {
  while (!waiting_.empty()) {
    std::unique_ptr<Request> request = std::move(waiting_.front());
    waiting_.pop_front();
    request->fail(failure);
    finish(std::move(request), false);
  }
  if (watching_ && !watching_->transfer) fail_watch(failure);
}

}  // namespace number_dispenser::etcd
