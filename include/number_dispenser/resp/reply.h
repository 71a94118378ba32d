// Replies to bytes, in RESP2 or RESP3, appended to a Buffer. No I/O. One thread.
//
// Types that RESP2 lacks are written as redis-server writes them there: a map as a flat array, a
// verbatim string as a bulk string, a boolean as an integer, a null as a null bulk string.
#pragma once

#include <cstdint>
#include <string_view>

#include "number_dispenser/resp/buffer.h"

namespace number_dispenser {

enum class Protocol : uint8_t { kResp2 = 2, kResp3 = 3 };

class ReplyWriter {
 public:
  ReplyWriter(Buffer& out, Protocol protocol) : out_(out), protocol_(protocol) {}

  // In both, CR and LF become spaces.
  void simple(std::string_view text);  // +text
  void error(std::string_view text);   // -text; begins with its code ("ERR ...")
  void integer(int64_t value);
  void bulk(std::string_view bytes);
  // The number in decimal as a bulk string, padded with zeros on the left to `width` digits
  // (0..19).
  void bulk_number(uint64_t value, unsigned width);
  void verbatim(std::string_view text);  // =txt:
  void null();
  void null_array();  // *-1 in RESP2
  void boolean(bool value);
  void array(size_t elements);  // then so many replies
  void map(size_t pairs);       // then twice as many replies
  void set(size_t elements);
  void push(size_t elements);  // RESP3 only; an array in RESP2

 private:
  void header(char type, int64_t value);
  void line(char type, std::string_view text);

  Buffer& out_;
  Protocol protocol_;
};

}  // namespace number_dispenser
