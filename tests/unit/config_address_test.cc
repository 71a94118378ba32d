#include <gtest/gtest.h>

#include "number_dispenser/config/config.h"

namespace number_dispenser {
namespace {

using Kind = ListenAddress::Kind;

TEST(ConfigAddress, PortAloneMeansEveryInterface) {
  EXPECT_EQ(parse_address(":6380"), (ListenAddress{.kind = Kind::kTcp, .host = "", .port = 6380}));
}

TEST(ConfigAddress, HostsAreNamesOrNumericAddresses) {
  EXPECT_EQ(parse_address("127.0.0.1:6380"), (ListenAddress{.host = "127.0.0.1", .port = 6380}));
  EXPECT_EQ(parse_address("localhost:1"), (ListenAddress{.host = "localhost", .port = 1}));
  EXPECT_EQ(parse_address("db-1.example.org:65535"),
            (ListenAddress{.host = "db-1.example.org", .port = 65535}));
}

TEST(ConfigAddress, BracketsHoldAnIpv6Address) {
  EXPECT_EQ(parse_address("[::1]:6380"), (ListenAddress{.host = "::1", .port = 6380}));
  EXPECT_EQ(parse_address("[fe80::1%eth0]:6380"),
            (ListenAddress{.host = "fe80::1%eth0", .port = 6380}));
}

TEST(ConfigAddress, UnixPathsMayBeAsLongAsTheKernelTakes) {
  const std::string longest(107, 'p');
  EXPECT_EQ(parse_address("unix:/run/x.sock"),
            (ListenAddress{.kind = Kind::kUnix, .path = "/run/x.sock"}));
  EXPECT_EQ(parse_address("unix:" + longest),
            (ListenAddress{.kind = Kind::kUnix, .path = longest}));
  EXPECT_FALSE(parse_address("unix:" + longest + "p"));
}

TEST(ConfigAddress, TlsInFrontMeansThatClientsSpeakIt) {
  EXPECT_EQ(parse_address("tls:127.0.0.1:6390"),
            (ListenAddress{.host = "127.0.0.1", .port = 6390, .tls = true}));
  EXPECT_EQ(parse_address("tls::6390"), (ListenAddress{.host = "", .port = 6390, .tls = true}));
  EXPECT_EQ(parse_address("tls:[::1]:6390"),
            (ListenAddress{.host = "::1", .port = 6390, .tls = true}));
  // A host of that name.
  EXPECT_EQ(parse_address("tls:6390"), (ListenAddress{.host = "tls", .port = 6390}));
}

struct Refused {
  std::string text;
  std::string_view reason;
};

class ConfigAddressRefused : public testing::TestWithParam<Refused> {};

TEST_P(ConfigAddressRefused, NamesTheAddressAndTheReason) {
  const auto address = parse_address(GetParam().text);
  ASSERT_FALSE(address);
  EXPECT_EQ(address.error().status, ExitStatus::kUsage);
  EXPECT_TRUE(address.error().message.starts_with("'")) << address.error().message;
  EXPECT_TRUE(address.error().message.contains(GetParam().reason)) << address.error().message;
  EXPECT_FALSE(address.error().message.contains('\n'));
}

INSTANTIATE_TEST_SUITE_P(
    All, ConfigAddressRefused,
    testing::Values(
        Refused{"", "accepted are HOST:PORT"}, Refused{"6380", "accepted are HOST:PORT"},
        Refused{":", "1 to 65535"}, Refused{":0", "1 to 65535"}, Refused{":65536", "1 to 65535"},
        Refused{":-1", "1 to 65535"}, Refused{":+1", "1 to 65535"}, Refused{":80x", "1 to 65535"},
        Refused{": 80", "1 to 65535"}, Refused{"localhost:http", "1 to 65535"},
        Refused{"::1:6380", "in brackets"}, Refused{"[::1]", "in brackets"},
        Refused{"[::g]:1", "not an IPv6"}, Refused{"[]:1", "not an IPv6"},
        Refused{"[127.0.0.1]:1", "not an IPv6"}, Refused{"256.0.0.1:1", "neither a name"},
        Refused{"1.2.3:1", "neither a name"}, Refused{"*:6380", "neither a name"},
        Refused{"a b:1", "neither a name"}, Refused{"a\nb:1", "neither a name"},
        Refused{std::string(254, 'a') + ":1", "neither a name"}, Refused{"unix:", "needs a path"},
        Refused{std::string("unix:a\0b", 8), "zero byte"}));

}  // namespace
}  // namespace number_dispenser
