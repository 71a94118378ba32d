#include "config/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <sstream>
#include <utility>

#include "config/text.h"
#include "number_dispenser/base/fd.h"

namespace number_dispenser {
namespace {

constexpr size_t kMaxFileBytes = 1 << 20;

// The keys that a section may have; for an empty prefix, the sections.
std::string names_in(std::string_view prefix) {
  std::vector<std::string_view> names;
  for (const Option& option : options()) {
    if (!option.key.starts_with(prefix)) continue;
    std::string_view name = option.key.substr(prefix.size());
    name = name.substr(0, name.find('.'));
    if (!name.empty() && std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

// Receives the parser's events: the root mapping holds sections, a section holds keys, a key one
// value or a list. Everything deeper, or elsewhere, is refused; the first refusal stands and what
// follows it is ignored. Working on events, not on a tree, sees a key that is there twice, and
// needs no memory for what is refused.
class Reader final : public YAML::EventHandler {
 public:
  explicit Reader(const std::string& path) : path_(printable(path)) {}

  // One of the two: what was read or the first refusal.
  const std::optional<Error>& error() const { return error_; }
  ConfigText take() { return {std::move(settings_), std::move(section_lines_)}; }

  void refuse(const YAML::Mark& mark, std::string_view why) {
    if (!error_) error_ = {ExitStatus::kConfiguration, fmt::format("{}: {}", place(mark), why)};
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0) refuse(mark, "a second document, or text behind the end of the first");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { node(mark, Kind::kNull, ""); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { node(mark, Kind::kAlias, ""); }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                const std::string& value) override {
    node(mark, Kind::kScalar, value);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    node(mark, Kind::kSequence, "");
  }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    node(mark, Kind::kMap, "");
  }
  void OnSequenceEnd() override { end(); }
  void OnMapEnd() override { end(); }

 private:
  enum class Kind { kNull, kScalar, kSequence, kMap, kAlias };
  // What the next event is.
  enum class Next { kRoot, kSection, kSectionContent, kKey, kValue, kItem };

  void node(const YAML::Mark& mark, Kind kind, const std::string& text) {
    if (error_) return;
    switch (next_) {
      case Next::kRoot:
        if (kind == Kind::kMap) return to(Next::kSection);
        if (kind == Kind::kNull) return;
        return refuse(mark, fmt::format("the file must be a mapping of {}", names_in("")));
      case Next::kSection:
        if (kind == Kind::kScalar) return section(mark, text);
        return refuse(mark, "a key must be a plain name");
      case Next::kSectionContent:
        if (kind == Kind::kMap) return to(Next::kKey);
        if (kind == Kind::kNull) return to(Next::kSection);
        return refuse(mark_, fmt::format("{} must be a mapping of {}", sections_.back(),
                                         names_in(sections_.back() + ".")));
      case Next::kKey:
        if (kind == Kind::kScalar) return key(mark, text);
        return refuse(mark, "a key must be a plain name");
      case Next::kValue:
        return value(mark, kind, text);
      case Next::kItem:
        if (kind == Kind::kScalar) return add(mark, text);
        return refuse(mark, fmt::format("{} must be a list of plain values", this_key()));
    }
  }

  void end() {
    if (error_) return;
    if (next_ == Next::kItem) return end_list();
    to(next_ == Next::kKey ? Next::kSection : Next::kRoot);
  }

  void section(const YAML::Mark& mark, const std::string& name) {
    if (std::ranges::none_of(options(), [&](const Option& option) {
          return option.key.substr(0, option.key.find('.')) == name && !name.empty();
        }))
      return refuse(mark,
                    fmt::format("unknown key {}; accepted are {}", quoted(name), names_in("")));
    if (std::ranges::find(sections_, name) != sections_.end())
      return refuse(mark, fmt::format("{} is there twice", name));
    sections_.push_back(name);
    section_lines_.emplace_back(name, mark.line);
    mark_ = mark;
    to(Next::kSectionContent);
  }

  void key(const YAML::Mark& mark, const std::string& name) {
    const std::string prefix = sections_.back() + ".";
    const auto option = std::ranges::find(options(), prefix + name, &Option::key);
    if (option == options().end())
      return refuse(mark, fmt::format("unknown key {}; accepted are {}", quoted(prefix + name),
                                      names_in(prefix)));
    if (std::ranges::find(keys_, &*option) != keys_.end())
      return refuse(mark, fmt::format("{} is there twice", option->key));
    keys_.push_back(&*option);
    mark_ = mark;
    to(Next::kValue);
  }

  void value(const YAML::Mark& mark, Kind kind, const std::string& text) {
    const bool is_list = keys_.back()->is_list;
    if (is_list && kind == Kind::kSequence) return to(Next::kItem);
    if (kind != Kind::kScalar) {
      return refuse(mark_,
                    fmt::format("{} must be {}", this_key(),
                                is_list ? "a plain value or a list of them" : "a plain value"));
    }
    add(mark, text);
    to(Next::kKey);
  }

  void end_list() {
    if (settings_.empty() || settings_.back().option != keys_.back())
      return refuse(mark_, fmt::format("{} must not be an empty list", this_key()));
    to(Next::kKey);
  }

  void add(const YAML::Mark& mark, const std::string& text) {
    settings_.push_back({.option = keys_.back(),
                         .value = text,
                         .where = fmt::format("{}: {}", place(mark), this_key()),
                         .key_place = {mark_.line, mark_.column},
                         .value_place = {mark.line, mark.column}});
  }

  std::string_view this_key() const { return keys_.back()->key; }
  std::string place(const YAML::Mark& mark) const {
    return fmt::format("{}:{}", path_, mark.line + 1);
  }
  void to(Next next) { next_ = next; }

  const std::string path_;
  Next next_ = Next::kRoot;
  int documents_ = 0;
  YAML::Mark mark_;                    // of the section or key being read
  std::vector<std::string> sections_;  // seen so far; the last one is being read
  std::vector<const Option*> keys_;    // likewise
  std::vector<std::pair<std::string, int>> section_lines_;
  Settings settings_;
  std::optional<Error> error_;
};

// yaml-cpp's reason. What follows a colon in it is a piece of the file, perhaps of a password.
std::string reason(const YAML::Exception& error) {
  return error.msg.substr(0, error.msg.find(':'));
}

}  // namespace

Result<std::string> read_config_text(const std::string& path) {
  const auto failed = [&] {
    return fail_errno(ExitStatus::kConfiguration,
                      fmt::format("cannot read the configuration file {}", quoted(path)), errno);
  };
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return failed();
  std::string text;
  std::array<char, 16384> chunk;
  for (;;) {
    const ssize_t got = ::read(file.get(), chunk.data(), chunk.size());
    if (got == 0) return text;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed();
    text.append(chunk.data(), static_cast<size_t>(got));
    if (text.size() > kMaxFileBytes)
      return fail(ExitStatus::kConfiguration,
                  fmt::format("the configuration file {} is larger than 1 MiB", quoted(path)));
  }
}

Result<ConfigText> parse_config_text(const std::string& path, const std::string& text) {
  Reader reader(path);
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    // Twice and not to the end: behind some errors the parser finds documents for ever.
    if (parser.HandleNextDocument(reader)) parser.HandleNextDocument(reader);
  } catch (const YAML::Exception& error) {
    reader.refuse(error.mark, fmt::format("not valid YAML: {}", reason(error)));
  }
  if (reader.error()) return std::unexpected(*reader.error());
  return reader.take();
}

Result<Settings> read_config_file(const std::string& path) {
  const auto text = read_config_text(path);
  if (!text) return std::unexpected(text.error());
  auto parsed = parse_config_text(path, *text);
  if (!parsed) return std::unexpected(parsed.error());
  return std::move(parsed->settings);
}

}  // namespace number_dispenser
