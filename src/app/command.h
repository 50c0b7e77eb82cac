// What every command shares: --config, --json, --dry-run, and the one way to end with an error.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/server_client.h"
#include "base/result.h"
#include "config/config.h"

namespace goniec {

inline constexpr int exit_done = 0, exit_check_said_no = 1, exit_usage = 64, exit_config = 78;

struct Common {
  std::string config_file = std::string(default_config_file);
  bool json = false;
  bool dry_run = false;
};

// The config, or its problems on stderr and exit_config.
std::expected<LoadedConfig, int> config_of(const Common& common);
std::expected<ServerClient, int> client_of(const Common& common);  // of the admin socket

void print(std::string_view text);    // stdout
int print_error(const Error& error);  // "goniec: …" to stderr; its exit code

// A table for people: columns padded, the header in capitals.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.size() == 1; }
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

std::string age_text(std::string_view rfc3339);  // "3m", "2h", "" when empty
std::string size_text(std::int64_t octets);      // "1.8 kB"
std::string absolute_path(const std::string& path);

// Asks for a password on the terminal (twice), or reads one line of stdin.
enum class PasswordFrom { terminal, stdin_line, made };
Result<std::string> read_password(PasswordFrom from);
std::string make_password();  // 20 letters and digits of real randomness

}  // namespace goniec
