#include "number_dispenser/resp/buffer.h"

#include <algorithm>

namespace number_dispenser {

// Moves the bytes to the front where that makes room, if at least as many were consumed as are
// moved; else into twice the memory. So appending stays linear in the bytes appended.
void Buffer::grow(size_t bytes) {
  constexpr size_t kSmallest = 256;
  const size_t held = size();
  if (begin_ >= held && capacity_ - held >= bytes) {
    if (held != 0) std::memcpy(storage_.get(), storage_.get() + begin_, held);
  } else {
    const size_t capacity = std::max({kSmallest, capacity_ * 2, held + bytes});
    auto larger = std::make_unique_for_overwrite<char[]>(capacity);
    if (held != 0) std::memcpy(larger.get(), storage_.get() + begin_, held);
    storage_ = std::move(larger);
    capacity_ = capacity;
  }
  begin_ = 0;
  end_ = held;
}

}  // namespace number_dispenser
