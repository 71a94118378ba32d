#include "sim_server.h"

#include <sys/socket.h>

#include <algorithm>

namespace number_dispenser::sim {
namespace {

// As in src/server/server.cc.
constexpr uint64_t kTickNs = 1000 * kNsPerMs;
constexpr uint64_t kDrainTickNs = 20 * kNsPerMs;
constexpr uint64_t kDrainNs = 5000 * kNsPerMs;
constexpr uint64_t kAbortNs = 2000 * kNsPerMs;
constexpr uint64_t kLeaveNs = 500 * kNsPerMs;

}  // namespace

Result<void> SimStorage::flush_now() {
  if (world_.death != Death::kNone) return fail(ExitStatus::kIoError, "died");
  const bool dies = countdown_ != 0 && --countdown_ == 0;
  const bool flushed = (dies && world_.rng.coin()) || disk_.flush_now();
  if (dies) {
    world_.death = death_;
    world_.trace("{} dies in a blocking flush", death_ == Death::kProcess ? "process" : "machine");
    return fail(ExitStatus::kIoError, "died");
  }
  if (!flushed) return fail(ExitStatus::kIoError, "flush failed");
  return {};
}

void SimStorage::start_flush(Operation& operation) {
  if (world_.death != Death::kNone) return;
  disk_.start_flush([this, &operation](int result) { ring_->post(operation, result); });
}

void SimStorage::start_growth(Operation& operation, uint64_t bytes) {
  if (world_.death != Death::kNone) return;
  disk_.start_growth(bytes, [this, &operation](int result) { ring_->post(operation, result); });
}

SimServer::SimServer(World& world, SimDisk& disk, SimLive& live, SimNet& net, unsigned loops)
    : world_(world),
      disk_(disk),
      live_(live),
      net_(net),
      storage_(world, disk),
      dying_(world, disk, live) {
  for (unsigned number = 0; number < loops; ++number)
    parts_.push_back(std::make_unique<Part>(world, net, number));
  storage_.attach(parts_.front()->ring);
  disk_.watch_pages();
}

SimServer::~SimServer() {
  cluster_.reset();
  etcd_client_.reset();
  // With the sessions, which leave the context.
  for (const auto& part : parts_) part->loop.reset();
  dying_.restore();
}

void SimServer::live_on() {
  storage_.die_in_flush(0, Death::kNone);
  die_in_store(0, Death::kNone);
  die_at_page(0, Death::kNone);
}

Result<void> SimServer::start(const TlsContext* tls, const SimMembership* membership) {
  auto state = StateFile::open(storage_, live_, world_.clock, "dispensers.state");
  if (!state) return std::unexpected(state.error());
  if (world_.death != Death::kNone) return fail(ExitStatus::kIoError, "died");
  state_ = std::move(*state);
  dying_.attach(*state_);
  registry_ = std::make_unique<Registry>(
      dying_, world_.clock,
      membership != nullptr ? Registry::Mode::kClustered : Registry::Mode::kAlone);
  keeper_ = std::make_unique<Keeper>(*registry_, *state_, storage_, world_.clock);
  ServerFacts facts;
  facts.threads = loops();
  facts.started_ns = world_.clock.monotonic_ns();
  context_.reset(new CommandContext{*registry_, world_.clock, std::move(facts), [] {}});
  context_->protected_mode.store(false);
  sessions_ = std::make_unique<ClientSessions>(*context_);
  make_loops(tls);
  if (membership != nullptr) join(*membership);
  context_->hang_up = [this](int fd) { net_.shutdown(fd, SHUT_RDWR); };
  net_.listen(true);
  listener_->start();
  parts_.front()->ring.submit();
  return {};
}

void SimServer::make_loops(const TlsContext* tls) {
  for (const auto& part : parts_) {
    part->view = registry_->make_view();
    part->loop =
        std::make_unique<Loop>(static_cast<unsigned>(loops_.size()), part->ring, *registry_,
                               *part->view, *keeper_, *sessions_, world_.clock);
    context_->loops.push_back({part->view.get(), &part->random, &part->loop->stats()});
    loops_.push_back(part->loop.get());
  }
  for (Loop* loop : loops_) loop->join(loops_, context_->limits);
  listener_ = std::make_unique<Listener>(ListenSocket{Fd(SimNet::kListener), {}, tls != nullptr},
                                         loops_, tls);
}

void SimServer::join(const SimMembership& membership) {
  Part& first = *parts_.front();
  etcd_client_ =
      membership.etcd.connect(membership.machine, [&first] { first.ring.wake(first.ring); });
  cluster_ = std::make_unique<Cluster>(
      membership.settings, *etcd_client_, *registry_, *first.view, *state_, storage_.place(),
      fmt::format("machine {}", membership.machine), world_.clock, first.random);
  context_->cluster = cluster_.get();
}

void SimServer::trace_cluster() {
  const ClusterStatus status = cluster_->status();
  std::string now =
      fmt::format("{}, epoch {}, dropped {}, leased {} in {} segments, failure '{}'", status.state,
                  status.epoch, status.ordinals_dropped, status.ordinals_leased,
                  status.segments_leased, status.last_failure);
  if (now == traced_) return;
  traced_ = std::move(now);
  world_.trace("cluster: {}", traced_);
}

// As Node::tick(), and what the server does about its end.
void SimServer::tick_cluster() {
  if (cluster_->tick()) {
    context_->news.fetch_add(1);
    parts_.front()->ring.wake(parts_.front()->ring);
  }
  if (world_.tracing) trace_cluster();
  if (cluster_->failure() && phase_ == Phase::kServe) {
    world_.trace("{}", cluster_->failure()->message);
    stop();
  }
  if (phase_ == Phase::kServe || !has_drained() || leave_until_ns_ != 0) return;
  leave_until_ns_ = world_.clock.monotonic_ns() + kLeaveNs;
  cluster_->leave();
}

bool SimServer::is_runnable(unsigned loop) const {
  const Part& part = *parts_[loop];
  return part.ring.has_ready() || world_.clock.monotonic_ns() >= part.deadline_ns;
}

uint64_t SimServer::deadline_ns() const {
  uint64_t first = ~uint64_t{0};
  for (const auto& part : parts_) first = std::min(first, part->deadline_ns);
  return first;
}

void SimServer::step(unsigned loop) {
  Part& part = *parts_[loop];
  if (phase_ != Phase::kServe && part.ending == Ending::kNo) begin_end(part);
  const uint64_t wait_ns = part.ending == Ending::kNo ? kTickNs : kDrainTickNs;
  part.loop->run_tick(wait_ns);
  if (loop == 0) {
    if (cluster_ && world_.death == Death::kNone) tick_cluster();
    listener_->tick();
    if (failed() && phase_ == Phase::kServe) {
      phase_ = Phase::kFail;
      for (Loop* other : loops_) other->ring().wake(loops_.front()->ring());
    }
  }
  if (part.ending != Ending::kNo) advance_end(part);
  part.deadline_ns = std::min(world_.clock.monotonic_ns() + wait_ns, part.loop->retry_ns());
  if (loop == 0)
    part.deadline_ns =
        std::min({part.deadline_ns, keeper_->deadline_ns(), listener_->deadline_ns()});
  if (loop == 0 && cluster_) part.deadline_ns = std::min(part.deadline_ns, cluster_->deadline_ns());
  if (world_.death == Death::kNone) part.ring.submit();
}

void SimServer::begin_end(Part& part) {
  if (part.loop->number() == 0) {
    listener_->stop();
    net_.listen(false);
  }
  if (phase_ == Phase::kFail) part.loop->fail_held(kIoErrorReply);
  part.loop->drain();
  part.abort_ns = world_.clock.monotonic_ns() + kDrainNs;
  part.ending = Ending::kDraining;
}

void SimServer::advance_end(Part& part) {
  const uint64_t now_ns = world_.clock.monotonic_ns();
  if (part.ending == Ending::kDone) return;
  if (part.loop->drained()) {
    part.ending = Ending::kDone;
  } else if (part.ending == Ending::kDraining) {
    if (failed()) part.loop->fail_held(kIoErrorReply);
    if (now_ns < part.abort_ns) return;
    part.loop->abort_all();
    part.ending = Ending::kAborting;
  } else if (now_ns >= part.abort_ns + kAbortNs) {
    part.ending = Ending::kDone;
  }
}

void SimServer::stop() {
  phase_ = failed() ? Phase::kFail : Phase::kDrain;
  context_->end_waits();
  world_.trace("the server is told to stop");
  // Every loop runs once more, as after change_phase().
  for (const auto& part : parts_) part->deadline_ns = 0;
}

bool SimServer::stopped() const {
  if (!has_drained()) return false;
  if (!cluster_ || world_.death != Death::kNone) return true;
  return leave_until_ns_ != 0 &&
         (cluster_->left() || world_.clock.monotonic_ns() >= leave_until_ns_);
}

bool SimServer::has_drained() const {
  const auto done = [](const auto& part) { return part->ending == Ending::kDone; };
  return std::ranges::all_of(parts_, done) && listener_->stopped() && (failed() || keeper_->idle());
}

Result<void> SimServer::close() {
  registry_->close();
  return state_->close();
}

}  // namespace number_dispenser::sim
