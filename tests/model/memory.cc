// The process heap of the modelled server, and copies of the whole world.
#include <cstdlib>
#include <new>

#include "world.h"

namespace number_dispenser::model {

World world;
std::byte stacks[kActors][64 * 1024] __attribute__((aligned(64)));

namespace {

constexpr size_t kHeapBytes = 1 << 20;
constexpr size_t kHeaderBytes = 64;  // keeps the alignment that Cell wants
alignas(64) std::byte heap[kHeapBytes];
bool in_heap = false;

// Powers of two from 64 bytes; freed blocks are taken again first.
unsigned class_of(size_t bytes) {
  return static_cast<unsigned>(std::bit_width((std::max<size_t>(bytes, 64) - 1) >> 6));
}

void* allocate(size_t bytes) {
  if (!in_heap) return std::malloc(bytes);
  const unsigned size = class_of(bytes);
  if (void* block = world.heap_free[size]) {
    std::memmove(&world.heap_free[size], block, sizeof(void*));
    return block;
  }
  std::byte* block = heap + world.heap_used;
  world.heap_used += kHeaderBytes + (size_t{64} << size);
  if (world.heap_used > kHeapBytes) std::abort();
  std::memmove(block, &size, sizeof size);
  return block + kHeaderBytes;
}

void release(void* block) {
  const auto* at = static_cast<std::byte*>(block);
  if (at < heap || at >= heap + kHeapBytes) return std::free(block);
  unsigned size = 0;
  std::memmove(&size, at - kHeaderBytes, sizeof size);
  std::memmove(block, &world.heap_free[size], sizeof(void*));
  world.heap_free[size] = block;
}

void append(Snapshot& snapshot, const void* from, size_t bytes) {
  const auto* first = static_cast<const std::byte*>(from);
  snapshot.insert(snapshot.end(), first, first + bytes);
}

}  // namespace

void enter_heap() {
  in_heap = true;
}
bool leave_heap() {
  return std::exchange(in_heap, false);
}

void clear_heap() {
  world.heap_used = 0;
  std::ranges::fill(world.heap_free, nullptr);
}

void save(Snapshot& snapshot) {
  snapshot.clear();
  append(snapshot, &world, sizeof world);
  append(snapshot, heap, world.heap_used);
  for (unsigned actor = 0; actor < kActors; ++actor) {
    const Actor& a = world.actors[actor];
    const std::byte* top = stacks[actor] + sizeof stacks[actor];
    if (a.busy) append(snapshot, a.stack_low, static_cast<size_t>(top - a.stack_low));
  }
}

void restore(const Snapshot& snapshot) {
  const std::byte* from = snapshot.data();
  const auto take = [&](void* to, size_t bytes) {
    std::memmove(to, from, bytes);
    from += bytes;
  };
  take(&world, sizeof world);
  take(heap, world.heap_used);
  for (unsigned actor = 0; actor < kActors; ++actor) {
    const Actor& a = world.actors[actor];
    const std::byte* top = stacks[actor] + sizeof stacks[actor];
    if (a.busy) take(a.stack_low, static_cast<size_t>(top - a.stack_low));
  }
  load_memory();
}

}  // namespace number_dispenser::model

void* operator new(size_t bytes) {
  return number_dispenser::model::allocate(bytes);
}
void* operator new(size_t bytes, std::align_val_t) {
  return number_dispenser::model::allocate(bytes);
}
void operator delete(void* block) noexcept {
  number_dispenser::model::release(block);
}
void operator delete(void* block, size_t) noexcept {
  number_dispenser::model::release(block);
}
void operator delete(void* block, std::align_val_t) noexcept {
  number_dispenser::model::release(block);
}
void operator delete(void* block, size_t, std::align_val_t) noexcept {
  number_dispenser::model::release(block);
}
