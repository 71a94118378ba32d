// The whole state of the modelled machine in one block that can be copied away and put back:
// process heap, actors (with their stacks), disk, tmpfs, clock, and what the clients have seen.
//
// One thread. `world` and what it points to stay at their addresses, so that copying bytes back is
// enough.
#pragma once

#include <setjmp.h>

#include <cstdint>
#include <string>
#include <vector>

#include "number_dispenser/base/clock.h"
#include "number_dispenser/dispenser/registry.h"
#include "number_dispenser/state/state_file.h"

namespace number_dispenser::model {

inline constexpr unsigned kLoops = 2;        // at most
inline constexpr unsigned kKeeper = kLoops;  // the actor after the loops
inline constexpr unsigned kActors = kLoops + 1;
inline constexpr unsigned kNames = 2;
inline constexpr unsigned kSlots = 4;
inline constexpr unsigned kUnits = 2 + 3 * kSlots;
inline constexpr unsigned kVersions = 16;
inline constexpr unsigned kLiveFiles = 8;
inline constexpr unsigned kTenants = 6;
inline constexpr unsigned kHeld = 6;
inline constexpr uint64_t kStateBytes = layout::file_bytes(1);
inline constexpr uint64_t kSweepNs = Registry::kSweepMs * 1'000'000;

enum class OpKind : uint8_t {
  kGet,
  kCreate,
  kDelete,
  kSwitch,
  kTick,  // of a loop
  kFlush,
  kEndFlush,
  kSweep,
  kClose,
  kStart,  // of the keeper
  kStep,
  kKill,
  kPowerCut,  // not operations of an actor
};
struct Op {
  OpKind kind{};
  uint8_t actor = 0;
  uint8_t name = 0;
  uint8_t strategy = 0;
  uint32_t choice = 0;  // kPowerCut: what is left on the disk
};

// What an actor does next.
enum class Wait : uint8_t { kNothing, kAccess, kStore, kLock, kDisk };

struct Actor {
  jmp_buf at;
  std::byte* stack_low;  // what is above is in use
  bool busy;
  bool first;  // the first access of an operation is part of its first step
  Wait wait;
  Op op;
  const void* next_access;
  uint64_t learnt;  // hash of all that the operation has read
};

// A piece of the state file that reaches the disk at once or torn. Versions since the last flush:
// the disk has any one of them.
struct Unit {
  uint32_t versions[kVersions];  // interned; the last is what memory holds
  uint8_t count;
  uint8_t flushing_from;  // the flush in flight covers this version
  uint32_t before;        // the version before the last flush
};

struct LiveFile {
  bool exists;
  uint64_t epoch;
  alignas(64) std::byte bytes[sizeof(layout::LiveHeader) + kSlots * sizeof(layout::LiveSlot)];
};

// What the clients know of one dispenser (of one generation).
struct Tenant {
  uint64_t generation;
  uint8_t name;
  uint8_t kind;
  bool gone;
  bool created;  // acknowledged, or seen after a start
  bool delete_asked;
  bool deleted;      // acknowledged
  uint8_t strategy;  // acknowledged
  uint8_t ever;      // strategies it may ever have had, a bit each
  uint8_t asked_count;
  struct {
    uint64_t change;
    uint8_t strategy;
  } asked[4];  // switches
  uint64_t acknowledged_change;
  uint64_t base;      // all below it have reached clients or are lost
  uint64_t released;  // a bit for each from `base`
  uint64_t drawn;     // all below it were drawn
  uint64_t skipped;   // never drawn, and passed over by a start
  uint64_t wasted;    // on record
};

struct Held {
  OpKind what;  // kGet: an ordinal; kCreate, kDelete, kSwitch: a change
  uint8_t tenant;
  uint8_t strategy;
  uint32_t slot;
  uint64_t number;
};

// How often each may still happen.
struct Budget {
  uint8_t gets[kNames];
  uint8_t creates[kNames];
  uint8_t deletes[kNames];
  uint8_t switches[kNames];
  uint8_t sweeps;
  uint8_t kills;
  uint8_t power_cuts;
  uint8_t faults;  // of the power cuts, how many may also damage one unit: torn half-way ...
  uint8_t
      lost_writes;  // 1: ... or, for a bound, as it was before a flush that the disk only pretended
  uint8_t closes;
};

struct World {
  uint64_t heap_used;
  void* heap_free[16];

  bool up;          // started, or starting
  bool serving;     // loops run
  bool clean;       // the last run was closed, and nothing has happened since
  bool lost_power;  // since the last run served
  bool flushing;
  Registry* registry;
  StateFile* state;
  Registry::View* views[kLoops];
  uint64_t previous_epoch;  // of the counters that the start in progress takes over
  uint64_t now_ns;

  Actor actors[kActors];
  Unit units[kUnits];
  LiveFile live[kLiveFiles];

  Tenant tenants[kTenants];
  uint8_t tenant_count;
  Held held[kLoops][kHeld];
  uint8_t held_count[kLoops];
  Budget left;
};
extern World world;

// --- memory.cc
// ------------------------------------------------------------------------------------------
using Snapshot = std::vector<std::byte>;
void save(Snapshot& snapshot);
void restore(const Snapshot& snapshot);
// Code under test allocates in the world's heap between these.
void enter_heap();
bool leave_heap();  // true if it was entered
void clear_heap();

// --- actors.cc
// ------------------------------------------------------------------------------------------
void make_actors(void (*run)(const Op& op));
// Starts an operation and lets it take its first step.
void begin(const Op& op);
void step(unsigned actor);
bool may_step(unsigned actor);
void stop_actors();  // the process is gone
// Of the running actor; nothing where none runs, as in the set-up.
void pause(Wait wait, const void* at);
// With no crash to come nobody sees the steps of a start or a close.
void run_unseen(bool unseen);

// --- disk.cc
// --------------------------------------------------------------------------------------------
void make_disk();
void load_memory();  // the state file's bytes follow the units
void flush_started();
void flush_ended();
uint32_t power_cut_choices(bool with_fault);
bool cut_power(uint32_t choice);  // also takes the tmpfs; true if it damaged a unit
std::string unit_name(unsigned unit);
int unit_at(const void* at);  // -1: not in the state file
std::byte* state_bytes();     // the state file as it is mapped

// --- seams.cc
// -------------------------------------------------------------------------------------------
Storage& storage();
LiveMemory& live_memory();
Clock& model_clock();

// --- key.cc
// ---------------------------------------------------------------------------------------------
uint64_t state_key();
uint64_t registry_key();

// --- what went wrong; empty: nothing
// ----------------------------------------------------------------------
extern std::string violation;
void violate(std::string text);

}  // namespace number_dispenser::model
