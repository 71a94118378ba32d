#include "node.h"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace number_dispenser {
namespace {

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return fmt::format("{} (process {})", name.data(), ::getpid());
}

}  // namespace

Result<std::unique_ptr<Node>> Node::create(const ClusterSettings& settings) {
  std::unique_ptr<Node> node(new Node(settings));
  node->notices_ = Fd(::eventfd(0, EFD_CLOEXEC));
  if (!node->notices_.valid()) return fail_errno(ExitStatus::kConfiguration, "eventfd", errno);
  auto client = etcd::HttpClient::create(settings.etcd, [fd = node->notices_.get()] {
    constexpr uint64_t kOne = 1;
    [[maybe_unused]] const ssize_t wrote = ::write(fd, &kOne, sizeof kOne);
  });
  if (!client) return std::unexpected(client.error());
  node->client_ = std::move(*client);
  return node;
}

void Node::join(Registry& registry, Registry::View& view, StateFile& state, const Storage& storage,
                const Clock& clock, const Keeper& keeper, CommandContext& context, Ring& ring) {
  cluster_ = std::make_unique<Cluster>(settings_, *client_, registry, view, state, storage.place(),
                                       host_name(), clock, random_);
  keeper_ = &keeper;
  context_ = &context;
  context.cluster = cluster_.get();
  ring_ = &ring;
  listen();
}

void Node::listen() {
  ring_->read(notice_read_, notices_.get(), {reinterpret_cast<char*>(&notice_), sizeof notice_});
}

// It has woken the loop; tick() does the rest.
void Node::on_notice(const Completion&) {
  listen();
}

void Node::tick() {
  const bool news = cluster_->tick();
  if (news) context_->news.fetch_add(1);
  // What it wants flushed is not left until the next thing happens; while a flush is in flight, its
  // end is that.
  if (news || keeper_->wants_tick()) ring_->wake(*ring_);
}

}  // namespace number_dispenser
