#include "config_testing.h"

namespace number_dispenser {
namespace {

using config_testing::error_of;
using config_testing::parse;
using config_testing::TemporaryFile;
using config_testing::Variables;

using Words = std::vector<std::string>;

ClusterSettings cluster_of(const Words& arguments, const Variables& variables = {}) {
  const auto parsed = parse(arguments, variables);
  EXPECT_TRUE(parsed) << error_of(parsed);
  return parsed ? parsed->config.cluster : ClusterSettings{};
}

// With what makes a cluster complete in front.
std::string refusal(const Words& more) {
  Words words{"--cluster-endpoints=http://h:2379", "--node-id=a"};
  words.insert(words.end(), more.begin(), more.end());
  return error_of(parse(words));
}

TEST(ConfigCluster, WithoutEndpointsThereIsNone) {
  EXPECT_EQ(cluster_of({}), ClusterSettings{});
  EXPECT_FALSE(cluster_of({"--node-id=a", "--segment-minutes=5"}).enabled);
}

TEST(ConfigCluster, EndpointsSwitchItOn) {
  const ClusterSettings cluster =
      cluster_of({"--cluster-endpoints", "http://h1:2379,http://10.0.0.2:2379", "--node-id", "a",
                  "--cluster-endpoints=http://[::1]:2379"});
  EXPECT_TRUE(cluster.enabled);
  EXPECT_EQ(cluster.node_id, "a");
  EXPECT_EQ(cluster.etcd.endpoints,
            (Words{"http://h1:2379", "http://10.0.0.2:2379", "http://[::1]:2379"}));
  EXPECT_EQ(cluster.prefix, "/number-dispenser");
  EXPECT_EQ(cluster.segment_minutes, 10U);
}

TEST(ConfigCluster, EveryKeyOfTheFileIsTaken) {
  const TemporaryFile file(R"(cluster:
  enabled: true
  node_id: "node-1"
  endpoints: ["https://h1:2379", "https://h2:2379"]
  prefix: /shop/numbers
  user: numbers
  password: hunter2
  ca_file: /ca
  cert_file: /c
  key_file: /k
  segment_minutes: 30
)");
  const ClusterSettings expected{.enabled = true,
                                 .node_id = "node-1",
                                 .prefix = "/shop/numbers",
                                 .segment_minutes = 30,
                                 .etcd = {.endpoints = {"https://h1:2379", "https://h2:2379"},
                                          .user = "numbers",
                                          .password = "hunter2",
                                          .ca_file = "/ca",
                                          .cert_file = "/c",
                                          .key_file = "/k"}};
  EXPECT_EQ(cluster_of({"--config", file.path()}), expected);
  EXPECT_EQ(
      cluster_of({}, {{"NUMBER_DISPENSER_CLUSTER_ENDPOINTS", "https://h1:2379,https://h2:2379"},
                      {"NUMBER_DISPENSER_CLUSTER_NODE_ID", "node-1"},
                      {"NUMBER_DISPENSER_CLUSTER_PREFIX", "/shop/numbers"},
                      {"NUMBER_DISPENSER_CLUSTER_USER", "numbers"},
                      {"NUMBER_DISPENSER_CLUSTER_PASSWORD", "hunter2"},
                      {"NUMBER_DISPENSER_CLUSTER_CA_FILE", "/ca"},
                      {"NUMBER_DISPENSER_CLUSTER_CERT_FILE", "/c"},
                      {"NUMBER_DISPENSER_CLUSTER_KEY_FILE", "/k"},
                      {"NUMBER_DISPENSER_CLUSTER_SEGMENT_MINUTES", "30"}}),
      expected);
}

TEST(ConfigCluster, TheFileCanSwitchOffItsOwnEndpointsInAnyOrder) {
  for (const std::string_view text :
       {"cluster: {enabled: false, node_id: n, endpoints: ['http://h:1']}",
        "cluster: {endpoints: ['http://h:1'], node_id: n, enabled: no}",
        "cluster: {endpoints: ['http://h:1'], enabled: false}", "cluster: {enabled: false}"}) {
    const TemporaryFile file(text);
    EXPECT_FALSE(cluster_of({"--config", file.path()}).enabled) << text;
    EXPECT_FALSE(cluster_of({"--config", file.path(), "--node-id=b"}).enabled) << text;
  }
  const TemporaryFile silent("cluster: {node_id: n, endpoints: 'http://h:1'}");
  EXPECT_TRUE(cluster_of({"--config", silent.path()}).enabled);
}

TEST(ConfigCluster, EndpointsFromElsewhereSwitchItOnAllTheSame) {
  const TemporaryFile file("cluster: {enabled: false, node_id: n, endpoints: ['https://h:1']}");
  const Words expected{"http://other:2"};
  const ClusterSettings by_option =
      cluster_of({"--config", file.path(), "--cluster-endpoints=http://other:2"});
  EXPECT_TRUE(by_option.enabled);
  EXPECT_EQ(by_option.etcd.endpoints, expected);
  const ClusterSettings by_variable = cluster_of(
      {"--config", file.path()}, {{"NUMBER_DISPENSER_CLUSTER_ENDPOINTS", "http://other:2"}});
  EXPECT_TRUE(by_variable.enabled);
  EXPECT_EQ(by_variable.etcd.endpoints, expected);
}

TEST(ConfigCluster, EnabledNeedsEndpointsFromAnySource) {
  const TemporaryFile file("cluster: {enabled: true, node_id: n}");
  EXPECT_EQ(error_of(parse({"--config", file.path()})),
            "78: the cluster has no endpoints: give them with --cluster-endpoints or "
            "cluster.endpoints");
  EXPECT_TRUE(cluster_of({"--config", file.path(), "--cluster-endpoints=http://h:1"}).enabled);
}

TEST(ConfigCluster, ANodeNeedsAName) {
  EXPECT_EQ(error_of(parse({"--cluster-endpoints=http://h:1"})),
            "78: a node of a cluster needs a name: give it with --node-id or cluster.node_id");
}

TEST(ConfigCluster, EndpointsHaveOneForm) {
  for (const std::string wrong :
       {"", "h:2379", "ftp://h:2379", "http://h", "http://:2379", "http://h:0", "http://h:65536",
        "http://h:2379/", "http://h:2379/x", "http://user@h:2379", "http://tls:h:2379",
        "http://unix:/s", "http://::1:2379", "https:h:2379", "HTTP://h:2379", "http"})
    EXPECT_EQ(
        error_of(parse({"--node-id=a", "--cluster-endpoints=" + wrong})),
        "64: --cluster-endpoints: '" + wrong + "' is not http://HOST:PORT or https://HOST:PORT");
  EXPECT_EQ(error_of(parse({"--node-id=a", "--cluster-endpoints=http://h:1,"})),
            "64: --cluster-endpoints: '' is not http://HOST:PORT or https://HOST:PORT");
}

TEST(ConfigCluster, AnErrorInTheFileNamesItsLine) {
  const TemporaryFile file("cluster:\n  node_id: n\n  endpoints:\n  - http://h:1\n  - h:2\n");
  EXPECT_EQ(error_of(parse({"--config", file.path()})),
            "78: " + file.path() +
                ":5: cluster.endpoints: 'h:2' is not http://HOST:PORT or https://HOST:PORT");
}

TEST(ConfigCluster, EndpointsAreAllDifferentAndOfOneScheme) {
  EXPECT_EQ(error_of(parse({"--cluster-endpoints=http://h:1,http://h:1"})),
            "64: --cluster-endpoints: 'http://h:1' is there twice");
  EXPECT_EQ(error_of(parse({"--cluster-endpoints=http://h:1", "--cluster-endpoints=https://h:2"})),
            "64: --cluster-endpoints: 'http://h:1' and 'https://h:2': either all are http or all "
            "are https");
}

TEST(ConfigCluster, ANodesNameHasOnlyPlainCharacters) {
  EXPECT_EQ(cluster_of({"--node-id=A-z_0.9"}).node_id, "A-z_0.9");
  EXPECT_EQ(cluster_of({"--node-id", std::string(64, 'x')}).node_id, std::string(64, 'x'));
  for (const std::string wrong : {"", "a b", "a/b", "n\u00f6de", "a:b"})
    EXPECT_TRUE(error_of(parse({"--node-id=" + wrong}))
                    .ends_with("' is not a node's name: 1 to 64 of A-Z a-z 0-9 . _ -"))
        << wrong;
  EXPECT_FALSE(parse({"--node-id=" + std::string(65, 'x')}));
}

TEST(ConfigCluster, APrefixBeginsWithASlashAndDoesNotEndWithIt) {
  EXPECT_EQ(cluster_of({"--cluster-prefix=/a/b"}).prefix, "/a/b");
  for (const std::string wrong : {"", "/", "a", "/a/", "/a b", "/\u00e4", "/\x01"})
    EXPECT_TRUE(error_of(parse({"--cluster-prefix=" + wrong}))
                    .contains("is not a prefix of keys: it begins with / and does not end with it"))
        << wrong;
  EXPECT_FALSE(parse({"--cluster-prefix=/" + std::string(256, 'x')}));
}

TEST(ConfigCluster, SegmentsLastAMinuteToADay) {
  EXPECT_EQ(cluster_of({"--segment-minutes=1"}).segment_minutes, 1U);
  EXPECT_EQ(cluster_of({"--segment-minutes=1440"}).segment_minutes, 1440U);
  for (const std::string wrong : {"0", "1441", "-1", "ten"})
    EXPECT_EQ(error_of(parse({"--segment-minutes=" + wrong})),
              "64: --segment-minutes: '" + wrong + "' is not a number from 1 to 1440");
}

TEST(ConfigCluster, WhatGoesTogetherIsThereTogether) {
  const std::string pair =
      "78: a certificate for etcd and its key go together: give both --cluster-cert-file and "
      "--cluster-key-file";
  EXPECT_EQ(refusal({"--cluster-cert-file=/c"}), pair);
  EXPECT_EQ(refusal({"--cluster-key-file=/k"}), pair);
  EXPECT_EQ(refusal({"--cluster-password=hunter2"}),
            "78: there is a password for etcd and no user: give one with --cluster-user");
  EXPECT_EQ(refusal({"--cluster-user=u"}),
            "78: the user 'u' of etcd has no password: give it with cluster.password");
  EXPECT_EQ(refusal({"--cluster-user=u", "--cluster-password=hunter2"}), "");
}

TEST(ConfigCluster, TlsFilesNeedEndpointsWithTls) {
  const std::string fault = "78: there are TLS files for etcd, but its endpoints are not https";
  EXPECT_EQ(refusal({"--cluster-ca-file=/a"}), fault);
  EXPECT_EQ(refusal({"--cluster-cert-file=/c", "--cluster-key-file=/k"}), fault);
  EXPECT_TRUE(parse({"--cluster-endpoints=https://h:1", "--node-id=a", "--cluster-ca-file=/a",
                     "--cluster-cert-file=/c", "--cluster-key-file=/k"}));
}

TEST(ConfigCluster, WhatIsOffIsNotHeldTogether) {
  EXPECT_TRUE(parse({"--cluster-cert-file=/c", "--cluster-user=u"}));
}

TEST(ConfigCluster, CheckConfigShowsItWithoutThePassword) {
  const auto checked = parse({"--check-config", "--cluster-endpoints=http://h:1,http://h:2",
                              "--node-id=a", "--cluster-user=u"},
                             {{"NUMBER_DISPENSER_CLUSTER_PASSWORD", "hunter2"}});
  ASSERT_TRUE(checked) << error_of(checked);
  EXPECT_TRUE(checked->text.contains("cluster-endpoints                 http://h:1 http://h:2\n"));
  EXPECT_TRUE(checked->text.contains("cluster-password                  (set)\n"));
  EXPECT_FALSE(checked->text.contains("hunter2"));
}

TEST(ConfigCluster, CheckConfigSaysThatItIsSwitchedOff) {
  const TemporaryFile file("cluster: {enabled: false, endpoints: ['http://h:1']}");
  const auto checked = parse({"--check-config", "--config", file.path()});
  ASSERT_TRUE(checked) << error_of(checked);
  EXPECT_TRUE(checked->text.contains("http://h:1 (switched off by cluster.enabled)\n"));
}

}  // namespace
}  // namespace number_dispenser
