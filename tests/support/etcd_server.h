// A real etcd, of one member or more, in a directory of its own and on ports that were free. It
// ends with the test.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "temporary_directory.h"

namespace number_dispenser::testing_support {

// TCP, on the loopback.
int free_port();

// Runs a program and returns its output; aborts when it fails.
std::string run_program(const std::vector<std::string>& arguments);

class EtcdServer {
 public:
  struct Files {
    std::string authority, certificate, key;
    bool empty() const { return authority.empty(); }
  };

  // Whether Debian's etcd-server and etcd-client are there.
  static bool installed();

  // Starts `members` of them with these arguments. With `files` over TLS, and clients have to show
  // a certificate of the authority's.
  explicit EtcdServer(std::vector<std::string> arguments = {}, size_t members = 1,
                      Files files = {});
  ~EtcdServer();
  EtcdServer(const EtcdServer&) = delete;
  EtcdServer& operator=(const EtcdServer&) = delete;

  std::string endpoint(size_t member = 0) const;
  std::vector<std::string> endpoints() const;

  // Without a warning, and with its memory lost. The data stays.
  void kill(size_t member = 0);
  void start(size_t member = 0);
  // It is there and answers nothing, until resume().
  void pause(size_t member = 0);
  void resume(size_t member = 0);

  // Runs etcdctl with these words.
  std::string control(const std::vector<std::string>& words) const;

 private:
  struct Member {
    int client_port, peer_port;
    pid_t pid = 0;
  };
  std::vector<std::string> command_of(size_t member) const;

  TemporaryDirectory directory_;
  const std::vector<std::string> arguments_;
  const Files files_;
  std::vector<Member> members_;
};

}  // namespace number_dispenser::testing_support
