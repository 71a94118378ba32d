// The answer to a watch as it comes in: one line of JSON a message, without an end.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "request.h"
#include "verdict.h"

namespace number_dispenser::etcd {

// One thread.
class WatchStream {
 public:
  using Tell = std::function<void(ClusterId, Watched)>;

  WatchStream(Revision first, Tell tell) : first_(first), tell_(std::move(tell)) {}

  // Takes the whole lines off `received`. False: it is over, and verdict() says why.
  bool consume(std::string& received);

  // etcd has agreed to watch.
  bool created() const { return created_; }
  const std::optional<Verdict>& verdict() const { return verdict_; }

 private:
  void take_line(std::string_view line);
  void take_message(WatchMessage message);
  void tell_events(WatchMessage message);

  const Revision first_;
  const Tell tell_;
  bool created_ = false;
  std::optional<Verdict> verdict_;
};

}  // namespace number_dispenser::etcd
