// config …, doctor, backup restore (check.h).
#include "app/check.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iostream>

#include "app/options.h"
#include "base/text.h"
#include "config/schema.h"
#include "run/disk.h"
#include "run/system.h"
#include "store/store.h"

namespace goniec {

namespace {

std::string json_of(const ConfigProblems& problems) {
  JsonWriter w;
  w.array();
  for (const auto& problem : problems) {
    w.object()
        .key("file")
        .text(problem.file)
        .key("line")
        .number(problem.line)
        .key("message")
        .text(problem.what)
        .end();
  }
  w.end();
  return std::move(w).take() + "\n";
}

// TOML values of the settings are strings, numbers, booleans and lists of them: nearly JSON. Shown
// as text.
std::string json_of(const LoadedConfig& loaded, bool effective) {
  JsonWriter w;
  w.array();
  for (const auto& setting : loaded.settings) {
    if (setting.value.empty() || (setting.line == 0 && !effective)) continue;
    w.object().key("key").text(setting.key).key("value").text(setting.value).key("line");
    if (setting.line == 0) {
      w.null();
    } else {
      w.number(setting.line);
    }
    w.key("default").boolean(setting.line == 0).end();
  }
  w.end();
  return std::move(w).take() + "\n";
}

}  // namespace

int run_config_test(const Common& common) {
  auto loaded = load_config(common.config_file);
  const auto problems = loaded ? check_config(loaded->config) : loaded.error();
  if (common.json) {
    print(json_of(problems));
  } else if (problems.empty()) {
    print(fmt::format("{}: ok\n", common.config_file));
  } else {
    std::cerr << text_of(problems);
  }
  return problems.empty() ? exit_done : exit_config;
}

int run_config_show(const Common& common, bool effective) {
  const auto loaded = config_of(common);
  if (!loaded) return loaded.error();
  print(common.json ? json_of(*loaded, effective)
                    : show_config(*loaded, effective ? ShowMode::effective : ShowMode::given));
  return exit_done;
}

int run_config_explain(const Common& common, const ExplainOptions& options) {
  if (options.all) {
    if (options.markdown) {
      print(schema_as_markdown());
      return exit_done;
    }
    for (const auto& option : schema()) print(*explain_option(option.key) + "\n");
    return exit_done;
  }
  if (options.key.empty())
    return print_error({ErrorKind::usage, "which key? e.g. goniec config explain limits.idle"});
  const auto text = explain_option(options.key);
  if (!text) {
    const auto dot = options.key.rfind('.');
    const auto table = dot == std::string::npos ? std::string() : options.key.substr(0, dot);
    const auto name = dot == std::string::npos ? options.key : options.key.substr(dot + 1);
    return print_error(
        {ErrorKind::usage, fmt::format("there is no option {}; {}", printable(options.key, 80),
                                       hint_for(table, name))});
  }
  print(*text);
  // What is in force, when there is a config to look at.
  const auto loaded = load_config(common.config_file);
  if (!loaded) return exit_done;
  for (const auto& setting : loaded->settings) {
    std::string key;  // without the numbers of array tables
    for (const auto part : split(setting.key, '.')) {
      if (!parse_unsigned(part)) key += (key.empty() ? "" : ".") + std::string(part);
    }
    if (key != options.key || setting.value.empty()) continue;
    print(fmt::format(
        "  now      {}  ({})\n", setting.value,
        setting.line == 0 ? "default" : fmt::format("{}:{}", common.config_file, setting.line)));
  }
  return exit_done;
}

int run_config_diff(const Common& common, const std::string& other) {
  const auto before = config_of(common);
  if (!before) return before.error();
  Common second = common;
  second.config_file = other;
  const auto after = config_of(second);
  if (!after) return after.error();
  const auto value_of = [](const LoadedConfig& loaded, const std::string& key) {
    const auto found = std::ranges::find(loaded.settings, key, &Setting::key);
    return found == loaded.settings.end() ? std::string() : found->value;
  };
  std::vector<std::string> keys;
  for (const auto& setting : before->settings) keys.push_back(setting.key);
  for (const auto& setting : after->settings) {
    if (std::ranges::find(keys, setting.key) == keys.end()) keys.push_back(setting.key);
  }
  JsonWriter w;
  w.array();
  std::string text;
  for (const auto& key : keys) {
    const auto old_value = value_of(*before, key), new_value = value_of(*after, key);
    if (old_value == new_value) continue;
    if (!old_value.empty()) text += fmt::format("- {} = {}\n", key, old_value);
    if (!new_value.empty()) text += fmt::format("+ {} = {}\n", key, new_value);
    w.object()
        .key("key")
        .text(key)
        .key("before")
        .text(old_value)
        .key("after")
        .text(new_value)
        .end();
  }
  w.end();
  print(common.json ? std::move(w).take() + "\n" : text);
  return text.empty() ? exit_done : exit_check_said_no;
}

// ---------------------------------------------------------------- doctor
namespace {

// What was looked at, one line each; the worst decides the exit code.
class Checkup {
 public:
  void well(std::string_view what, std::string text) { add(what, "ok", std::move(text)); }
  void wrong(std::string_view what, std::string text, int code = exit_check_said_no) {
    add(what, "wrong", std::move(text));
    code_ = std::max(code_, code);
  }
  int finish(const Common& common) {
    rows_.end();
    print(common.json ? std::move(rows_).take() + "\n" : text_);
    return code_;
  }

 private:
  void add(std::string_view what, std::string_view state, std::string text) {
    text_ += fmt::format("{:<6} {:<10} {}\n", state, what, text);
    if (first_) rows_.array();
    first_ = false;
    rows_.object().key("check").text(what).key("state").text(state).key("message").text(text).end();
  }
  std::string text_;
  JsonWriter rows_;
  bool first_ = true;
  int code_ = exit_done;
};

// Names, dates and whether key and certificate belong together.
void look_at_certificates(Checkup& findings, const Config& config) {
  SystemDisk disk;
  SystemClock clock;
  constexpr auto soon = std::chrono::days(14);
  for (const auto& files : certificate_files(config)) {
    const auto loaded = load_certificates(disk, {files});
    if (!loaded) {
      findings.wrong("certificate", loaded.error().message);
      continue;
    }
    const auto& facts = loaded->in_use.front().facts;
    const auto left = facts.not_after - clock.now();
    const auto text = fmt::format("{} for {}: until {}", files.certificate,
                                  fmt::join(facts.names, ", "), to_rfc3339(facts.not_after));
    if (left < soon) {
      findings.wrong("certificate",
                     text + (left < left.zero() ? ": it has expired; renew it" : ": renew it now"));
    } else {
      findings.well("certificate", text);
    }
  }
}

void look_at_store(Checkup& findings, const Config& config) {
  std::error_code ignored;
  if (!std::filesystem::exists(config.storage.path, ignored)) {
    findings.well("store",
                  config.storage.path + " does not exist yet: it is made at the first start");
    return;
  }
  SystemDisk disk;
  SystemClock clock;
  const auto store = open_sqlite_store(store_options(config, null_log()), disk, clock);
  if (!store) {
    findings.wrong("store", store.error().message, exit_code(store.error().kind));
    return;
  }
  const auto health = (*store)->health();
  if (health.full) {
    findings.wrong("store",
                   fmt::format("{}: the disk is full, {} left", config.storage.path,
                               size_text(static_cast<std::int64_t>(health.space.free_octets))));
    return;
  }
  findings.well("store",
                fmt::format("{}: opens and is whole, {} free", config.storage.path,
                            size_text(static_cast<std::int64_t>(health.space.free_octets))));
}

int salvage_into(const Common& common, const Config& config, const std::string& directory) {
  SystemDisk disk;
  SystemClock clock;
  const auto report =
      salvage_store(store_options(config, null_log()), absolute_path(directory), disk, clock);
  if (!report) return print_error(report.error());
  JsonWriter w;
  w.object()
      .key("whole")
      .number(report->whole)
      .key("damaged")
      .number(report->damaged)
      .key("lines")
      .array();
  for (const auto& line : report->lines) w.text(line);
  w.end().end();
  if (common.json) {
    print(std::move(w).take() + "\n");
    return exit_done;
  }
  for (const auto& line : report->lines) print(line + "\n");
  print(fmt::format("{} messages saved into {}, {} damaged; the old store is kept as it is\n",
                    report->whole, absolute_path(directory), report->damaged));
  return exit_done;
}

}  // namespace

int run_doctor(const Common& common, const std::string& salvage) {
  if (!salvage.empty()) {
    const auto loaded = config_of(common);
    return loaded ? salvage_into(common, loaded->config, salvage) : loaded.error();
  }
  Checkup findings;
  const auto loaded = load_config(common.config_file);
  if (!loaded) {
    for (const auto& problem : loaded.error())
      findings.wrong("config", problem.text(), exit_config);
    return findings.finish(common);
  }
  findings.well("config", common.config_file);
  for (const auto& problem : check_config(loaded->config)) findings.wrong("files", problem.text());
  look_at_certificates(findings, loaded->config);
  const auto status = ServerClient(loaded->config.admin_socket()).call("GET", "/api/v1/status");
  if (status) {
    findings.well("server", fmt::format("runs, pid {}", status->integer_at("pid")));
    if (const auto store = status->text_at("store"); store == "ok") {
      findings.well("store", "ok");
    } else {
      findings.wrong("store", fmt::format("{} {}", store, status->text_at("store_reason")));
    }
  } else if (status.error().kind == ErrorKind::not_running) {
    findings.well("server", "does not run");
    look_at_store(findings, loaded->config);
  } else {
    findings.wrong("server", status.error().message, exit_code(status.error().kind));
  }
  return findings.finish(common);
}

int run_backup_restore(const Common& common, const std::string& directory) {
  const auto loaded = config_of(common);
  if (!loaded) return loaded.error();
  SystemDisk disk;
  const auto& path = loaded->config.storage.path;
  const auto restored =
      restore_backup(absolute_path(directory), store_options(loaded->config, null_log()), disk);
  if (!restored) return print_error(restored.error());
  print(common.json ? std::string("{\"done\":true}\n")
                    : fmt::format("restored into {}; next: goniec serve\n", path));
  return exit_done;
}

}  // namespace goniec
