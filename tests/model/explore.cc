// The depth-first search.
#include "explore.h"

#include <chrono>

namespace number_dispenser::model {
namespace {

using Clock = std::chrono::steady_clock;

class Explorer {
 public:
  Explorer(const Scenario& scenario, double seconds, size_t limit)
      : scenario_(scenario), seconds_(seconds), limit_(limit) {}

  Result run() {
    const auto started = Clock::now();
    const auto elapsed = [&] {
      return std::chrono::duration<double>(Clock::now() - started).count();
    };
    set_up(scenario_);
    push();
    while (depth_ > 0) {
      Frame& frame = frames_[depth_ - 1];
      if (frame.next == frame.ops.size()) {
        pop();
        continue;
      }
      if (frame.next > 0) restore(frame.before);
      const Op op = frame.ops[frame.next++];
      path_.push_back(op);
      apply(op);
      ++result_.transitions;
      if (!violation.empty()) {
        result_.violation = std::exchange(violation, "");
        result_.path = path_;
        break;
      }
      if (result_.transitions % 4096 == 0 && elapsed() > seconds_) {
        result_.complete = false;
        break;
      }
      if (path_.size() < limit_ && is_new())
        push();
      else
        path_.pop_back();
    }
    result_.seconds = elapsed();
    return std::move(result_);
  }

 private:
  struct Frame {
    Snapshot before;
    std::vector<Op> ops;
    size_t next = 0;
  };

  void push() {
    if (frames_.size() == depth_) frames_.emplace_back();
    Frame& frame = frames_[depth_++];
    frame.ops = enabled(scenario_);
    frame.next = 0;
    if (frame.ops.size() > 1) save(frame.before);
    ++result_.states;
    result_.depth = std::max(result_.depth, path_.size());
  }

  void pop() {
    --depth_;
    if (!path_.empty()) path_.pop_back();
  }

  // With a limit, a state that was first seen deeper down has more in front of it now.
  bool is_new() {
    const uint64_t key = state_key();
    if (limit_ == SIZE_MAX) return seen_.insert(key).second;
    const auto [found, fresh] = depths_.try_emplace(key, path_.size());
    if (!fresh && found->second <= path_.size()) return false;
    found->second = path_.size();
    return true;
  }

  const Scenario& scenario_;
  const double seconds_;
  const size_t limit_;
  std::vector<Frame> frames_;  // the first depth_ are in use
  size_t depth_ = 0;
  std::vector<Op> path_;
  absl::flat_hash_set<uint64_t> seen_;
  absl::flat_hash_map<uint64_t, size_t> depths_;
  Result result_;
};

}  // namespace

Result explore(const Scenario& scenario, double seconds) {
  return Explorer(scenario, seconds, SIZE_MAX).run();
}

Result shortest(const Scenario& scenario, const Result& known, double seconds) {
  for (size_t limit = 1; limit < known.path.size(); ++limit) {
    Result found = Explorer(scenario, seconds, limit).run();
    if (!found.violation.empty()) return found;
    seconds -= found.seconds;
    if (!found.complete || seconds <= 0) break;
  }
  return known;
}

void print_trace(const Scenario& scenario, const Result& result) {
  set_up(scenario);
  size_t number = 0;
  for (const Op& op : result.path) {
    fmt::print("  {:3} {}\n", ++number, describe(op));
    apply(op);
  }
  violation.clear();
  fmt::print("  => {}\n", result.violation);
}

}  // namespace number_dispenser::model
