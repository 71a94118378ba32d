// Puts a text into a file in one step: whoever reads it, also after a crash, finds the old text or
// the new one.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

namespace number_dispenser {

// By way of a new file beside it, PATH.new, with the permissions `mode`. The reason why not, or
// nothing.
std::optional<std::string> replace_file(const std::string& path, std::string_view text,
                                        mode_t mode);

}  // namespace number_dispenser
