// Actors: operations of the real code that stop before each access to something shared, each on a
// stack of its own. An actor is parked between operations; stopping one is putting its parked stack
// back.
#include <ucontext.h>

#include <cstdlib>

#include "world.h"

namespace number_dispenser::model {

extern std::byte stacks[kActors][64 * 1024];

std::string violation;

void violate(std::string text) {
  const bool was_in_heap = leave_heap();
  if (violation.empty()) violation = text.c_str();  // a copy that outlives the modelled heap
  if (was_in_heap) enter_heap();
}

namespace {

void (*run_operation)(const Op& op);
jmp_buf scheduler;
int running = -1;
bool unseen = false;

struct Parked {
  jmp_buf at;
  std::byte* stack_low;
  std::vector<std::byte> stack;
};
Parked parked[kActors];

std::byte* top_of(unsigned actor) {
  return stacks[actor] + sizeof stacks[actor];
}

// Back to the scheduler until the actor is resumed.
__attribute__((noinline)) void switch_away() {
  constexpr size_t kFrameBytes = 512;  // of this function, below its frame address
  Actor& a = world.actors[running];
  a.stack_low = static_cast<std::byte*>(__builtin_frame_address(0)) - kFrameBytes;
  leave_heap();
  if (_setjmp(a.at) == 0) _longjmp(scheduler, 1);
  enter_heap();
}

__attribute__((noinline)) void switch_to(unsigned actor) {
  running = static_cast<int>(actor);
  if (_setjmp(scheduler) == 0) _longjmp(world.actors[actor].at, 1);
  running = -1;
}

void serve() {
  for (;;) {
    Actor& a = world.actors[running];
    a.busy = false;
    a.wait = Wait::kNothing;
    a.next_access = nullptr;
    a.learnt = 0;
    switch_away();
    run_operation(world.actors[running].op);
  }
}

__attribute__((noinline)) void switch_to_new(std::byte* stack, size_t bytes) {
  static ucontext_t context, unused;
  ::getcontext(&context);
  context.uc_stack.ss_sp = stack;
  context.uc_stack.ss_size = bytes;
  ::makecontext(&context, serve, 0);
  if (_setjmp(scheduler) == 0) ::swapcontext(&unused, &context);
}

void park(unsigned actor) {
  Actor& a = world.actors[actor];
  a = {};
  std::memmove(a.at, parked[actor].at, sizeof a.at);
  a.stack_low = parked[actor].stack_low;
  std::memmove(a.stack_low, parked[actor].stack.data(), parked[actor].stack.size());
}

}  // namespace

void make_actors(void (*run)(const Op& op)) {
  run_operation = run;
  for (unsigned actor = 0; actor < kActors; ++actor) {
    running = static_cast<int>(actor);
    switch_to_new(stacks[actor], sizeof stacks[actor]);
    running = -1;
    const Actor& a = world.actors[actor];
    std::memmove(parked[actor].at, a.at, sizeof a.at);
    parked[actor].stack_low = a.stack_low;
    parked[actor].stack.assign(a.stack_low, top_of(actor));
  }
}

void begin(const Op& op) {
  Actor& a = world.actors[op.actor];
  park(op.actor);
  a.op = op;
  a.busy = a.first = true;
  switch_to(op.actor);
}

void step(unsigned actor) {
  switch_to(actor);
}

bool may_step(unsigned actor) {
  const Actor& a = world.actors[actor];
  return a.busy && (a.wait != Wait::kLock || !world.registry->mutex_.held());
}

void stop_actors() {
  for (unsigned actor = 0; actor < kActors; ++actor) park(actor);
}

void run_unseen(bool value) {
  unseen = value;
}

void pause(Wait wait, const void* at) {
  if (running < 0 || unseen) return;
  Actor& a = world.actors[running];
  const bool blocked = wait == Wait::kLock && world.registry->mutex_.held();
  if (std::exchange(a.first, false) && !blocked) return;
  a.wait = wait;
  a.next_access = at;
  learn(1);  // one step more
  switch_away();
}

void before_access(const void* at) {
  const auto is_inside = [at](const auto* object) {
    return object != nullptr && at >= object && at < object + 1;
  };
  // Of these only the cells and the live counters are used without the mutex. (What the model reads
  // of the registry itself, `settled`, only grows.)
  if (!world.serving || is_inside(world.registry) || is_inside(world.state)) return;
  // Nobody else knows the cell that HSET fills, until the log says so.
  if (running >= 0 && world.actors[running].op.kind == OpKind::kCreate) return;
  pause(Wait::kAccess, at);
}

void learn(uint64_t value) {
  if (running < 0) return;
  uint64_t& hash = world.actors[running].learnt;
  hash = (std::rotl(hash, 23) ^ value) * 0x9e3779b97f4a7c15;
}

void acquire(bool& held) {
  pause(Wait::kLock, &held);
  if (held) broken("the mutex is held");
  held = true;
  // What was read without an atomic while the mutex is held.
  const int actor = std::exchange(running, -1);
  const uint64_t guarded = registry_key();
  running = actor;
  learn(guarded);
}

void broken(std::string text) {
  leave_heap();
  violate(std::move(text));
  if (running < 0) {
    fmt::print(stderr, "{}\n", violation);
    std::abort();
  }
  _longjmp(scheduler, 1);
}

}  // namespace number_dispenser::model
