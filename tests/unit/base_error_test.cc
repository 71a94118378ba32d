#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "number_dispenser/base/check.h"
#include "number_dispenser/base/clock.h"
#include "number_dispenser/base/crc32c.h"
#include "number_dispenser/base/error.h"
#include "number_dispenser/base/fd.h"
#include "number_dispenser/base/log.h"

namespace number_dispenser {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// RFC 3720, appendix B.4, and the check value of the CRC catalogues.
TEST(Crc32c, MatchesThePublishedValues) {
  EXPECT_EQ(crc32c(bytes_of("123456789")), 0xe3069283U);
  EXPECT_EQ(crc32c(bytes_of(std::string(32, '\0'))), 0x8a9136aaU);
  EXPECT_EQ(crc32c(bytes_of(std::string(32, '\xff'))), 0x62a8ab43U);
  EXPECT_EQ(crc32c({}), 0U);
}

TEST(FailErrno, RightsEndWithNoPermissionAndAllElseAsGiven) {
  for (const int error : {EACCES, EPERM, EROFS})
    EXPECT_EQ(fail_errno(ExitStatus::kIoError, "x", error).error().status,
              ExitStatus::kNoPermission);
  const Error full = fail_errno(ExitStatus::kIoError, "cannot write y", ENOSPC).error();
  EXPECT_EQ(full.status, ExitStatus::kIoError);
  EXPECT_EQ(full.message, "cannot write y: No space left on device");
}

TEST(Check, ABrokenInvariantAbortsWithWhatItSaw) {
  const int seen = 7;
  ND_CHECK(seen == 7, "never shown");
  EXPECT_DEATH(ND_CHECK(seen == 8, "seen {}", seen), "broken invariant at .*seen == 8: seen 7");
}

bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) != -1;
}

TEST(Fd, ClosesOnceAndMoves) {
  int number = -1;
  {
    Fd first(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    number = first.get();
    Fd second(std::move(first));
    EXPECT_FALSE(first.valid());
    EXPECT_TRUE(is_open(number));
    Fd third(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const int replaced = third.get();
    third = std::move(second);
    EXPECT_FALSE(is_open(replaced));
    EXPECT_EQ(third.get(), number);
  }
  EXPECT_FALSE(is_open(number));
}

TEST(SystemClock, DoesNotGoBack) {
  const SystemClock clock;
  const uint64_t first = clock.monotonic_ns();
  EXPECT_GE(clock.monotonic_ns(), first);
  EXPECT_GT(clock.unix_us(), 1'700'000'000'000'000);
}

class Log : public testing::Test {
 protected:
  ~Log() override {
    set_log_format(LogFormat::kText);
    set_log_level(LogLevel::kInfo);
  }
  template <class Write>
  std::string logged(Write write) {
    testing::internal::CaptureStderr();
    write();
    return testing::internal::GetCapturedStderr();
  }
};

TEST_F(Log, JournalLinesCarryAPriority) {
  set_log_format(LogFormat::kJournal);
  set_log_level(LogLevel::kDebug);
  EXPECT_EQ(logged([] {
              log_debug("a");
              log_info("b {}", 1);
              log_warn("c");
              log_error("d");
            }),
            "<7>a\n<6>b 1\n<4>c\n<3>d\n");
}

TEST_F(Log, JsonMessagesAreEscaped) {
  set_log_format(LogFormat::kJson);
  const std::string line = logged([] { log_info("a \"b\" \\ \n\x01"); });
  EXPECT_NE(line.find(R"("level":"info","message":"a \"b\" \\ \u000a\u0001"})"), std::string::npos)
      << line;
  EXPECT_EQ(line.back(), '\n');
  EXPECT_EQ(line.find('\n'), line.size() - 1);
}

TEST_F(Log, LinesBelowTheLevelAreLeftOut) {
  set_log_level(LogLevel::kWarn);
  EXPECT_EQ(logged([] {
              log_debug("a");
              log_info("b");
            }),
            "");
  EXPECT_NE(logged([] { log_warn("c"); }).find("c\n"), std::string::npos);
}

}  // namespace
}  // namespace number_dispenser
