#include "records.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

namespace number_dispenser {
namespace {

using Json = nlohmann::ordered_json;

Json parse(std::string_view text) {
  return Json::parse(text, nullptr, false);
}

std::optional<uint64_t> number(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number_unsigned()) return std::nullopt;
  return found->get<uint64_t>();
}

std::optional<std::string> word(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

// Names of hosts and nodes are plain; whatever else comes is kept out of the log.
std::string write(const Json& object) {
  return object.dump(-1, ' ', true, Json::error_handler_t::replace);
}

}  // namespace

std::string DefinitionRecord::text() const {
  Json object{{"type", static_cast<unsigned>(definition.kind)},
              {"length", definition.length},
              {"starting", definition.starting},
              {"step", definition.step},
              {"auto_disk", strategy_of(strategy).name},
              {"changed_us", changed_us}};
  if (!imported_by.empty()) {
    object["imported_by"] = imported_by;
    object["import_next"] = import_next;
  }
  return write(object);
}

std::optional<DefinitionRecord> DefinitionRecord::read(std::string_view text) {
  const Json object = parse(text);
  if (!object.is_object()) return std::nullopt;
  const auto type = number(object, "type");
  const auto length = number(object, "length");
  const auto starting = number(object, "starting");
  const auto step = number(object, "step");
  const auto strategy = parse_strategy(word(object, "auto_disk").value_or(""));
  if (!type || !length || !starting || !step || !strategy || *type > 3 || *length > kMaxLength)
    return std::nullopt;
  const Definition definition{static_cast<Kind>(*type), static_cast<uint8_t>(*length), *starting,
                              *step};
  if (!is_valid(definition)) return std::nullopt;
  return DefinitionRecord{
      definition, *strategy, static_cast<int64_t>(number(object, "changed_us").value_or(0)),
      word(object, "imported_by").value_or(""), number(object, "import_next").value_or(0)};
}

std::string CounterRecord::text() const {
  return write({{"next", next}, {"first", first}, {"node", node}, {"run", run}});
}

std::optional<CounterRecord> CounterRecord::read(std::string_view text) {
  const Json object = parse(text);
  if (!object.is_object()) return std::nullopt;
  const auto next = number(object, "next");
  const auto first = number(object, "first");
  const auto node = word(object, "node");
  const auto run = number(object, "run");
  if (!next || !first || *first > *next || !node || !run) return std::nullopt;
  return CounterRecord{*next, *first, *node, static_cast<uint32_t>(*run)};
}

std::string NodeRecord::text() const {
  return write({{"mark", fmt::format("{:016x}", mark)}, {"epoch", epoch}, {"host", host}});
}

std::optional<NodeRecord> NodeRecord::read(std::string_view text) {
  const Json object = parse(text);
  if (!object.is_object()) return std::nullopt;
  const std::string digits = word(object, "mark").value_or("");
  const auto epoch = number(object, "epoch");
  NodeRecord record;
  const auto parsed =
      std::from_chars(digits.data(), digits.data() + digits.size(), record.mark, 16);
  if (digits.empty() || parsed.ptr != digits.data() + digits.size() || record.mark == 0 || !epoch)
    return std::nullopt;
  record.epoch = static_cast<uint32_t>(*epoch);
  record.host = word(object, "host").value_or("");
  return record;
}

}  // namespace number_dispenser
