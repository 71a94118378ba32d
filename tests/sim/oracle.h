// What the promise (no duplicate, bounded waste, order, nothing acknowledged is lost) means for
// what clients have seen: it remembers all of it, and judges every reply and every start. Knows
// nothing of the server.
//
// Every definition of a name has numbers of its own, so that a number tells which definition it is
// of.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "number_dispenser/dispenser/bound.h"
#include "number_dispenser/dispenser/kind.h"
#include "number_dispenser/dispenser/strategy.h"
#include "reply_reader.h"
#include "request.h"
#include "world.h"

namespace number_dispenser::sim {

// One definition of a name: from HSET to DEL.
struct Generation {
  Definition definition;
  uint64_t capacity = 0;
  std::vector<bool> seen;  // by ordinal; for the memory strategy, in this run
  uint64_t top = 0;        // one past the highest seen
  int64_t gets_base = 0;   // of the name's GETs, so many cannot have been of this
  uint64_t wasted = 0;
  unsigned strategies = 0;  // a bit for each it may have had
  uint64_t dead_at = 0;     // its end was acknowledged; 0: not
  bool exact = false;       // idle long enough for a power cut to waste nothing
};

struct State {
  int generation = -1;  // -1: there is no such dispenser
  StrategyId strategy = kDefaultStrategy;

  friend bool operator==(const State&, const State&) = default;
};

struct Name {
  std::string text;
  std::vector<Generation> generations;
  // What the name may be after a crash: the last acknowledged, then what each later change made of
  // it.
  std::deque<State> states{State{}};
  uint64_t first_serial = 0;  // of states.front()
  uint64_t deletions = 0;     // sent
  uint64_t gets_sent = 0;
  uint64_t gets_answered = 0;
  unsigned lengths_used = 0;  // 1 to 3 with few numbers, 4 to 8 with random ones: once each
  bool end_used = false;      // so were the numbers up to 2^63 - 1
};

// How a process ended, as far as it matters to the counters.
enum class End { kClean, kKilled, kPowerCut };

class Oracle {
 public:
  Oracle(World& world, unsigned names);

  const std::vector<Name>& names() const { return names_; }

  // What a request needs to remember, and its bytes; `bytes` is appended to.
  Request get(unsigned name, std::string& bytes);  // or INCR, INCRBY
  Request get_many(std::string& bytes);
  Request info(unsigned name, Request::What what, std::string& bytes);
  // The next change of a name by its owner. `settled`: none is under way.
  Request change(unsigned name, std::string& bytes);
  Request refused_change(unsigned name, std::string& bytes);
  bool settled(unsigned name) const { return names_[name].states.size() == 1; }

  // `tops`: what this connection has received of each name.
  struct Top {
    int generation = -1;
    uint64_t next = 0;
  };
  void judge(const Request& request, const Reply& reply, std::vector<Top>& tops);

  // The process is gone, and with it every request not answered.
  void ended(End end);
  // An older state file is there now, with these bounds. `counted`: the live counters are those of
  // the run that it was copied from.
  using Bounds = std::map<std::string, BoundRecord, std::less<>>;
  void restored(Bounds bounds, bool counted);
  // kVerify has been answered for every name.
  void verified();
  // Nothing was asked of anything for 2 s.
  void idled();
  // Errors may come from a failed state file, or from a full disk.
  void allow_io_error(bool allowed) {
    io_error_allowed_ = allowed;
    flush_failed_ = flush_failed_ || allowed;
  }
  void allow_no_room(bool allowed) { no_room_allowed_ = allowed; }

  uint64_t judged() const { return judged_; }

 private:
  struct Shown {
    int generation = -1;
    StrategyId strategy{};
    uint64_t moved = 0, generated = 0, wasted = 0;
  };

  Request about(unsigned name, Request::What what);
  Request draw(unsigned name, uint64_t count);
  void judge_get(const Request& request, const Reply& reply, std::vector<Top>& tops);
  void judge_number(const Request& request, const Reply& reply, std::vector<Top>& tops);
  void judge_change(const Request& request, const Reply& reply);
  void judge_info(const Request& request, const Reply& reply);
  bool read_info(const Name& name, const std::string& text, Shown& shown);
  void check_figures(const Name& name, const Generation& of, const Shown& shown);
  void check_budget(const Name& name, const Generation& of, const Shown& shown);
  void resolve(Name& name, const State& found);
  void verify(Name& name, const State& found, const Shown& shown);
  void judge_restored(const Name& name, int generation, const Shown& shown);
  void judge_recovery(Name& name, Generation& of, const Shown& shown);
  bool may_be_missing(const Request& request) const;
  bool may_be_exhausted(const Name& name, uint64_t count) const;
  int generation_of(const Name& name, const Reply& reply, uint64_t& ordinal) const;
  Definition new_definition(Name& name);
  void bury_dead(Name& name);
  std::string describe(const Name& name, const State& state) const;

  World& world_;
  std::vector<Name> names_;
  uint64_t now_ = 1;
  uint64_t judged_ = 0;
  bool power_cut_ = false;  // since the last verified start
  bool restored_ = false;
  bool restored_counted_ = false;
  Bounds restored_bounds_;
  bool io_error_allowed_ = false;
  bool flush_failed_ = false;  // and no start has been judged since
  bool no_room_allowed_ = false;
};

}  // namespace number_dispenser::sim
