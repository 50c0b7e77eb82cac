// See config_page.h.
#include "app/config_page.h"

#include <filesystem>
#include <map>

#include "base/json.h"
#include "base/text.h"
#include "config/schema.h"

namespace goniec {

namespace {

// The option of "listener.1.address" is "listener.address".
const OptionSpec* option_of(std::string_view key) {
  std::string bare;
  for (const auto part : split(key, '.')) {
    if (!parse_unsigned(part)) bare += (bare.empty() ? "" : ".") + std::string(part);
  }
  return find_option(bare);
}

std::map<std::string, std::string> values_of(const std::vector<Setting>& settings) {
  std::map<std::string, std::string> values;
  for (const auto& setting : settings) {
    if (!setting.value.empty()) values.emplace(setting.key, setting.value);
  }
  return values;
}

void write_changes(JsonWriter& w, const std::map<std::string, std::string>& now,
                   const std::map<std::string, std::string>& then) {
  const auto write = [&w](const std::string& key, std::string_view before, std::string_view after) {
    w.object().key("key").text(key).key("now").text(before).key("then").text(after).end();
  };
  for (const auto& [key, value] : now) {
    const auto found = then.find(key);
    if (found == then.end()) {
      write(key, value, "");
    } else if (found->second != value) {
      write(key, value, found->second);
    }
  }
  for (const auto& [key, value] : then) {
    if (!now.contains(key)) write(key, "", value);
  }
}

}  // namespace

std::string retention_json(const LoadedConfig& in_force) {
  constexpr std::string_view table = "retention.";
  JsonWriter w;
  w.object();
  for (const Setting& each : in_force.settings) {
    if (!each.key.starts_with(table)) continue;
    std::string_view value = each.value;
    if (value.size() >= 2 && value.front() == '"') value = value.substr(1, value.size() - 2);
    w.key(std::string_view(each.key).substr(table.size())).text(value);
  }
  w.end();
  return std::move(w).take();
}

std::map<std::string, std::uint64_t> storage_octets(const std::string& path) {
  std::map<std::string, std::uint64_t> kinds;
  const auto count = [](const std::filesystem::directory_entry& entry) -> std::uint64_t {
    std::error_code error;
    if (!entry.is_regular_file(error) || error) return 0;
    const auto octets = entry.file_size(error);
    return error ? 0 : octets;
  };
  std::error_code error;
  for (std::filesystem::directory_iterator at(path, error), end; !error && at != end;
       at.increment(error)) {
    const std::string name = at->path().filename();
    std::error_code inside;
    if (!at->is_directory(inside)) {
      const bool is_database = name.starts_with("goniec.db");
      const bool is_hooks = name.starts_with("hooks.db");
      kinds[is_database ? "database" : is_hooks ? "webhooks" : "other"] += count(*at);
      continue;
    }
    for (std::filesystem::directory_iterator file(at->path(), inside); !inside && file != end;
         file.increment(inside))
      kinds[name] += count(*file);
  }
  std::erase_if(kinds, [](const auto& each) { return each.second == 0; });
  return kinds;
}

std::string settings_json(const LoadedConfig& in_force) {
  JsonWriter w;
  w.array();
  for (const auto& setting : in_force.settings) {
    if (setting.value.empty()) continue;
    w.object().key("key").text(setting.key).key("value").text(setting.value).key("line");
    if (setting.line == 0) {
      w.null();
    } else {
      w.number(setting.line).key("file").text(in_force.config.file);
    }
    w.key("default").boolean(setting.line == 0);
    if (const auto* option = option_of(setting.key)) w.key("sentence").text(option->sentence);
    w.end();
  }
  w.end();
  return std::move(w).take();
}

std::string config_file_json(const std::string& file, const std::vector<Setting>& in_force) {
  const auto loaded = load_config(file);
  const auto problems = loaded ? check_config(loaded->config) : loaded.error();
  JsonWriter w;
  w.object().key("file").text(file).key("problems").array();
  for (const auto& problem : problems) {
    w.object().key("file").text(problem.file).key("line").number(problem.line);
    w.key("message").text(problem.what).end();
  }
  w.end().key("changes").array();
  if (loaded) write_changes(w, values_of(in_force), values_of(loaded->settings));
  w.end().end();
  return std::move(w).take();
}

}  // namespace goniec
