// Expected failures are values: what went wrong and what would be right, in one line, with the
// exit status that the process would end with if nobody can do better.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace number_dispenser {

// The numbers of sysexits.h that this program uses.
enum class ExitStatus : int {
  kOk = 0,
  kUsage = 64,          // the command line
  kIoError = 74,        // the state file
  kTemporary = 75,      // another server holds the data directory
  kNoPermission = 77,   // a file or a port that this user may not use
  kConfiguration = 78,  // the configuration file or the environment
};

struct Error {
  ExitStatus status = ExitStatus::kIoError;
  std::string message;
};

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(ExitStatus status, std::string message) {
  return std::unexpected(Error{status, std::move(message)});
}

// `what`: the reason of `errno_value`. EACCES, EPERM and EROFS end with kNoPermission, all else
// with `status`.
std::unexpected<Error> fail_errno(ExitStatus status, std::string_view what, int errno_value);

}  // namespace number_dispenser
