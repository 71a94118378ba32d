// The words of an inline command, with the quoting of redis-cli and redis-server 7.0:
// "a b" with \n \r \t \b \a \xHH and \ before any other byte, 'a b' with \' only. A quote may open
// in the middle of a word; a space or the end must follow the one that closes.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

namespace number_dispenser {

// Appends the words of `line` to `words`, as views into `line` or, where there were quotes, into
// `unquoted`, which is allocated for them. False: quotes are unbalanced.
bool split_words(std::string_view line, std::vector<std::string_view>& words,
                 std::unique_ptr<char[]>& unquoted);

}  // namespace number_dispenser
