// How the cluster is configured. Endpoints switch it on; the file's key `enabled` can say otherwise
// of the file's own.
#include <algorithm>

#include "config/choice.h"
#include "config/option.h"

namespace number_dispenser {
namespace {

constexpr unsigned kMostMinutes = 1440;
constexpr size_t kMaxNodeIdBytes = 64;
constexpr size_t kMaxPrefixBytes = 256;

std::string_view scheme_of(std::string_view url) {
  return url.substr(0, url.find("://"));
}

bool is_endpoint(std::string_view url) {
  const std::string_view scheme = scheme_of(url);
  if ((scheme != "http" && scheme != "https") || scheme.size() == url.size()) return false;
  const auto address = parse_address(url.substr(scheme.size() + 3));
  return address && address->kind == ListenAddress::Kind::kTcp && !address->tls &&
         !address->host.empty();
}

Applied add_endpoint(std::vector<std::string>& endpoints, const std::string& url) {
  if (!is_endpoint(url))
    return std::unexpected(
        fmt::format("{} is not http://HOST:PORT or https://HOST:PORT", quoted(url)));
  if (std::ranges::find(endpoints, url) != endpoints.end())
    return std::unexpected(fmt::format("{} is there twice", quoted(url)));
  if (!endpoints.empty() && scheme_of(endpoints.front()) != scheme_of(url))
    return std::unexpected(fmt::format("{} and {}: either all are http or all are https",
                                       quoted(endpoints.front()), quoted(url)));
  endpoints.push_back(url);
  return {};
}

// One, or several with commas between them: an option is not always repeated.
Applied apply_endpoints(Config& config, const std::string& text, bool first) {
  std::vector<std::string>& endpoints = config.cluster.etcd.endpoints;
  if (first) endpoints.clear();
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    if (const Applied added = add_endpoint(endpoints, text.substr(begin, end - begin)); !added)
      return added;
    begin = end + 1;
  }
  config.cluster.enabled = true;
  return {};
}

Applied apply_node_id(Config& config, const std::string& text, bool) {
  const auto fits = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("._-").contains(c);
  };
  if (text.empty() || text.size() > kMaxNodeIdBytes || !std::ranges::all_of(text, fits))
    return std::unexpected(fmt::format("{} is not a node's name: 1 to {} of A-Z a-z 0-9 . _ -",
                                       quoted(text), kMaxNodeIdBytes));
  config.cluster.node_id = text;
  return {};
}

Applied apply_prefix(Config& config, const std::string& text, bool) {
  const auto printable_ascii = [](char c) { return c > ' ' && c <= '~'; };
  if (!text.starts_with('/') || text.ends_with('/') || text.size() > kMaxPrefixBytes ||
      !std::ranges::all_of(text, printable_ascii))
    return std::unexpected(fmt::format(
        "{} is not a prefix of keys: it begins with / and does not end with it, has no space, and "
        "is at most {} bytes long",
        quoted(text), kMaxPrefixBytes));
  config.cluster.prefix = text;
  return {};
}

template <std::string EtcdSettings::*Member>
Applied apply_path(Config& config, const std::string& text, bool) {
  return choose_path(text, config.cluster.etcd.*Member);
}

template <std::string EtcdSettings::*Member>
Applied apply_text(Config& config, const std::string& text, bool) {
  config.cluster.etcd.*Member = text;
  return {};
}

std::string or_none(const std::string& text) {
  return text.empty() ? "(none)" : printable(text);
}

template <std::string EtcdSettings::*Member>
std::string show_text(const Config& config) {
  return or_none(config.cluster.etcd.*Member);
}

std::string show_endpoints(const Config& config) {
  const ClusterSettings& cluster = config.cluster;
  if (cluster.etcd.endpoints.empty()) return "(none)";
  return fmt::format("{}{}", fmt::join(cluster.etcd.endpoints, " "),
                     cluster.enabled ? "" : " (switched off by cluster.enabled)");
}

const Option kClusterOptions[] = {
    {.name = "cluster-endpoints",
     .value_name = "URL[,URL...]",
     .variable = "NUMBER_DISPENSER_CLUSTER_ENDPOINTS",
     .key = "cluster.endpoints",
     .help = "Serve as a node of a cluster: etcd's members, each as http://HOST:PORT or "
             "https://HOST:PORT. Needs --node-id.",
     .is_list = true,
     .apply = apply_endpoints,
     .show = show_endpoints},
    {.name = "node-id",
     .value_name = "NAME",
     .variable = "NUMBER_DISPENSER_CLUSTER_NODE_ID",
     .key = "cluster.node_id",
     .help = "This node's name in the cluster, which no other node has: 1 to 64 of A-Z a-z 0-9 . "
             "_ -",
     .apply = apply_node_id,
     .show = [](const Config& c) { return or_none(c.cluster.node_id); }},
    {.name = "cluster-prefix",
     .value_name = "PREFIX",
     .variable = "NUMBER_DISPENSER_CLUSTER_PREFIX",
     .key = "cluster.prefix",
     .help = "What the cluster's keys in etcd begin with; all nodes of one cluster have the same.",
     .apply = apply_prefix,
     .show = [](const Config& c) { return c.cluster.prefix; }},
    {.name = "cluster-user",
     .value_name = "NAME",
     .variable = "NUMBER_DISPENSER_CLUSTER_USER",
     .key = "cluster.user",
     .help = "User of etcd, where it has users.",
     .apply = apply_text<&EtcdSettings::user>,
     .show = show_text<&EtcdSettings::user>},
    {.name = "cluster-password",
     .value_name = "PASSWORD",
     .variable = "NUMBER_DISPENSER_CLUSTER_PASSWORD",
     .key = "cluster.password",
     .help = "That user's password. Others on this machine can see a command line, so prefer the "
             "variable or the file.",
     .apply = apply_text<&EtcdSettings::password>,
     .show = [](const Config& c) -> std::string {
       return c.cluster.etcd.password.empty() ? "(none)" : "(set)";
     }},
    {.name = "cluster-ca-file",
     .value_name = "FILE",
     .variable = "NUMBER_DISPENSER_CLUSTER_CA_FILE",
     .key = "cluster.ca_file",
     .help = "Authorities that may have issued the certificates of etcd's members, PEM.",
     .apply = apply_path<&EtcdSettings::ca_file>,
     .show = show_text<&EtcdSettings::ca_file>,
     .default_text = "the system's"},
    {.name = "cluster-cert-file",
     .value_name = "FILE",
     .variable = "NUMBER_DISPENSER_CLUSTER_CERT_FILE",
     .key = "cluster.cert_file",
     .help = "Certificate to show to etcd, PEM.",
     .apply = apply_path<&EtcdSettings::cert_file>,
     .show = show_text<&EtcdSettings::cert_file>},
    {.name = "cluster-key-file",
     .value_name = "FILE",
     .variable = "NUMBER_DISPENSER_CLUSTER_KEY_FILE",
     .key = "cluster.key_file",
     .help = "That certificate's private key, PEM.",
     .apply = apply_path<&EtcdSettings::key_file>,
     .show = show_text<&EtcdSettings::key_file>},
    {.name = "segment-minutes",
     .value_name = "MINUTES",
     .variable = "NUMBER_DISPENSER_CLUSTER_SEGMENT_MINUTES",
     .key = "cluster.segment_minutes",
     .help = "How long the numbers that a node leases at a time are to last at its present use; 1 "
             "to 1440.",
     .apply = [](Config& c, const std::string& v,
                 bool) { return choose_number(v, 1U, kMostMinutes, c.cluster.segment_minutes); },
     .show = [](const Config& c) { return std::to_string(c.cluster.segment_minutes); }},
    {.key = kClusterEnabledKey,
     .apply = [](Config& c, const std::string& v,
                 bool) { return choose(kYesNo, v, c.cluster.enabled); }},
};

}  // namespace

std::span<const Option> cluster_options() {
  return kClusterOptions;
}

std::optional<std::string> fault_of(const ClusterSettings& cluster) {
  const EtcdSettings& etcd = cluster.etcd;
  if (!cluster.enabled) return std::nullopt;
  if (etcd.endpoints.empty())
    return "the cluster has no endpoints: give them with --cluster-endpoints or cluster.endpoints";
  if (cluster.node_id.empty())
    return "a node of a cluster needs a name: give it with --node-id or cluster.node_id";
  if (etcd.user.empty() && !etcd.password.empty())
    return "there is a password for etcd and no user: give one with --cluster-user";
  if (!etcd.user.empty() && etcd.password.empty())
    return fmt::format("the user {} of etcd has no password: give it with cluster.password",
                       quoted(etcd.user));
  if (etcd.cert_file.empty() != etcd.key_file.empty())
    return "a certificate for etcd and its key go together: give both --cluster-cert-file and "
           "--cluster-key-file";
  if (scheme_of(etcd.endpoints.front()) != "https" &&
      !(etcd.ca_file.empty() && etcd.cert_file.empty()))
    return "there are TLS files for etcd, but its endpoints are not https";
  return std::nullopt;
}

}  // namespace number_dispenser
