// Whatever a stranger sends instead of a handshake: the same outcome however it is split, nothing
// said in the clear, and no more kept than was sent.
//
// The first byte chooses the size of the pieces.
#include <cstdint>
#include <string>
#include <string_view>

#include "../support/certificate.h"
#include "../support/temporary_directory.h"
#include "number_dispenser/base/check.h"
#include "number_dispenser/tls/context.h"

namespace number_dispenser {
namespace {

const TlsContext& context() {
  static const TlsContext made = [] {
    const testing_support::TemporaryDirectory folder;
    auto settings = testing_support::make_certificate(folder.path(), "server");
    // Its messages are read too.
    settings.ca_cert_file = settings.cert_file;
    settings.auth_clients = TlsAuthClients::kYes;
    auto created = TlsContext::create(settings);
    ND_CHECK(created, "{}", created.error().message);
    return std::move(*created);
  }();
  return made;
}

// The outcome and why.
std::string outcome_of(std::string_view bytes, size_t piece) {
  const auto stream = context().open();
  Buffer plain;
  auto outcome = TlsStream::Outcome::kOpen;
  for (size_t at = 0; at < bytes.size() && outcome == TlsStream::Outcome::kOpen; at += piece)
    outcome = stream->receive(bytes.substr(at, piece), plain);
  ND_CHECK(plain.empty() && !stream->established(), "{} bytes in the clear", plain.size());
  ND_CHECK(!stream->end(), "an end before the handshake");
  ND_CHECK((outcome == TlsStream::Outcome::kFailed) == !stream->fault().empty(), "'{}'",
           stream->fault());
  return std::to_string(static_cast<int>(outcome)) + stream->fault();
}

}  // namespace
}  // namespace number_dispenser

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace number_dispenser;
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string whole = outcome_of(bytes, bytes.size() + 1);
  const std::string split = outcome_of(bytes, 1 + data[0] % 64);
  ND_CHECK(whole == split, "'{}' and '{}'", whole, split);
  return 0;
}
