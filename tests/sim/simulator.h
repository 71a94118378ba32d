// One simulation: a machine whose server is started, used by clients, and ended in every way, again
// and again, all of it following from one 64-bit seed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "client.h"
#include "oracle.h"
#include "sim_server.h"

namespace number_dispenser::sim {

struct Totals {
  uint64_t requests = 0, starts = 0, kills = 0, power_cuts = 0, clean_stops = 0, failed_flushes = 0,
           restored = 0, ticks = 0;

  Totals& operator+=(const Totals& other);
  std::string text(double elapsed_s) const;
};

class Simulator {
 public:
  using TotalsType = Totals;
  Simulator(uint64_t seed, bool tracing);

  // Whether every promise was kept; else violation() says what was not, at step().
  bool run();
  const std::string& violation() const { return world_.violation; }
  uint64_t step() const { return world_.step; }
  const Totals& totals() const { return totals_; }

 private:
  enum class Finish { kKill, kPowerCut, kStop };

  void choose_profile();
  void choose_habits();
  void one_life(Finish finish, unsigned rounds);
  void last_life();
  bool start(bool may_die);
  bool verify();
  bool round(bool asks);
  void step_a_loop();
  void pass_time();
  void jump(uint64_t ms);
  void idle();
  bool settle(bool strict);
  void stop();
  void bury(Death death);
  void end_failed();
  void take_copy();
  void maybe_restore();
  bool over() const { return !world_.violation.empty(); }

  World world_;
  SimDisk disk_;
  SimLive live_;
  SimNet net_;
  Oracle oracle_;
  Faults faults_;  // of this seed, when they are on
  unsigned loops_ = 1;
  unsigned depth_ = 1;
  unsigned stalled_loop_ = 0;  // its thread does not get to run before this step
  uint64_t stalled_until_ = 0;
  std::vector<std::unique_ptr<Client>> clients_;
  std::unique_ptr<SimServer> server_;
  std::vector<std::byte> old_copy_;
  uint64_t last_epoch_ = 0;
  bool flush_failed_ = false;     // in the last life
  bool expects_warning_ = false;  // the file was restored, and its next start can tell
  bool counters_lost_ = false;    // this process's live counters will not outlive it
  Totals totals_;
};

}  // namespace number_dispenser::sim
