// What a request and a reply cost in bytes alone: decoding and encoding, without I/O.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "number_dispenser/base/check.h"
#include "number_dispenser/resp/buffer.h"
#include "number_dispenser/resp/decoder.h"
#include "number_dispenser/resp/reply.h"

namespace number_dispenser {
namespace {

constexpr std::string_view kGetArray = "*2\r\n$3\r\nGET\r\n$8\r\norder_id\r\n";
constexpr std::string_view kGetInline = "GET order_id\r\n";

// state.range(0) requests arrived together.
void decode(benchmark::State& state, std::string_view request) {
  std::string input;
  for (int64_t i = 0; i < state.range(0); ++i) input += request;
  RequestDecoder decoder;
  std::vector<std::string_view> arguments;
  for (auto _ : state) {
    std::string_view rest = input;
    while (!rest.empty()) {
      const auto outcome = decoder.decode(rest, arguments);
      ND_CHECK(outcome == RequestDecoder::Outcome::kRequest, "outcome {}",
               static_cast<int>(outcome));
      benchmark::DoNotOptimize(arguments.data());
      rest.remove_prefix(decoder.consumed());
    }
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(input.size()));
}
BENCHMARK_CAPTURE(decode, get_array, kGetArray)->Arg(1)->Arg(128);
BENCHMARK_CAPTURE(decode, get_inline, kGetInline)->Arg(1)->Arg(128);

// The worst way to arrive: one byte a call.
void decode_byte_by_byte(benchmark::State& state) {
  const std::string request = "*1\r\n$" + std::to_string(state.range(0)) + "\r\n" +
                              std::string(static_cast<size_t>(state.range(0)), 'x') + "\r\n";
  RequestDecoder decoder;
  std::vector<std::string_view> arguments;
  for (auto _ : state) {
    for (size_t size = 1; size <= request.size(); ++size)
      benchmark::DoNotOptimize(
          decoder.decode(std::string_view(request).substr(0, size), arguments));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(request.size()));
}
BENCHMARK(decode_byte_by_byte)->Arg(8)->Arg(65536);

// `write` appends one reply; the buffer is emptied as if sent every 128.
template <class Write>
void encode(benchmark::State& state, Write write) {
  Buffer out;
  ReplyWriter reply(out, Protocol::kResp2);
  uint64_t n = 123'456;
  for (auto _ : state) {
    write(reply, n++);
    if (n % 128 == 0) {
      benchmark::DoNotOptimize(out.view().data());
      out.consume(out.size());
    }
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK_CAPTURE(encode, bulk_number,
                  [](ReplyWriter& reply, uint64_t n) { reply.bulk_number(n, 0); });
BENCHMARK_CAPTURE(encode, bulk_number_padded,
                  [](ReplyWriter& reply, uint64_t n) { reply.bulk_number(n, 10); });
BENCHMARK_CAPTURE(encode, bulk, [](ReplyWriter& reply, uint64_t) { reply.bulk("order_id"); });
BENCHMARK_CAPTURE(encode, integer,
                  [](ReplyWriter& reply, uint64_t n) { reply.integer(static_cast<int64_t>(n)); });

}  // namespace
}  // namespace number_dispenser

BENCHMARK_MAIN();
