#include "server.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>

#include "memory_limit.h"
#include "number_dispenser/base/log.h"

namespace number_dispenser {
namespace {

constexpr uint64_t kNsPerMs = 1'000'000;
constexpr uint64_t kTickNs = 1000 * kNsPerMs;
constexpr uint64_t kDrainTickNs = 20 * kNsPerMs;
constexpr uint64_t kSpareFiles = 64;  // descriptors that are not clients

// Every connection is a descriptor: take what the system allows. Returns how many clients fit.
uint64_t raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur > kSpareFiles ? limit.rlim_cur - kSpareFiles : limit.rlim_cur;
}

// A store into the mapped state file for which the file system has no block, or that lies past an
// end that somebody else has moved. Nothing can be saved: what is durable is durable.
void on_sigbus(int) {
  constexpr std::string_view kMessage =
      "number-dispenser: SIGBUS: the state file was truncated, or its file system is full or "
      "failing; stopped. Check the disk, then start again.\n";
  [[maybe_unused]] const ssize_t wrote = ::write(STDERR_FILENO, kMessage.data(), kMessage.size());
  ::_exit(static_cast<int>(ExitStatus::kIoError));
}

std::string new_run_id(RandomSource& random) {
  std::array<std::byte, 20> bytes{};
  random.fill(bytes);
  std::string text;
  for (const std::byte byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned>(byte));
  return text;
}

// What TLS connections are to be made from; nothing where no address has TLS.
Result<std::optional<TlsContext>> make_tls(const Config& config) {
  const auto has_tls = [](const std::string& text) {
    const auto address = parse_address(text);
    return address && address->tls;
  };
  if (std::ranges::none_of(config.addresses, has_tls)) return std::nullopt;
  auto made = TlsContext::create(config.tls);
  if (!made) return std::unexpected(made.error());
  return std::optional(std::move(*made));
}

// The first port, with TLS or without.
int first_port(const Config& config, bool tls) {
  for (const std::string& text : config.addresses)
    if (const auto address = parse_address(text);
        address && address->kind == ListenAddress::Kind::kTcp && address->tls == tls)
      return address->port;
  return 0;
}

std::string executable_path() {
  std::array<char, 4096> path{};
  const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size());
  return length > 0 ? std::string(path.data(), static_cast<size_t>(length)) : "";
}

}  // namespace

Result<std::unique_ptr<Server>> Server::create(const Config& config,
                                               std::function<Result<Config>()> reread) {
  // glibc's own default, but for good: once it is set, glibc no longer raises it when a larger
  // buffer is freed, so that each large one is a mapping of its own and goes back to the system.
  ::mallopt(M_MMAP_THRESHOLD, 128 * 1024);
  std::unique_ptr<Server> server(new Server(config, std::move(reread)));
  // The folder's lock comes first, so that a second server hears of the first one; its epoch last,
  // since a start that fails should not move it: only whose file it is, and the ACL file, come to
  // light later.
  for (const auto& step : {std::function([&] { return server->watch_signals(); }),
                           std::function([&] { return server->make_rings(config.threads); }),
                           std::function([&] { return server->open_storage(config); }),
                           std::function([&] { return server->listen(config); }),
                           std::function([&] { return server->join_cluster(config); }),
                           std::function([&] { return server->open_state(config); })})
    if (auto done = step(); !done) return std::unexpected(done.error());
  server->make_loops();
  return server;
}

Result<void> Server::check(const Config& config) {
  const auto made = make_tls(config);
  return made ? Result<void>() : std::unexpected(made.error());
}

Server::Server(const Config& config, std::function<Result<Config>()> reread)
    : live_(config.run_dir), reread_(std::move(reread)) {}

Server::~Server() {
  // With the sessions, which leave the context.
  for (const auto& parts : parts_) parts->loop.reset();
}

Result<void> Server::watch_signals() {
  sigset_t watched;
  ::sigemptyset(&watched);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&watched, signal);
  // Threads inherit the mask; all signals come through the descriptor.
  ::pthread_sigmask(SIG_BLOCK, &watched, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  // A write past a limit of file size is an error like others.
  ::signal(SIGXFSZ, SIG_IGN);
  ::signal(SIGBUS, on_sigbus);
  signals_ = Fd(::signalfd(-1, &watched, SFD_CLOEXEC));
  if (!signals_.valid()) return fail_errno(ExitStatus::kConfiguration, "signalfd", errno);
  return {};
}

Result<void> Server::make_rings(unsigned count) {
  for (unsigned number = 0; number < count; ++number) {
    auto ring = UringRing::create();
    if (!ring) return std::unexpected(ring.error());
    parts_.push_back(std::make_unique<LoopParts>());
    parts_.back()->ring = std::move(*ring);
  }
  return {};
}

Result<void> Server::listen(const Config& config) {
  auto tls = make_tls(config);
  if (!tls) return std::unexpected(tls.error());
  tls_ = std::move(*tls);
  for (const std::string& text : config.addresses) {
    const auto address = parse_address(text);
    if (!address) return std::unexpected(address.error());
    auto sockets = listen_on(*address, {config.unix_socket_mode, config.unix_socket_group});
    if (!sockets) return std::unexpected(sockets.error());
    std::ranges::move(*sockets, std::back_inserter(sockets_));
  }
  return {};
}

Result<void> Server::open_storage(const Config& config) {
  KernelRandom random;
  auto storage = FileStorage::open(config.data_dir, StateFile::fresh_file(random));
  if (!storage) return std::unexpected(storage.error());
  storage_ = std::move(*storage);
  storage_->attach(*parts_.front()->ring);
  return {};
}

Result<void> Server::join_cluster(const Config& config) {
  if (!config.cluster.enabled) return {};
  auto node = Node::create(config.cluster);
  if (!node) return std::unexpected(node.error());
  node_ = std::move(*node);
  return {};
}

Result<void> Server::open_state(const Config& config) {
  KernelRandom random;
  auto state = StateFile::open(*storage_, live_, clock_, storage_->path());
  if (!state) return std::unexpected(state.error());
  state_ = std::move(*state);
  if (!node_ && state_->stamp().mark != 0)
    return fail(ExitStatus::kConfiguration,
                fmt::format("{} belongs to a node of a cluster: start it with "
                            "--cluster-endpoints, or with an empty data directory",
                            storage_->path()));
  registry_ = std::make_unique<Registry>(
      *state_, clock_, node_ ? Registry::Mode::kClustered : Registry::Mode::kAlone);
  keeper_ = std::make_unique<Keeper>(*registry_, *state_, *storage_, clock_);
  log_info("{}: {} dispensers, epoch {}", storage_->path(), registry_->size(), state_->epoch());

  ServerFacts facts;
  facts.version = ND_VERSION;
  facts.executable = executable_path();
  facts.config_file = config.config_file;
  facts.data_dir = config.data_dir;
  facts.addresses = config.addresses;
  facts.tcp_port = first_port(config, false);
  facts.tls_port = first_port(config, true);
  facts.threads = config.threads;
  facts.run_id = new_run_id(random);
  facts.started_ns = clock_.monotonic_ns();
  facts.open_files_clients = raise_file_limit();
  facts.usable_memory_bytes = usable_memory_bytes();
  facts.acl_file = config.acl_file;
  facts.debug_command = config.debug_command;
  context_.reset(new CommandContext{*registry_, clock_, std::move(facts),
                                    [] { ::kill(::getpid(), SIGTERM); }});
  watch(config);
  sessions_ = std::make_unique<ClientSessions>(*context_);
  return apply(config);
}

// What the commands know of other layers' doings.
void Server::watch(const Config& config) {
  keeper_->watch_flushes([this](uint64_t took_ns) {
    if (context_->latency.wants(took_ns))
      context_->latency.note("flush", took_ns, clock_.unix_us() / 1'000'000);
  });
  if (config.config_file.empty()) return;
  context_->rewrite_config = [this, path = config.config_file](std::span<const FileValue> values) {
    const std::lock_guard lock(rewrite_mutex_);
    return rewrite_config_file(path, values);
  };
}

void Server::make_loops() {
  for (const auto& parts : parts_) {
    parts->view = registry_->make_view();
    parts->loop = std::make_unique<Loop>(static_cast<unsigned>(loops_.size()), *parts->ring,
                                         *registry_, *parts->view, *keeper_, *sessions_, clock_);
    context_->loops.push_back({parts->view.get(), &parts->random, &parts->loop->stats()});
    loops_.push_back(parts->loop.get());
  }
  for (Loop* loop : loops_) loop->join(loops_, context_->limits);
  if (node_)
    node_->join(*registry_, *parts_.front()->view, *state_, *storage_, clock_, *keeper_, *context_,
                *parts_.front()->ring);
  for (ListenSocket& socket : sockets_)
    listeners_.push_back(
        std::make_unique<Listener>(std::move(socket), loops_, tls_ ? &*tls_ : nullptr));
  sockets_.clear();
}

Result<void> Server::run() {
  if (auto enabled = parts_.front()->ring->enable(); !enabled) return enabled;
  others_running_.store(parts_.size() - 1);
  std::latch enabled(static_cast<std::ptrdiff_t>(parts_.size() - 1));
  for (size_t at = 1; at < parts_.size(); ++at)
    threads_.emplace_back([this, at, &enabled] { run_other_loop(*parts_[at], enabled); });
  enabled.wait();  // a ring that is not enabled yet cannot be woken
  run_first_loop();
  for (std::thread& thread : threads_) thread.join();

  if (keeper_->failed())
    return fail(ExitStatus::kIoError, fmt::format("stopped: {} could not be flushed: {}",
                                                  storage_->path(), keeper_->failure()));
  registry_->close();
  if (auto closed = state_->close(); !closed) return closed;
  if (node_ && node_->failure()) return std::unexpected(*node_->failure());
  log_info("stopped");
  return {};
}

void Server::run_first_loop() {
  LoopParts& parts = *parts_.front();
  for (const auto& listener : listeners_) listener->start();
  parts.ring->read(signal_read_, signals_.get(),
                   {reinterpret_cast<char*>(&signal_), sizeof signal_});
  log_info("ready: number-dispenser {} on {}, {} loop{}", ND_VERSION,
           fmt::join(context_->facts.addresses, ", "), parts_.size(),
           parts_.size() == 1 ? "" : "s");
  manager_.ready(fmt::format("Serving {} dispensers", registry_->size()));
  uint64_t report_ns = 0;
  uint64_t sample_ns = 0;
  while (phase_.load() == Phase::kServe) {
    const uint64_t watchdog_ns = manager_.watchdog_ns();
    uint64_t wait_ns = watchdog_ns == 0 ? kTickNs : std::min(kTickNs, watchdog_ns);
    const uint64_t now_ns = parts.loop->now_ns();
    for (const auto& listener : listeners_)
      wait_ns = std::min(wait_ns, std::max(listener->deadline_ns(), now_ns) - now_ns);
    tick_first(wait_ns);
    for (const auto& listener : listeners_) listener->tick();
    if (keeper_->failed()) change_phase(Phase::kFail);
    if (node_ && node_->failure() && phase_.load() == Phase::kServe) change_phase(Phase::kDrain);
    if (parts.loop->now_ns() >= sample_ns) {
      sample_ns = parts.loop->now_ns() + kTickNs;
      context_->traffic.sample(parts.loop->now_ns(), context_->loop_totals());
    }
    if (parts.loop->now_ns() < report_ns) continue;
    report_ns = parts.loop->now_ns() + (watchdog_ns == 0 ? 10 * kTickNs : watchdog_ns);
    report();
  }
  manager_.stopping();
  for (const auto& listener : listeners_) listener->stop();
  finish(parts);
  // Other loops' last replies wait for flushes, which are made here.
  while (others_running_.load() > 0) tick_first(kDrainTickNs);
  const auto listening = [](const auto& listener) { return !listener->stopped(); };
  while (std::ranges::any_of(listeners_, listening)) tick_first(kDrainTickNs);
  become_idle();
  if (node_) leave_cluster();
  over_.store(true);
}

// A tick of the first loop, and what is done behind it.
void Server::tick_first(uint64_t longest_wait_ns) {
  Loop& loop = *parts_.front()->loop;
  uint64_t wait_ns = longest_wait_ns;
  if (node_)
    wait_ns = std::min(wait_ns, std::max(node_->deadline_ns(), loop.now_ns()) - loop.now_ns());
  loop.run_tick(wait_ns);
  if (node_) node_->tick();
}

void Server::run_other_loop(LoopParts& parts, std::latch& all_enabled) {
  const auto enabled = parts.ring->enable();
  all_enabled.count_down();
  if (!enabled) {
    // Without it definitions would never settle.
    log_error("a loop cannot run, so the server stops: {}", enabled.error().message);
    context_->stop();
  }
  while (enabled && phase_.load() == Phase::kServe) parts.loop->run_tick(kTickNs);
  if (enabled) finish(parts);
  others_running_.fetch_sub(1);
  // What other loops still define settles only when this one has adopted it.
  while (enabled && !over_.load()) parts.loop->run_tick(kDrainTickNs);
}

void Server::change_phase(Phase phase) {
  phase_.store(phase);
  context_->end_waits();
  for (Loop* loop : loops_) loop->ring().wake(loops_.front()->ring());
}

void Server::on_signal(const Completion& completion) {
  const bool whole = completion.result == static_cast<int>(sizeof signal_);
  if (whole && signal_.ssi_signo == SIGHUP) {
    reload();
  } else if (whole) {
    log_info("stopping: signal {}", signal_.ssi_signo);
    return change_phase(Phase::kDrain);
  }
  parts_.front()->ring->read(signal_read_, signals_.get(),
                             {reinterpret_cast<char*>(&signal_), sizeof signal_});
}

void Server::reload() {
  manager_.reloading(clock_.monotonic_ns());
  const auto config = reread_();
  auto tls = config ? make_tls(*config) : std::unexpected(config.error());
  const Result<void> applied = tls ? apply(*config) : std::unexpected(tls.error());
  // The addresses stay as they are, so TLS neither comes nor goes.
  if (applied && tls_ && *tls) tls_ = std::move(*tls);
  if (applied)
    log_info(
        "configuration read again: what it changes of log level, users, password, protected mode, "
        "TLS, clients' limits and monitoring is in force");
  else
    log_error("configuration not taken over: {}", applied.error().message);
  manager_.ready(fmt::format("Serving {} dispensers", registry_->size()));
}

void Server::report() {
  uint64_t connections = 0;
  for (const Loop* loop : loops_) connections += loop->stats().connections.read();
  manager_.status(
      fmt::format("Serving {} dispensers to {} clients", registry_->size(), connections));
  if (manager_.watchdog_ns() != 0) manager_.alive();
}

}  // namespace number_dispenser
