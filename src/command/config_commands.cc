// CONFIG: the settings, from their table.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "handlers.h"
#include "number_dispenser/base/log.h"
#include "number_dispenser/command/client_session.h"
#include "settings.h"
#include "text.h"

namespace number_dispenser::handlers {
namespace {

Next set_failed(Call& call, std::string_view name, std::string_view why) {
  return error(call, fmt::format("ERR CONFIG SET failed (possibly related to argument '{}') - {}",
                                 printable(name), why));
}

}  // namespace

Next config_get(Call& call) {
  const auto globs = call.words.subspan(2);
  std::vector<const RuntimeSetting*> shown;
  for (const RuntimeSetting& setting : runtime_settings())
    if (setting.get != nullptr && std::ranges::any_of(globs, [&](std::string_view glob) {
          return glob_matches(glob, setting.name, false);
        }))
      shown.push_back(&setting);
  call.reply.map(shown.size());
  for (const RuntimeSetting* setting : shown) {
    call.reply.bulk(setting->name);
    call.reply.bulk(setting->get(call.client.context()));
  }
  return Next::kContinue;
}

// All or nothing: every value becomes a change first, and then they are made.
Next config_set(Call& call) {
  const auto words = call.words.subspan(2);
  if (words.size() % 2 != 0) return error(call, "ERR syntax error");
  std::vector<const RuntimeSetting*> named;
  for (size_t at = 0; at < words.size(); at += 2) {
    const RuntimeSetting* setting = find_runtime_setting(words[at]);
    if (setting == nullptr)
      return error(call,
                   fmt::format("ERR Unknown option or number of arguments for CONFIG SET - '{}'",
                               printable(words[at])));
    if (setting->prepare == nullptr)
      return set_failed(call, words[at], "can't set immutable config");
    if (std::ranges::find(named, setting) != named.end())
      return set_failed(call, words[at], "duplicate parameter");
    named.push_back(setting);
  }
  std::vector<RuntimeSetting::Change> changes;
  for (size_t at = 0; at < named.size(); ++at) {
    auto prepared = named[at]->prepare(call.client.context(), words[2 * at + 1]);
    if (!prepared) return set_failed(call, words[2 * at], prepared.error());
    changes.push_back(std::move(*prepared));
  }
  for (const auto& change : changes) change(call.client.context());
  return ok(call);
}

Next config_rewrite(Call& call) {
  const CommandContext& context = call.client.context();
  if (!context.rewrite_config)
    return error(call, "ERR The server is running without a config file");
  std::vector<FileValue> values;
  for (const RuntimeSetting& setting : runtime_settings()) {
    if (setting.key.empty()) continue;
    const auto value = setting.file_value != nullptr ? setting.file_value : setting.get;
    values.emplace_back(setting.key, value(context));
  }
  if (const auto fault = context.rewrite_config(values)) {
    log_warn("CONFIG REWRITE failed: {}", *fault);
    return error(call, fmt::format("ERR Rewriting config file: {}", *fault));
  }
  log_info("CONFIG REWRITE: {} is up to date", context.facts.config_file);
  return ok(call);
}

Next config_resetstat(Call& call) {
  CommandContext& context = call.client.context();
  for (auto& loop : context.loops) loop.commands->reset();
  context.traffic.reset(context.loop_totals());
  return ok(call);
}

}  // namespace number_dispenser::handlers
