#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>

#include "config/text.h"
#include "number_dispenser/config/config.h"

namespace number_dispenser {
namespace {

constexpr size_t kMaxPathBytes = sizeof(sockaddr_un::sun_path) - 1;
constexpr size_t kMaxHostBytes = 253;  // RFC 1035, as text

std::unexpected<Error> refuse(std::string_view text, std::string_view why) {
  return fail(ExitStatus::kUsage,
              fmt::format("{} is not an address to listen on: {}", quoted(text), why));
}

bool is_ipv6(std::string_view host) {
  in6_addr ignored{};
  // A link-local address may name its interface: fe80::1%eth0.
  const std::string address(host.substr(0, host.find('%')));
  return ::inet_pton(AF_INET6, address.c_str(), &ignored) == 1;
}

// A host name, or an IPv4 address if it looks like one.
bool is_name_or_ipv4(const std::string& host) {
  constexpr std::string_view kDigits = "0123456789.";
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
  if (host.find_first_not_of(kDigits) == std::string::npos) {
    in_addr ignored{};
    return ::inet_pton(AF_INET, host.c_str(), &ignored) == 1;
  }
  return host.size() <= kMaxHostBytes && std::ranges::all_of(host, [&](char c) {
           return kDigits.contains(c) || kLetters.contains(c);
         });
}

Result<ListenAddress> parse_unix(std::string_view text, std::string_view path) {
  if (path.empty()) return refuse(text, "unix: needs a path behind it");
  if (path.size() > kMaxPathBytes)
    return refuse(text, fmt::format("the path is longer than {} bytes", kMaxPathBytes));
  if (path.contains('\0')) return refuse(text, "the path has a zero byte");
  return ListenAddress{.kind = ListenAddress::Kind::kUnix, .path = std::string(path)};
}

}  // namespace

Result<ListenAddress> parse_address(std::string_view text) {
  constexpr std::string_view kUnix = "unix:";
  constexpr std::string_view kTls = "tls:";
  if (text.starts_with(kUnix)) return parse_unix(text, text.substr(kUnix.size()));
  const bool tls = text.starts_with(kTls) && text.rfind(':') >= kTls.size();
  const std::string_view rest = tls ? text.substr(kTls.size()) : text;

  const size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos)
    return refuse(text, "accepted are HOST:PORT, :PORT, [IPV6]:PORT, tls:HOST:PORT and unix:PATH");

  ListenAddress address{.host = std::string(rest.substr(0, colon)), .tls = tls};
  std::string& host = address.host;
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    if (!is_ipv6(host)) return refuse(text, "what is in brackets is not an IPv6 address");
  } else if (host.contains(':')) {
    return refuse(text, "an IPv6 address goes in brackets, as in [::1]:6380");
  } else if (!host.empty() && !is_name_or_ipv4(host)) {
    return refuse(text, "the host is neither a name nor an IPv4 address");
  }

  const std::string_view port = rest.substr(colon + 1);
  const char* const end = port.data() + port.size();
  const auto parsed = std::from_chars(port.data(), end, address.port);
  if (parsed.ec != std::errc{} || parsed.ptr != end || address.port == 0)
    return refuse(text, "the port must be a number from 1 to 65535");
  return address;
}

}  // namespace number_dispenser
