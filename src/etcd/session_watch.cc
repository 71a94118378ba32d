#include <algorithm>

#include "session.h"

namespace number_dispenser::etcd {

void Session::watch(WatchOrder order) {
  end_watch();
  watching_.emplace(Watching{.order = std::move(order)});
}

void Session::end_watch() {
  if (watching_) drop(std::move(watching_->transfer));
  watching_.reset();
}

void Session::start_watch() {
  if (!watching_ || watching_->transfer) return;
  if (must_log_in()) {
    log_in();
    return;
  }
  Watching& watching = *watching_;
  const uint64_t number = watching.order.number;
  watching.stream = std::make_unique<WatchStream>(
      watching.order.first, [this, number](ClusterId cluster_id, Watched watched) {
        deliver_({.cluster_id = cluster_id, .watch = number, .watched = std::move(watched)});
      });
  watching.attempts.endpoints.push_back(endpoint_);
  watching.sent = here();
  watching.silent_until =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(kRequestTimeoutMs);
  const WatchOrder& order = watching.order;
  watching.transfer =
      begin("/v3/watch", encode_watch(order.key, order.end, order.first), 0,
            [this] { return watching_->stream->consume(watching_->transfer->received); });
}

void Session::give_up_silent_watch() {
  if (!watching_ || !watching_->transfer || watching_->stream->created() ||
      std::chrono::steady_clock::now() < watching_->silent_until)
    return;
  settle_watch({.text = "no answer to the watch"});
}

void Session::end_watch_transfer(CURLcode code) {
  Transfer& transfer = *watching_->transfer;
  WatchStream& stream = *watching_->stream;
  transfer.received += '\n';
  stream.consume(transfer.received);
  std::optional<Verdict> verdict = stream.verdict();
  if (!verdict && code != CURLE_OK)
    verdict = judge_transfer(code, transfer.unsent(), transfer.reason(code));
  settle_watch(verdict ? *verdict : Verdict{.text = "the watch has ended"});
}

void Session::settle_watch(const Verdict& verdict) {
  ++figures_.failures;
  Watching watching = std::move(*watching_);
  end_watch();
  drop(std::move(watching.transfer));
  const bool begun = watching.stream->created();
  if (try_again(watching.attempts, watching.sent, verdict) && !begun) {
    watching_ = std::move(watching);
    return;
  }
  deliver_({.watch = watching.order.number,
            .watched = std::unexpected(failure(verdict, false, watching.attempts))});
}

void Session::fail_watch(Failure failure) {
  const uint64_t number = watching_->order.number;
  end_watch();
  deliver_({.watch = number, .watched = std::unexpected(std::move(failure))});
}

}  // namespace number_dispenser::etcd
