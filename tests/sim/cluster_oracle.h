// What the promise means for a cluster: it remembers what every client of every node was told, and
// compares it with what etcd has decided, whose whole history it can see.
//
// Every definition that anybody asks for has numbers of its own, so that a number tells which
// definition it is of.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "number_dispenser/cluster/cluster.h"
#include "reply_reader.h"
#include "sim_etcd.h"
#include "world.h"

namespace number_dispenser::sim {

// A definition that somebody has asked for, whether it came to be or not.
struct Attempt {
  std::string name;
  Definition definition;
  StrategyId strategy{};
  std::vector<bool> seen;  // by ordinal, whoever issued it
  bool is_alone = false;   // of a server that is not in the cluster yet
  unsigned asked = 0;      // times
  unsigned open = 0;       // of those, not answered, or not for certain: they may make it yet
  bool refused = false;    // its only client was told that nothing has changed

  // In etcd. Where two ask for it, or one was not answered, and others delete it meanwhile, it may
  // begin again, so that of its numbers nothing is known.
  unsigned creations = 0;

  bool is_counted() const {
    return creations < 2 && definition.kind != Kind::kRandom && strategy != StrategyId::kMemory;
  }
};

// What one client asked, and what it needs to judge the answer.
struct ClusterRequest {
  enum class What { kGet, kDefine, kSwitch, kRemove } what = What::kGet;
  std::string name{};
  size_t attempt = 0;          // kDefine
  StrategyId strategy{};       // kSwitch
  uint64_t count = 1;          // kGet
  etcd::Revision sent_at = 0;  // etcd's revision then
  uint64_t sent = 0;           // of all requests and answers
};

// What one process has told its clients. Begins anew with each process.
struct NodeLog {
  bool is_alone = false;
  struct Told {
    etcd::Revision at = 0;
    uint64_t when = 0;  // of all requests and answers
  };
  // By name: the revision at which the definition was there, as an acknowledged HSET says, or at
  // which it was gone, as an acknowledged DEL says.
  std::map<std::string, Told> defined, removed;
};

class ClusterOracle {
 public:
  ClusterOracle(World& world, testing_support::SimEtcd& etcd) : world_(world), etcd_(etcd) {}

  // Of any kind; `is_alone`: certain to be counted, and long.
  size_t attempt(const std::string& name, bool is_alone = false);
  // The one that etcd has now.
  std::optional<size_t> earlier_attempt(const std::string& name);
  void send(ClusterRequest& request) {
    request.sent = ++now_;
    request.sent_at = etcd_.store.revision();
    if (request.what != ClusterRequest::What::kDefine) return;
    versions(request.name, 0);
    ++attempts_[request.attempt].open;
    if (++attempts_[request.attempt].asked > 1) attempts_[request.attempt].refused = false;
  }
  const Attempt& at(size_t attempt) const { return attempts_[attempt]; }

  // By connection: the ordinals past those it has received.
  using Tops = std::map<size_t, uint64_t>;
  void judge(const ClusterRequest& request, const Reply& reply, NodeLog& log, Tops& tops);

  // Ordinals that one process may still issue must not be those of another, nor received already.
  struct Holding {
    unsigned machine;
    std::string name;
    Registry::Info info;
  };
  void judge_holdings(const std::vector<Holding>& holdings);
  // From now on everybody is connected: every number is there but those past the end of a range.
  void end_excuses() { excuses_ = false; }
  // At the very end.
  void judge_refusals();
  uint64_t judged = 0;

 private:
  struct Version {
    etcd::Revision from, to;  // there from, and gone (or another) at
    std::optional<size_t> attempt;
    StrategyId strategy{};
  };
  // What etcd had of this name at the revisions [from, now].
  std::vector<Version> versions(const std::string& name, etcd::Revision from);
  struct History {
    std::vector<Version> versions{{0, INT64_MAX, std::nullopt}};
    etcd::Revision read = 0;
  };
  std::optional<size_t> attempt_of(const std::string& name, const Definition& definition) const;
  std::optional<size_t> attempt_of(const std::string& name, const std::string& number,
                                   uint64_t& ordinal) const;
  void judge_get(const ClusterRequest& request, const Reply& reply, NodeLog& log, Tops& tops);
  void judge_number(const ClusterRequest& request, const Reply& reply, NodeLog& log, Tops& tops);
  void judge_define(const ClusterRequest& request, const Reply& reply, NodeLog& log);
  void judge_switch(const ClusterRequest& request, const Reply& reply);
  void judge_remove(const ClusterRequest& request, const Reply& reply, NodeLog& log);
  bool is_excused(const Reply& reply) const;

  World& world_;
  testing_support::SimEtcd& etcd_;
  std::vector<Attempt> attempts_;
  std::map<std::string, unsigned> lengths_used_;
  std::map<std::string, History> histories_;
  uint64_t now_ = 0;
  bool excuses_ = true;
};

}  // namespace number_dispenser::sim
