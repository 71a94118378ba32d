// CONFIG REWRITE's part of this layer. YAML has many ways to write the same, so the file is changed
// as text, at the places that the reader names, and then read again: what does not say exactly what
// was wanted is not written.
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "config/file.h"
#include "config/option.h"
#include "config/text.h"
#include "number_dispenser/base/replace_file.h"

namespace number_dispenser {
namespace {

using Lines = std::vector<std::string>;

Lines split_lines(const std::string& text) {
  Lines lines;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find('\n', begin), text.size() - 1) + 1;
    lines.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return lines;
}

const Option* option_with(std::string_view key) {
  const auto found = std::ranges::find(options(), key, &Option::key);
  return found == options().end() ? nullptr : &*found;
}

// Values that are set at run time have nothing that would need an escape.
std::string in_quotes(const std::string& value) {
  return fmt::format("\"{}\"", value);
}

std::string as_yaml(const std::string& value) {
  const auto is_plain = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
  };
  const bool plain = !value.empty() && std::ranges::all_of(value, is_plain);
  return plain ? value : in_quotes(value);
}

// Behind the scalar that begins at `begin` and ends on the same line.
size_t scalar_end(const std::string& line, size_t begin) {
  const char quote = line[begin];
  if (quote == '"' || quote == '\'') {
    const size_t closing = line.find(quote, begin + 1);
    return closing == std::string::npos ? line.size() : closing + 1;
  }
  const size_t comment = std::min(line.find(" #", begin), line.size());
  return line.find_last_not_of(" \t\r\n", comment - 1) + 1;
}

// The file as values: what `settings` make of the defaults. Nothing where one is refused.
std::optional<Config> config_of(const Settings& settings) {
  Config config;
  const Option* previous = nullptr;
  for (const Setting& setting : settings) {
    const bool first = std::exchange(previous, setting.option) != setting.option;
    if (!setting.option->apply(config, setting.value, first)) return std::nullopt;
  }
  return config;
}

class Rewriter {
 public:
  Rewriter(const std::string& path, const std::string& text)
      : path_(path), lines_(split_lines(text)) {
    if (!text.empty() && !text.ends_with('\n')) lines_.back() += '\n';
  }

  std::string text() const { return fmt::format("{}", fmt::join(lines_, "")); }

  // Puts one value in; the places are found anew each time, since lines move.
  bool put(std::string_view key, const std::string& value) {
    const auto parsed = parse_config_text(path_, text());
    const Option* option = option_with(key);
    if (!parsed || option == nullptr) return false;
    const auto now = config_of(parsed->settings);
    if (!now) return false;
    Config then = *now;
    if (!option->apply(then, value, true)) return false;
    if (option->show(*now) == option->show(then)) return true;
    const auto found = std::ranges::find(parsed->settings, option, &Setting::option);
    if (found != parsed->settings.end())
      change(found->value_place, value);
    else
      add(*parsed, key, value);
    return says(parsed->settings, *option, option->show(then));
  }

 private:
  void change(Setting::Place place, const std::string& value) {
    std::string& line = lines_[static_cast<size_t>(place.line)];
    const auto begin = static_cast<size_t>(place.column);
    const bool was_quoted = line[begin] == '"';
    line.replace(begin, scalar_end(line, begin) - begin,
                 was_quoted ? in_quotes(value) : as_yaml(value));
  }

  // As the first of its section, or in a new section at the end.
  void add(const ConfigText& parsed, std::string_view key, const std::string& value) {
    const size_t dot = key.find('.');
    const std::string_view section = key.substr(0, dot);
    int indent = 2;
    for (const Setting& setting : parsed.settings)
      if (setting.option->key.starts_with(key.substr(0, dot + 1)))
        indent = setting.key_place.column;
    std::string line =
        fmt::format("{:{}}{}: {}\n", "", indent, key.substr(dot + 1), as_yaml(value));
    const auto known =
        std::ranges::find(parsed.section_lines, section, &std::pair<std::string, int>::first);
    if (known != parsed.section_lines.end()) {
      lines_.insert(lines_.begin() + known->second + 1, std::move(line));
      return;
    }
    if (!lines_.empty()) lines_.emplace_back("\n");
    lines_.push_back(fmt::format("{}:\n", section));
    lines_.push_back(std::move(line));
  }

  // Whether the text means what it did before, but for `changed`, which shows as `wanted` now.
  bool says(const Settings& before, const Option& changed, const std::string& wanted) const {
    const auto after = parse_config_text(path_, text());
    const auto config = after ? config_of(after->settings) : std::nullopt;
    if (!config || changed.show(*config) != wanted) return false;
    const auto others = [&](const Settings& settings) {
      std::vector<std::pair<const Option*, std::string>> rest;
      for (const Setting& setting : settings)
        if (setting.option != &changed) rest.emplace_back(setting.option, setting.value);
      return rest;
    };
    return others(before) == others(after->settings);
  }

  const std::string& path_;
  Lines lines_;
};

}  // namespace

std::optional<std::string> rewrite_config_file(const std::string& path,
                                               std::span<const FileValue> values) {
  std::error_code fault;
  // A symbolic link stays one.
  const std::string target = std::filesystem::canonical(path, fault).string();
  if (fault) return fmt::format("{}: {}", number_dispenser::quoted(path), fault.message());
  const auto text = read_config_text(target);
  if (!text) return text.error().message;
  Rewriter rewriter(target, *text);
  for (const auto& [key, value] : values)
    if (!rewriter.put(key, value))
      return fmt::format("{} is not written so that {} can be set in it: set it to {} by hand",
                         number_dispenser::quoted(path), key, as_yaml(value));
  const std::string fresh = rewriter.text();
  if (fresh == *text) return std::nullopt;
  struct stat now {};
  const mode_t mode = ::stat(target.c_str(), &now) == 0 ? now.st_mode & 0777 : 0600;
  return replace_file(target, fresh, mode);
}

}  // namespace number_dispenser
