// Any bytes as a configuration file, as a command line (an argument a line) and as an address: each
// is either accepted with values in range, or refused with one printable line and a status of its
// own. No exception, no crash, no endless loop.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "number_dispenser/base/check.h"
#include "number_dispenser/base/fd.h"
#include "number_dispenser/config/config.h"

namespace number_dispenser {
namespace {

void check_error(const Error& error) {
  ND_CHECK(error.status == ExitStatus::kUsage || error.status == ExitStatus::kConfiguration,
           "status {}", static_cast<int>(error.status));
  const bool one_line =
      std::ranges::none_of(error.message, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  ND_CHECK(!error.message.empty() && one_line, "message '{}'", error.message);
}

void check_parsed(const std::vector<const char*>& arguments) {
  const auto parsed =
      parse_invocation(arguments, [](const std::string&) { return std::optional<std::string>(); });
  if (!parsed) return check_error(parsed.error());
  const Config& config = parsed->config;
  ND_CHECK(config.threads >= 1 && config.threads <= kMaxThreads, "threads {}", config.threads);
  ND_CHECK(!config.addresses.empty() && !config.data_dir.empty(), "empty values");
  for (const std::string& address : config.addresses)
    ND_CHECK(parse_address(address), "address '{}'", address);
}

void as_file(std::string_view bytes) {
  const Fd file(::memfd_create("config", 0));
  ND_CHECK(file.valid(), "memfd_create");
  ND_CHECK(::write(file.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()),
           "write");
  const std::string path = "/proc/self/fd/" + std::to_string(file.get());
  check_parsed({"number-dispenser", "--config", path.c_str()});
}

void as_command_line(std::string_view bytes) {
  // Another file than the fuzzer's own, such as a terminal, could block it.
  if (bytes.contains("config")) return;
  std::string text(bytes);
  std::ranges::replace(text, '\n', '\0');
  std::vector<const char*> arguments{"number-dispenser"};
  for (size_t at = 0; at < text.size(); at += std::string_view(text.c_str() + at).size() + 1)
    arguments.push_back(text.c_str() + at);
  check_parsed(arguments);
}

}  // namespace
}  // namespace number_dispenser

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace number_dispenser;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  as_file(bytes);
  as_command_line(bytes);
  if (const auto address = parse_address(bytes); !address) check_error(address.error());
  return 0;
}
