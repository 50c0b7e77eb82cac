// `goniec config test`: the files that a config names, and `config show` (config.h).
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/text.h"
#include "config/bounce_rules.h"
#include "config/config.h"
#include "config/schema.h"

namespace goniec {

namespace {

// What is wrong with reading `path`; "" = nothing.
std::string unreadable(const std::string& path) {
  struct stat facts{};
  if (::stat(path.c_str(), &facts) != 0) return fmt::format("{}: {}", path, std::strerror(errno));
  if (S_ISDIR(facts.st_mode)) return fmt::format("{} is a folder", path);
  if (::access(path.c_str(), R_OK) != 0) return fmt::format("{}: {}", path, std::strerror(errno));
  return {};
}

void check_file(ConfigProblems& problems, const Config& config, unsigned line,
                std::string_view option, const std::string& path) {
  if (path.empty()) return;
  if (auto why = unreadable(path); !why.empty()) {
    problems.push_back({config.file, line,
                        fmt::format("{}: {}; fix: make it readable or name another", option, why)});
  }
}

void check_password_file(ConfigProblems& problems, const Config& config, const RouteOption& route) {
  if (route.password_file.empty()) return;
  const auto before = problems.size();
  check_file(problems, config, route.line, "route.password_file", route.password_file);
  if (problems.size() != before) return;
  struct stat facts{};
  if (::stat(route.password_file.c_str(), &facts) == 0 && (facts.st_mode & S_IROTH)) {
    problems.push_back(
        {config.file, route.line,
         fmt::format("route.password_file: everybody may read {0}; fix: chmod 640 {0}",
                     route.password_file)});
  }
  std::ifstream in(route.password_file);
  std::string first;
  if (!std::getline(in, first) || first.empty()) {
    problems.push_back(
        {config.file, route.line,
         fmt::format("route.password_file: the first line of {} is empty", route.password_file)});
  }
}

}  // namespace

ConfigProblems check_config(const Config& config) {
  ConfigProblems problems;
  for (const auto& pair : config.certificates) {
    const bool first = pair.certificate == config.tls.certificate;
    check_file(problems, config, pair.line, first ? "tls.certificate" : "certificate.certificate",
               pair.certificate);
    check_file(problems, config, pair.line, first ? "tls.key" : "certificate.key", pair.key);
  }
  check_file(problems, config, 0, "resolver.trust_anchor", config.resolver.trust_anchor);
  check_file(problems, config, 0, "delivery.roots", config.delivery.roots);
  for (const auto& file : config.local.aliases)
    check_file(problems, config, 0, "local.aliases", file);
  if (const auto rules = load_bounce_rules(config.bounces.rules); !rules)
    problems.insert(problems.end(), rules.error().begin(), rules.error().end());
  for (const auto& route : config.routes) check_password_file(problems, config, route);
  std::error_code ignored;
  if (std::filesystem::exists(config.storage.path, ignored) &&
      !std::filesystem::is_directory(config.storage.path, ignored)) {
    problems.push_back(
        {config.file, 0, fmt::format("storage.path: {} is not a folder", config.storage.path)});
  }
  return problems;
}

std::string show_config(const LoadedConfig& loaded, ShowMode mode) {
  std::string out;
  std::string open;  // the table that is being written
  for (const auto& setting : loaded.settings) {
    const auto dot = setting.key.rfind('.');
    const auto table = dot == std::string::npos ? std::string() : setting.key.substr(0, dot);
    const bool is_default = setting.line == 0;
    if (setting.value.empty() || (is_default && mode == ShowMode::given)) continue;
    if (table != open) {
      open = table;
      const auto number = table.find('.');
      out += number == std::string::npos ? fmt::format("[{}]\n", table)
                                         : fmt::format("[[{}]]\n", table.substr(0, number));
    }
    const auto name = dot == std::string::npos ? setting.key : setting.key.substr(dot + 1);
    out += fmt::format("{} = {}", name, setting.value);
    if (mode == ShowMode::effective) {
      out += is_default ? std::string("  # default")
                        : fmt::format("  # {}:{}",
                                      std::filesystem::path(loaded.config.file).filename().string(),
                                      setting.line);
    }
    out += '\n';
  }
  return out;
}

}  // namespace goniec
