#include "reference.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ranges>
#include <string_view>
#include <vector>

#include "number_dispenser/base/text.h"
#include "number_dispenser/command/acl.h"
#include "number_dispenser/command/command.h"
#include "number_dispenser/config/accepted.h"

namespace number_dispenser {
namespace {

using Json = nlohmann::ordered_json;
using Rows = std::vector<const Command*>;

// As it is typed: "CLIENT ID".
std::string typed_name(const Command& command) {
  std::string name = upper_case(command.name);
  std::ranges::replace(name, '|', ' ');
  return name;
}

std::string usage(const Command& command) {
  return fmt::format("{}{}{}", typed_name(command), command.syntax.empty() ? "" : " ",
                     command.syntax);
}

// A container's row, with its subcommands after it; or one row.
Result<Rows> rows_named(std::span<const std::string> names) {
  const std::vector<std::string_view> words(names.begin(), names.end());
  Rows rows;
  const Command* const command = words.size() <= 2 ? find_command(words.front()) : nullptr;
  if (command != nullptr && words.size() == 1) {
    rows.push_back(command);
    for (const Command& sub : subcommands_of(*command)) rows.push_back(&sub);
  } else if (command != nullptr) {
    const Command* const sub = resolve_command(words);
    if (sub != nullptr && sub != command) rows.push_back(sub);
  }
  if (rows.empty())
    return fail(ExitStatus::kUsage,
                fmt::format("there is no command {}; number-dispenser commands lists them",
                            fmt::join(names, " ")));
  return rows;
}

Result<Rows> rows_asked_for(std::span<const std::string> names) {
  if (!names.empty()) return rows_named(names);
  Rows rows;
  for (const Command& command : all_commands()) rows.push_back(&command);
  return rows;
}

std::string in_full(const Command& command) {
  return fmt::format(
      "{}\n"
      "  summary     {}\n"
      "  reply       {}\n"
      "  group       {}, as in Redis {}\n"
      "  categories  @{}\n",
      usage(command), command.summary, command.reply, command.group, command.since,
      fmt::join(categories_of(command), " @"));
}

std::string as_list(const Rows& rows) {
  std::string text;
  for (const Command* row : rows) {
    if (row->handler != nullptr) text += fmt::format("{}\n    {}\n", usage(*row), row->summary);
  }
  return text;
}

Json as_json(const Command& command) {
  Json json{{"name", typed_name(command)}, {"syntax", command.syntax},
            {"summary", command.summary},  {"reply", command.reply},
            {"group", command.group},      {"since", command.since},
            {"arity", command.arity},      {"categories", categories_of(command)}};
  if (command.handler == nullptr) json["container"] = true;
  return json;
}

Json command_line_as_json() {
  Json line{{"commands", Json::array()}, {"options", Json::array()}};
  for (const auto& [name, help] : accepted_commands())
    line["commands"].push_back({{"name", name}, {"help", help}});
  for (const auto& [name, letter, value_name, help, commands] : accepted_options()) {
    Json option{{"name", name}, {"value", value_name}, {"help", help}, {"commands", commands}};
    if (letter != 0) option["letter"] = std::string(1, letter);
    line["options"].push_back(option);
  }
  return line;
}

}  // namespace

Result<std::string> describe_commands(std::span<const std::string> names) {
  const auto rows = rows_asked_for(names);
  if (!rows) return std::unexpected(rows.error());
  return rows->size() == 1 ? in_full(*rows->front()) : as_list(*rows);
}

Result<std::string> describe_commands_as_json(std::span<const std::string> names) {
  const auto rows = rows_asked_for(names);
  if (!rows) return std::unexpected(rows.error());
  Json json{{"commands", Json::array()}};
  for (const Command* row : *rows) json["commands"].push_back(as_json(*row));
  if (names.empty()) json["command_line"] = command_line_as_json();
  return json.dump(2) + "\n";
}

}  // namespace number_dispenser
