// The kernel's ring: what ring.h promises of every operation.
#include "number_dispenser/uring/uring_ring.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "number_dispenser/base/fd.h"
#include "temporary_directory.h"

namespace number_dispenser {
namespace {

using testing_support::TemporaryDirectory;

class Told final : public Operation {
 public:
  void on_completion(const Completion& completion) override {
    results.push_back(completion.result);
    received += completion.data;
    armed = completion.more;
  }
  std::vector<int> results;
  std::string received;
  bool armed = true;
};

constexpr uint64_t kTurnNs = 100'000'000;

class UringTest : public testing::Test {
 protected:
  void SetUp() override {
    auto made = UringRing::create();
    if (!made) GTEST_SKIP() << made.error().message;
    ring = std::move(*made);
    ASSERT_TRUE(ring->enable());
    std::array<int, 2> pair{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0);
    ours = Fd(pair[0]);
    theirs = Fd(pair[1]);
  }
  template <class Done>
  void run_until(Done done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!done() && std::chrono::steady_clock::now() < deadline) ring->run_once(kTurnNs);
    EXPECT_TRUE(done());
  }
  void write_theirs(std::string_view text) {
    ASSERT_EQ(::write(theirs.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

  std::unique_ptr<UringRing> ring;
  Fd ours, theirs;
};

TEST_F(UringTest, AReceiveStaysArmedUntilTheStreamEnds) {
  Told told;
  ring->receive_multishot(told, ours.get());
  write_theirs("one");
  run_until([&] { return told.received == "one"; });
  EXPECT_TRUE(told.armed);
  write_theirs("two");
  run_until([&] { return told.received == "onetwo"; });
  theirs.reset();
  run_until([&] { return !told.armed; });
  EXPECT_EQ(told.results.back(), 0);
}

TEST_F(UringTest, AReceiveOfOnceEndsWithItsFirstBytes) {
  Told told;
  ring->receive_once(told, ours.get());
  write_theirs(std::string(10'000, 'x'));
  run_until([&] { return !told.armed; });
  EXPECT_EQ(told.received.size(), 8192u) << "one buffer";
  EXPECT_EQ(told.results.size(), 1u);
}

TEST_F(UringTest, MoreThanAllBuffersArrivesWhereItIsArmedAgain) {
  // 256 buffers of 8 KiB; 4 MiB through a socket whose writer blocks.
  constexpr size_t kBytes = 4 << 20;
  std::jthread writer([&] {
    const std::string text(kBytes, 'x');
    for (size_t done = 0; done < kBytes;) {
      const ssize_t wrote = ::write(theirs.get(), text.data() + done, kBytes - done);
      if (wrote <= 0) return;
      done += static_cast<size_t>(wrote);
    }
  });
  Told told;
  ring->receive_multishot(told, ours.get());
  for (int turn = 0; turn < 10'000 && told.received.size() < kBytes; ++turn) {
    ring->run_once(kTurnNs);
    if (told.armed) continue;
    EXPECT_EQ(told.results.back(), -ENOBUFS);
    told.armed = true;
    ring->receive_multishot(told, ours.get());
  }
  EXPECT_EQ(told.received.size(), kBytes);
  ring->cancel(told);
  run_until([&] { return !told.armed; });
}

TEST_F(UringTest, ACancelledReceiveEndsOnce) {
  Told told;
  ring->receive_multishot(told, ours.get());
  ring->run_once(0);
  ring->cancel(told);
  run_until([&] { return !told.armed; });
  EXPECT_EQ(told.results, std::vector<int>{-ECANCELED});
}

TEST_F(UringTest, ASendToWhoHasGoneIsAnErrorAndNoSignal) {
  theirs.reset();
  Told told;
  ring->send(told, ours.get(), "x");
  run_until([&] { return !told.armed; });
  EXPECT_EQ(told.results, std::vector<int>{-EPIPE});
}

TEST_F(UringTest, SendsArriveWhole) {
  Told told;
  ring->send(told, ours.get(), "hello");
  run_until([&] { return !told.armed; });
  EXPECT_EQ(told.results, std::vector<int>{5});
  std::array<char, 16> text{};
  ASSERT_EQ(::read(theirs.get(), text.data(), text.size()), 5);
  EXPECT_STREQ(text.data(), "hello");
}

TEST_F(UringTest, WritesAndFlushesReachTheFile) {
  const TemporaryDirectory directory;
  const Fd file(::open((directory.path() + "/f").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  const std::string text = "abcdef";
  Told write, flush, read;
  ring->write(write, file.get(), std::as_bytes(std::span(text)), 4096);
  run_until([&] { return !write.armed; });
  EXPECT_EQ(write.results, std::vector<int>{6});
  ring->flush(flush, file.get());
  run_until([&] { return !flush.armed; });
  EXPECT_EQ(flush.results, std::vector<int>{0});
  ASSERT_EQ(::lseek(file.get(), 4096, SEEK_SET), 4096);
  std::array<char, 8> into{};
  ring->read(read, file.get(), into);
  run_until([&] { return !read.armed; });
  EXPECT_EQ(::lseek(file.get(), 0, SEEK_END), 4102);
}

TEST_F(UringTest, WhatCannotStartEndsWithAnError) {
  Told flush, receive;
  ring->flush(flush, -1);
  ring->receive_multishot(receive, -1);
  run_until([&] { return !flush.armed && !receive.armed; });
  EXPECT_EQ(flush.results, std::vector<int>{-EBADF});
  EXPECT_EQ(receive.results, std::vector<int>{-EBADF});
}

TEST_F(UringTest, MoreOperationsThanTheQueueHoldsAllEnd) {
  const Fd file(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  std::vector<Told> told(5000);
  for (Told& each : told) ring->write(each, file.get(), std::as_bytes(std::span("x", 1)), 0);
  run_until(
      [&] { return std::ranges::none_of(told, [](const Told& each) { return each.armed; }); });
  for (const Told& each : told) ASSERT_EQ(each.results, std::vector<int>{1});
}

TEST_F(UringTest, HasUnreadSeesWhatNoReceiveHasTaken) {
  EXPECT_FALSE(ring->has_unread(ours.get()));
  write_theirs("x");
  EXPECT_TRUE(ring->has_unread(ours.get()));
}

TEST_F(UringTest, AWakeReturnsFromAWait) {
  using Time = std::chrono::steady_clock;
  const auto began = Time::now();
  ring->wake(*ring);
  ring->run_once(30'000'000'000);
  std::jthread other([&] {
    auto theirs_ring = std::move(UringRing::create().value());
    ASSERT_TRUE(theirs_ring->enable());
    ring->wake(*theirs_ring);
    theirs_ring->run_once(0);
  });
  ring->run_once(30'000'000'000);
  EXPECT_LT(Time::now() - began, std::chrono::seconds(25));
}

}  // namespace
}  // namespace number_dispenser
