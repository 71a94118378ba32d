#include "load_requests.h"

namespace number_dispenser::bench {
namespace {

void append_bulk(std::string& out, std::string_view text) {
  out.append("$").append(std::to_string(text.size())).append("\r\n");
  out.append(text).append("\r\n");
}

/// All keys have the same length, so that all requests have.
std::string key_name(const RequestOptions& options, uint32_t index) {
  const std::string number = std::to_string(index);
  const size_t width = std::to_string(options.keys - 1).size();
  return options.key_prefix + std::string(width - number.size(), '0') + number;
}

}  // namespace

std::expected<Requests, std::string> Requests::create(const RequestOptions& options) {
  if (options.keys < 1 || options.keys > kMaxKeys) {
    return std::unexpected("--keys: 1 to " + std::to_string(kMaxKeys));
  }
  if (options.pipeline < 1 || options.pipeline > kMaxPipeline) {
    return std::unexpected("--pipeline: 1 to " + std::to_string(kMaxPipeline));
  }
  return Requests(options);
}

Requests::Requests(const RequestOptions& options)
    : keys_(options.keys), pipeline_(options.pipeline) {
  // A batch that starts at the last key reaches pipeline - 1 requests beyond one round of keys.
  const uint32_t requests = keys_ + pipeline_ - 1;
  for (uint32_t i = 0; i < requests; ++i) {
    text_.append("*2\r\n");
    append_bulk(text_, options.command);
    append_bulk(text_, key_name(options, i % keys_));
  }
  request_bytes_ = text_.size() / requests;
}

std::string_view Requests::batch(uint32_t first_key) const {
  return std::string_view(text_).substr(first_key * request_bytes_, pipeline_ * request_bytes_);
}

}  // namespace number_dispenser::bench
