// The bytes of one batch of requests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace number_dispenser::bench {

struct RequestOptions {
  std::string command = "INCR";  ///< a command with one argument, the key
  std::string key_prefix = "bench:";
  uint32_t keys = 1;      ///< 1 to kMaxKeys; keys are key_prefix + a number of fixed width
  uint32_t pipeline = 1;  ///< requests in a batch, 1 to kMaxPipeline
};

inline constexpr uint32_t kMaxKeys = 100'000;
inline constexpr uint32_t kMaxPipeline = 10'000;

/// Batches of encoded requests over all keys in turn. Encoded once: a batch that starts at any key
/// is one contiguous piece of the same text, so sending it costs nothing but the send. Immutable.
class Requests {
 public:
  static std::expected<Requests, std::string> create(const RequestOptions& options);

  /// The batch whose first request is for key `first_key` (below keys()).
  std::string_view batch(uint32_t first_key) const;
  /// The key after the last one of that batch.
  uint32_t key_after(uint32_t first_key) const { return (first_key + pipeline_) % keys_; }
  uint32_t keys() const { return keys_; }
  uint32_t pipeline() const { return pipeline_; }

 private:
  explicit Requests(const RequestOptions& options);

  uint32_t keys_;
  uint32_t pipeline_;
  size_t request_bytes_ = 0;
  std::string text_;
};

}  // namespace number_dispenser::bench
