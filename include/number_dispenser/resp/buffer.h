// Bytes on their way to a client: appended at the end, consumed at the front, contiguous, so that
// one send carries all of it. Owned by one connection; one thread.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

#include "number_dispenser/base/check.h"

namespace number_dispenser {

class Buffer {
 public:
  // Room for at least `bytes` more; write there, then commit(). Good until the next call.
  char* reserve(size_t bytes) {
    if (capacity_ - end_ < bytes) [[unlikely]]
      grow(bytes);
    return storage_.get() + end_;
  }
  void commit(size_t bytes) {
    ND_CHECK(bytes <= capacity_ - end_, "{} of {}", bytes, capacity_ - end_);
    end_ += bytes;
  }
  void append(std::string_view bytes) {
    if (bytes.empty()) return;  // memcpy takes no nullptr, not even for nothing
    std::memcpy(reserve(bytes.size()), bytes.data(), bytes.size());
    end_ += bytes.size();
  }
  void consume(size_t bytes) {
    ND_CHECK(bytes <= size(), "{} of {}", bytes, size());
    begin_ += bytes;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  // Drops the last `size() - bytes` bytes.
  void truncate(size_t bytes) {
    ND_CHECK(bytes <= size(), "{} of {}", bytes, size());
    end_ = begin_ + bytes;
  }
  // Gives the memory back; for connections that have become idle.
  void release() {
    storage_.reset();
    begin_ = end_ = capacity_ = 0;
  }

  size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  size_t capacity() const { return capacity_; }
  std::string_view view() const { return {storage_.get() + begin_, size()}; }

 private:
  void grow(size_t bytes);

  std::unique_ptr<char[]> storage_;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t capacity_ = 0;
};

}  // namespace number_dispenser
