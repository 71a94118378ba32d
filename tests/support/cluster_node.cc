#include "cluster_node.h"

#include <utility>

#include "number_dispenser/base/check.h"
#include "state_bytes.h"

namespace number_dispenser::testing_support {

ClusterNode::ClusterNode(SimEtcd& etcd, const Clock& clock, std::string id, uint64_t seed)
    : machine(static_cast<unsigned>(seed)),
      etcd_(etcd),
      clock_(clock),
      random_(seed),
      storage_(std::make_unique<MemoryStorage>(small_file(random_))) {
  settings.enabled = true;
  settings.node_id = std::move(id);
  storage_->set_place(seed);
}

void ClusterNode::start(Registry::Mode mode) {
  ND_CHECK(!running(), "a process runs already");
  auto opened = StateFile::open(*storage_, live, clock_, "memory");
  ND_CHECK(opened.has_value(), "{}", opened.error().message);
  state_ = std::move(*opened);
  registry_ = std::make_unique<Registry>(*state_, clock_, mode);
  view_ = registry_->make_view();
  if (mode == Registry::Mode::kAlone) return;
  client_ = etcd_.connect(machine);
  cluster_ = std::make_unique<Cluster>(settings, *client_, *registry_, *view_, *state_,
                                       storage_->place(), settings.node_id, clock_, random_);
}

void ClusterNode::end() {
  cluster_.reset();
  client_.reset();
  view_.reset();
  registry_.reset();
  state_.reset();
  storage_->forget_operations();
}

void ClusterNode::kill() {
  end();
}

void ClusterNode::cut_power() {
  storage_->cut_power(random_);
  end();
  live.lose();
}

void ClusterNode::end_stop() {
  registry_->close();
  const auto closed = state_->close();
  ND_CHECK(closed.has_value(), "{}", closed.error().message);
  end();
}

void ClusterNode::tick() {
  registry_->adopt(*view_);
  // A definition needs two flushes.
  for (int flushes = 0; flushes < 3 && registry_->begin_flush(); ++flushes) {
    ND_CHECK(storage_->flush_now().has_value(), "a flush failed");
    registry_->end_flush();
  }
  tick_unflushed();
}

void ClusterNode::tick_unflushed() {
  registry_->announce(*view_);
  if (cluster_) cluster_->tick();
}

std::expected<uint64_t, Registry::Supply> ClusterNode::draw(std::string_view name, uint64_t count) {
  Cell* cell = view_->find(name);
  ND_CHECK(cell != nullptr, "no dispenser {}", name);
  for (;;) {
    if (const auto first = cell->draw(count)) {
      const uint64_t last = *first + count - 1;
      if (last >= cell->raise_at.load() || last >= cell->durable_bound.load())
        registry_->want_raise(*cell);
      return *first;
    }
    const auto refill = registry_->refill(*cell, count);
    if (refill.supply != Registry::Supply::kReady) return std::unexpected(refill.supply);
  }
}

bool ClusterNode::is_released(std::string_view name, uint64_t ordinal) {
  const Cell* cell = view_->find(name);
  return cell != nullptr && cell->durable_bound.load() > ordinal;
}

std::vector<std::byte> ClusterNode::copy() const {
  return {storage_->bytes().begin(), storage_->bytes().end()};
}

void ClusterNode::restore(std::span<const std::byte> bytes, uint64_t place) {
  ND_CHECK(!running(), "a process runs");
  storage_ = std::make_unique<MemoryStorage>(bytes);
  storage_->set_place(place);
}

}  // namespace number_dispenser::testing_support
