#include "watch_stream.h"

#include <algorithm>

namespace number_dispenser::etcd {

bool WatchStream::consume(std::string& received) {
  size_t begin = 0;
  for (size_t end = 0; !verdict_ && (end = received.find('\n', begin)) != std::string::npos;
       begin = end + 1)
    take_line(std::string_view(received).substr(begin, end - begin));
  received.erase(0, begin);
  return !verdict_;
}

void WatchStream::take_line(std::string_view line) {
  if (line.empty()) return;
  const std::optional<Json> json = parse_object(line);
  std::optional<WatchMessage> message = json ? decode_watch(*json) : std::nullopt;
  if (message) {
    take_message(std::move(*message));
    return;
  }
  const std::optional<Rejection> rejection = json ? decode_rejection(*json) : std::nullopt;
  verdict_ = rejection ? judge(*rejection) : judge_garbage();
}

void WatchStream::take_message(WatchMessage message) {
  if (message.compacted != 0) {
    verdict_ = Verdict{.fault = Verdict::Fault::kRequest,
                       .kind = Failure::Kind::kCompacted,
                       .text = "the revision to watch from has been compacted"};
  } else if (message.canceled) {
    verdict_ = judge(decode_reason(message.reason));
  } else if (message.created) {
    created_ = true;
    const Revision before_first = first_ > 0 ? first_ - 1 : message.header.revision;
    tell_(message.header.cluster_id, {.revision = before_first});
  } else {
    tell_events(std::move(message));
  }
}

// The header tells the store's revision, which may be past events that are still to come: where
// there are many, they come in several messages. So events count up to the last of them, and only a
// note of progress, which etcd sends to a watch that lags behind in nothing, by its header.
void WatchStream::tell_events(WatchMessage message) {
  const bool progress = message.events.empty();
  Watched watched{
      .revision = progress ? message.header.revision : message.events.back().kv.modified,
      .events = std::move(message.events)};
  if (watched.revision < first_) watched.revision = first_ - 1;
  std::erase_if(watched.events, [&](const Event& event) { return event.kv.modified < first_; });
  tell_(message.header.cluster_id, std::move(watched));
}

}  // namespace number_dispenser::etcd
