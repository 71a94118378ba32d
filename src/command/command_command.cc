// What the table says of itself: COMMAND and its subcommands, and every HELP.
#include <fmt/format.h>

#include <algorithm>
#include <expected>
#include <ranges>
#include <string>
#include <vector>

#include "handlers.h"
#include "number_dispenser/command/acl.h"
#include "number_dispenser/command/client_session.h"
#include "text.h"

namespace number_dispenser::handlers {
namespace {

struct Named {
  uint32_t bit;
  std::string_view name;
};

constexpr Named kFlagNames[] = {
    {kWrite, "write"},
    {kReadOnly, "readonly"},
    {kDenyOom, "denyoom"},
    {kAdmin, "admin"},
    {kNoScript, "noscript"},
    {kLoading, "loading"},
    {kStale, "stale"},
    {kFast, "fast"},
    {kNoAuth, "no_auth"},
    {kNoMulti, "no_multi"},
    {kAllowBusy, "allow_busy"},
    {kNoAsyncLoading, "no_async_loading"},
    {kSkipSlowLog, "skip_slowlog"},
};

std::vector<std::string_view> flags_of(const Command& row) {
  std::vector<std::string_view> names;
  for (const auto& [bit, name] : kFlagNames)
    if ((row.flags & bit) != 0) names.push_back(name);
  return names;
}

void write_set(Call& call, const std::vector<std::string_view>& names) {
  call.reply.set(names.size());
  for (const std::string_view name : names) call.reply.simple(name);
}

std::vector<std::string_view> uses_of(const Command& row) {
  std::vector<std::string_view> uses;
  for (const auto use : std::views::split(row.keys.use, ' '))
    uses.emplace_back(use.begin(), use.end());
  return uses;
}

// The key positions once more, in the shape that Redis 7 added: one range from a fixed word on.
void write_key_specs(Call& call, const Command& row) {
  ReplyWriter& reply = call.reply;
  if (row.keys.first == 0) return reply.array(0);
  reply.array(1);
  reply.map(3);
  reply.bulk("flags");
  write_set(call, uses_of(row));
  reply.bulk("begin_search");
  reply.map(2);
  reply.bulk("type");
  reply.bulk("index");
  reply.bulk("spec");
  reply.map(1);
  reply.bulk("index");
  reply.integer(row.keys.first);
  reply.bulk("find_keys");
  reply.map(2);
  reply.bulk("type");
  reply.bulk("range");
  reply.bulk("spec");
  reply.map(3);
  reply.bulk("lastkey");
  reply.integer(row.keys.last < 0 ? row.keys.last : row.keys.last - row.keys.first);
  reply.bulk("keystep");
  reply.integer(row.keys.step);
  reply.bulk("limit");
  reply.integer(0);
}

void write_row(Call& call, const Command& row) {
  ReplyWriter& reply = call.reply;
  reply.array(10);
  reply.bulk(row.name);
  reply.integer(row.arity);
  write_set(call, flags_of(row));
  reply.integer(row.keys.first);
  reply.integer(row.keys.last);
  reply.integer(row.keys.step);
  const auto categories = categories_of(row);
  reply.set(categories.size());
  for (const std::string_view category : categories) reply.simple(fmt::format("@{}", category));
  reply.array(0);  // tips
  write_key_specs(call, row);
  const auto children = subcommands_of(row);
  reply.array(children.size());
  for (const Command& child : children) write_row(call, child);
}

// The row of a name as clients write it: "client|id" for a subcommand.
const Command* row_named(std::string_view name) {
  const size_t bar = name.find('|');
  if (bar == std::string_view::npos) return find_command(name);
  const std::string_view words[] = {name.substr(0, bar), name.substr(bar + 1)};
  const Command* row = resolve_command(words);
  return row != nullptr && row->name.size() == name.size() ? row : nullptr;
}

// A container's row is some kilobytes for a word of six.
constexpr size_t kMostNames = 1024;
constexpr std::string_view kTooManyNames = "ERR too many names: at most 1022 at a time";

bool is_top_level(const Command& row) {
  return row.name.find('|') == std::string_view::npos;
}

std::vector<const Command*> top_level_rows() {
  std::vector<const Command*> rows;
  for (const Command& row : all_commands())
    if (is_top_level(row)) rows.push_back(&row);
  return rows;
}

// The row that runs a request, if that names dispensers; else Redis's error.
std::expected<const Command*, std::string_view> row_with_names(
    std::span<const std::string_view> request) {
  const Command* row = resolve_command(request);
  if (row == nullptr) return std::unexpected("ERR Invalid command specified");
  if (!has_fitting_arity(*row, request.size()))
    return std::unexpected("ERR Invalid number of arguments specified for command");
  if (row->keys.first == 0) return std::unexpected("ERR The command has no key arguments");
  return row;
}

void write_docs(Call& call, const Command& row) {
  ReplyWriter& reply = call.reply;
  const auto children = subcommands_of(row);
  reply.bulk(row.name);
  reply.map(children.empty() ? 3 : 4);
  reply.bulk("summary");
  reply.bulk(row.summary);
  reply.bulk("since");
  reply.bulk(row.since);
  reply.bulk("group");
  reply.bulk(row.group);
  if (children.empty()) return;
  reply.bulk("subcommands");
  reply.map(children.size());
  for (const Command& child : children) write_docs(call, child);
}

}  // namespace

Next command(Call& call) {
  const auto rows = top_level_rows();
  call.reply.array(rows.size());
  for (const Command* row : rows) write_row(call, *row);
  return Next::kContinue;
}

Next command_count(Call& call) {
  call.reply.integer(static_cast<int64_t>(top_level_rows().size()));
  return Next::kContinue;
}

Next command_info(Call& call) {
  if (call.words.size() > kMostNames) return error(call, kTooManyNames);
  if (call.words.size() == 2) return command(call);
  const auto names = call.words.subspan(2);
  call.reply.array(names.size());
  for (const std::string_view name : names) {
    if (const Command* row = row_named(name))
      write_row(call, *row);
    else
      call.reply.null();
  }
  return Next::kContinue;
}

Next command_docs(Call& call) {
  if (call.words.size() > kMostNames) return error(call, kTooManyNames);
  std::vector<const Command*> rows;
  for (const std::string_view name : call.words.subspan(2))
    if (const Command* row = row_named(name)) rows.push_back(row);
  if (call.words.size() == 2) rows = top_level_rows();
  call.reply.map(rows.size());
  for (const Command* row : rows) write_docs(call, *row);
  return Next::kContinue;
}

Next command_list(Call& call) {
  const auto words = call.words.subspan(2);
  std::string_view pattern = "*";
  std::string category;
  bool none = false;
  if (!words.empty()) {
    if (words.size() != 3 || !equals_ignoring_case(words[0], "filterby"))
      return error(call, "ERR syntax error");
    if (equals_ignoring_case(words[1], "pattern")) {
      pattern = words[2];
    } else if (equals_ignoring_case(words[1], "aclcat")) {
      category = lower_case(words[2]);
    } else if (equals_ignoring_case(words[1], "module")) {
      none = true;
    } else {
      return error(call, "ERR syntax error");
    }
  }
  std::vector<std::string_view> names;
  for (const Command& row : all_commands()) {
    const auto categories = categories_of(row);
    if (!none && glob_matches(pattern, row.name, false) &&
        (category.empty() || std::ranges::find(categories, category) != categories.end()))
      names.push_back(row.name);
  }
  call.reply.array(names.size());
  for (const std::string_view name : names) call.reply.bulk(name);
  return Next::kContinue;
}

Next command_getkeys(Call& call) {
  const auto request = call.words.subspan(2);
  const auto row = row_with_names(request);
  if (!row) return error(call, row.error());
  const auto names = names_in(**row, request);
  call.reply.array(names.size());
  for (const std::string_view name : names) call.reply.bulk(name);
  return Next::kContinue;
}

Next command_getkeysandflags(Call& call) {
  const auto request = call.words.subspan(2);
  const auto row = row_with_names(request);
  if (!row) return error(call, row.error());
  const auto names = names_in(**row, request);
  call.reply.array(names.size());
  for (const std::string_view name : names) {
    call.reply.array(2);
    call.reply.bulk(name);
    write_set(call, uses_of(**row));
  }
  return Next::kContinue;
}

Next help(Call& call) {
  const Command& container = *find_command(call.words[0]);
  std::vector<std::string> lines{fmt::format(
      "{} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", upper_case(container.name))};
  for (const Command& child : subcommands_of(container)) {
    const std::string title = upper_case(child.name.substr(container.name.size() + 1));
    lines.push_back(child.syntax.empty() ? title : fmt::format("{} {}", title, child.syntax));
    lines.push_back(fmt::format("    {}.", child.summary));
  }
  call.reply.array(lines.size());
  for (const std::string& line : lines) call.reply.simple(line);
  return Next::kContinue;
}

}  // namespace number_dispenser::handlers
