// An invariant that must hold, whatever the input. Always compiled in: a server that may be about
// to issue a number twice must stop rather than go on.
#pragma once

#include <fmt/format.h>

#include <string_view>

namespace number_dispenser {

// Writes where and what to standard error and aborts. Any thread.
[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               std::string_view seen);

}  // namespace number_dispenser

// ND_CHECK(condition, "format", arguments...): the arguments say what was seen.
#define ND_CHECK(condition, ...)                                                                  \
  do {                                                                                            \
    if (!(condition)) [[unlikely]]                                                                \
      ::number_dispenser::check_failed(__FILE__, __LINE__, #condition, fmt::format(__VA_ARGS__)); \
  } while (false)
