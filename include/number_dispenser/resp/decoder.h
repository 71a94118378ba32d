// Requests from bytes: RESP arrays of bulk strings and Redis's inline commands, split in any way.
// Format: redis.io "Redis serialization protocol specification"; texts and limits as
// redis-server 7.0.
//
// One decoder a connection; one thread. It remembers how far it has looked, so that a request that
// arrives byte by byte costs linear time; it reserves nothing for an announced length, and holds
// memory of its own only for the quoted words of one inline command.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace number_dispenser {

struct DecoderLimits {
  size_t inline_bytes = 64 * 1024;     // one line without its LF; also of "*..." and "$..." lines
  size_t request_bytes = 1024 * 1024;  // the whole request, and so any bulk in it
  int64_t arguments = 1024 * 1024;
  // Before a client has authenticated:
  bool authenticated = true;
  int64_t unauthenticated_arguments = 10;
  int64_t unauthenticated_bulk_bytes = 16 * 1024;
};

class RequestDecoder {
 public:
  enum class Outcome {
    kNeedMore,  // no whole request yet: call again with the same bytes and more behind them
    kRequest,   // `arguments` holds it (at least one); drop consumed() bytes
    kError,     // error() goes to the client as an error reply, then the connection closes
    kAbort,     // close at once without a reply: an HTTP client is talking to us
  };

  // `input` starts with the first byte not yet consumed (it may have moved in memory since the last
  // call): the caller drops consumed() bytes after each call. The views in `arguments` point into
  // `input` or into this decoder and are good until the next call or until `input` moves; there are
  // none unless it returns kRequest. Blank lines, `*0` and `*-1` are passed over: they may make
  // consumed() non-zero with kNeedMore as well. Not to be called again after kError or kAbort.
  // To be called until kNeedMore, be it with nothing left: that frees what a quoted command held.
  //
  // A client makes the caller hold at most request_bytes + inline_bytes + 2 for one request.
  // As in redis-server, the two bytes behind a bulk and the one behind a header's CR are not looked
  // at. Unlike there, a NUL in a line is a byte like any other.
  Outcome decode(std::string_view input, std::vector<std::string_view>& arguments);

  size_t consumed() const { return consumed_; }
  // Without the leading "-", as "ERR Protocol error: ..."; good as long as this decoder.
  std::string_view error() const { return error_; }
  // May be changed between calls.
  DecoderLimits& limits() { return limits_; }

 private:
  struct Header;
  enum class State { kLength, kPartial, kTooLong, kWrongType, kNoNumber };  // of a header line

  Outcome read_array(std::string_view input, std::vector<std::string_view>& arguments);
  Outcome read_bulks(std::string_view input, std::vector<std::string_view>& arguments);
  Outcome read_inline(std::string_view input, std::vector<std::string_view>& arguments);
  Header read_header(std::string_view input, size_t start, char type);
  Header search_header(std::string_view input, size_t start, char type);
  size_t find_in_line(std::string_view input, size_t start, char wanted);
  Outcome refuse_bulk(State state, std::string_view input, size_t start);
  Outcome fail(std::string_view text);
  Outcome fail_type(char got);
  void finish(size_t bytes);

  size_t consumed_ = 0;
  // Offsets from the first byte of the request that is under way:
  size_t position_ = 0;  // of the first bulk that is not there as a whole; 0: not even the "*" line
  size_t looked_ = 0;    // the line at or behind position_ does not end before this
  int64_t bulks_left_ = 0;
  std::unique_ptr<char[]> owned_;  // unquoted words, or the text of an error
  std::string_view error_;
  DecoderLimits limits_;
};

}  // namespace number_dispenser
