#include "etcd_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <random>

#include "number_dispenser/base/fd.h"

namespace number_dispenser::testing_support {
namespace {

constexpr const char* kServer = "/usr/bin/etcd";
constexpr const char* kControl = "/usr/bin/etcdctl";

// What it says goes to `output`. Dies with this process.
pid_t spawn(const std::vector<std::string>& arguments, int output) {
  std::vector<char*> words;
  for (const std::string& argument : arguments)
    words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  const pid_t pid = ::fork();
  ND_CHECK(pid >= 0, "fork");
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(output, STDOUT_FILENO);
    ::dup2(output, STDERR_FILENO);
    ::execv(words.front(), words.data());
    ::_exit(127);
  }
  return pid;
}

}  // namespace

// Below the kernel's ephemeral ports, so that no outgoing connection takes it before a server does.
int free_port() {
  std::random_device random;
  for (;;) {
    const auto port = static_cast<uint16_t>(20'000 + random() % 12'000);
    const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address{
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const auto* const generic = reinterpret_cast<const sockaddr*>(&address);
    if (::bind(socket.get(), generic, sizeof address) == 0) return port;
  }
}

std::string run_program(const std::vector<std::string>& arguments) {
  int ends[2];
  ND_CHECK(::pipe2(ends, O_CLOEXEC) == 0, "pipe2");
  const Fd out(ends[0]);
  Fd in(ends[1]);
  const pid_t pid = spawn(arguments, in.get());
  in.reset();
  std::string output;
  char bytes[4096];
  for (ssize_t got = 0; (got = ::read(out.get(), bytes, sizeof bytes)) > 0;)
    output.append(bytes, static_cast<size_t>(got));
  int status = 0;
  ::waitpid(pid, &status, 0);
  ND_CHECK(status == 0, "{}: {}", fmt::join(arguments, " "), output);
  return output;
}

bool EtcdServer::installed() {
  return ::access(kServer, X_OK) == 0 && ::access(kControl, X_OK) == 0;
}

EtcdServer::EtcdServer(std::vector<std::string> arguments, size_t members, Files files)
    : arguments_(std::move(arguments)), files_(std::move(files)) {
  for (size_t i = 0; i < members; ++i) members_.push_back({free_port(), free_port()});
  for (size_t i = 0; i < members; ++i) start(i);
}

EtcdServer::~EtcdServer() {
  for (size_t i = 0; i < members_.size(); ++i) kill(i);
}

std::string EtcdServer::endpoint(size_t member) const {
  return fmt::format("{}://127.0.0.1:{}", files_.empty() ? "http" : "https",
                     members_[member].client_port);
}

std::vector<std::string> EtcdServer::endpoints() const {
  std::vector<std::string> all;
  for (size_t i = 0; i < members_.size(); ++i) all.push_back(endpoint(i));
  return all;
}

std::vector<std::string> EtcdServer::command_of(size_t member) const {
  const auto peer = [](const Member& each) {
    return fmt::format("http://127.0.0.1:{}", each.peer_port);
  };
  std::vector<std::string> cluster;
  for (size_t i = 0; i < members_.size(); ++i)
    cluster.push_back(fmt::format("m{}={}", i, peer(members_[i])));
  std::vector<std::string> command = {
      kServer,
      fmt::format("--name=m{}", member),
      fmt::format("--data-dir={}/m{}", directory_.path(), member),
      "--listen-client-urls=" + endpoint(member),
      "--advertise-client-urls=" + endpoint(member),
      "--listen-peer-urls=" + peer(members_[member]),
      "--initial-advertise-peer-urls=" + peer(members_[member]),
      fmt::format("--initial-cluster={}", fmt::join(cluster, ",")),
      "--bcrypt-cost=4",
  };
  if (!files_.empty()) {
    command.insert(command.end(), {"--cert-file=" + files_.certificate, "--key-file=" + files_.key,
                                   "--trusted-ca-file=" + files_.authority, "--client-cert-auth"});
  }
  command.insert(command.end(), arguments_.begin(), arguments_.end());
  return command;
}

void EtcdServer::start(size_t member) {
  const std::string log = fmt::format("{}/m{}.log", directory_.path(), member);
  const Fd output(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  members_[member].pid = spawn(command_of(member), output.get());
}

void EtcdServer::kill(size_t member) {
  pid_t& pid = members_[member].pid;
  if (pid == 0) return;
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  pid = 0;
}

void EtcdServer::pause(size_t member) {
  ::kill(members_[member].pid, SIGSTOP);
}

void EtcdServer::resume(size_t member) {
  ::kill(members_[member].pid, SIGCONT);
}

std::string EtcdServer::control(const std::vector<std::string>& words) const {
  std::vector<std::string> command = {kControl, "--dial-timeout=60s", "--command-timeout=60s",
                                      fmt::format("--endpoints={}", fmt::join(endpoints(), ","))};
  if (!files_.empty())
    command.insert(command.end(), {"--cacert=" + files_.authority, "--cert=" + files_.certificate,
                                   "--key=" + files_.key});
  command.insert(command.end(), words.begin(), words.end());
  return run_program(command);
}

}  // namespace number_dispenser::testing_support
