// The commands without a network: a registry over a store in memory, and clients whose replies are
// kept together with what holds them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fake_store.h"
#include "number_dispenser/command/client_session.h"
#include "seeded_random.h"

namespace number_dispenser::testing_support {

class FakeSink final : public ReplySink {
 public:
  Buffer& bytes() override { return bytes_; }
  void hold_until_past(const std::atomic<uint64_t>& bound, uint64_t ordinal) override {
    holds_.push_back({&bound, ordinal});
  }

  // Something keeps the replies so far from leaving.
  bool held() const {
    for (const auto& [bound, ordinal] : holds_)
      if (bound->load() <= ordinal) return true;
    return false;
  }
  // The replies so far, held or not.
  std::string take() {
    std::string text(bytes_.view());
    bytes_.consume(bytes_.size());
    holds_.clear();
    return text;
  }

 private:
  Buffer bytes_;
  std::vector<std::pair<const std::atomic<uint64_t>*, uint64_t>> holds_;
};

class CommandServer {
 public:
  // Descriptors that no file has.
  static constexpr int kNoFile = 1 << 28;

  class Client {
   public:
    explicit Client(CommandContext& context, int fd = kNoFile) : session(context, 0, fd) {}

    // Sends words as they are; the reply stays in the sink.
    Next send(const std::vector<std::string_view>& words) { return session.handle(words, sink); }
    // Sends a line of words, and takes the reply.
    std::string ask(std::string_view line) {
      send(split(line));
      return sink.take();
    }

    FakeSink sink;
    ClientSession session;

   private:
    static std::vector<std::string_view> split(std::string_view line) {
      std::vector<std::string_view> words;
      for (size_t at = 0; at < line.size();) {
        const size_t end = std::min(line.find(' ', at), line.size());
        if (end > at) words.push_back(line.substr(at, end - at));
        at = end + 1;
      }
      return words;
    }
  };

  explicit CommandServer(uint32_t slots = 64, Registry::Mode mode = Registry::Mode::kAlone)
      : store(slots), registry(store, clock, mode) {
    context.loops.push_back({view.get(), &random, &stats});
    context.hang_up = [this](int fd) { hung_up.push_back(fd); };
  }

  // Everything asked for so far becomes durable.
  void settle() {
    for (int ticks = 0; ticks < 4; ++ticks) {
      registry.adopt(*view);
      if (registry.begin_flush()) registry.end_flush();
      registry.announce(*view);
    }
  }
  // A client's request, answered once it is durable.
  std::string ask_and_settle(Client& client, std::string_view line) {
    std::string reply = client.ask(line);
    settle();
    return reply;
  }

  FakeStore store;
  ManualClock clock;
  SeededRandom random{1};
  LoopStats stats;
  Registry registry;
  std::unique_ptr<Registry::View> view = registry.make_view();
  CommandContext context{registry, clock, ServerFacts{}, [] {}};
  std::vector<int> hung_up;  // by CLIENT KILL
};

}  // namespace number_dispenser::testing_support
