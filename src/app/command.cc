// What every command shares (command.h).
#include "app/command.h"

#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>

#include "base/text.h"
#include "run/system.h"
#include "trust/passwords.h"

namespace goniec {

std::expected<LoadedConfig, int> config_of(const Common& common) {
  auto loaded = load_config(common.config_file);
  if (loaded) return std::move(*loaded);
  std::cerr << text_of(loaded.error());
  return std::unexpected(exit_config);
}

std::expected<ServerClient, int> client_of(const Common& common) {
  auto loaded = config_of(common);
  if (!loaded) return std::unexpected(loaded.error());
  return ServerClient(loaded->config.admin_socket());
}

void print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

int print_error(const Error& error) {
  std::cerr << "goniec: " << error.message << "\n";
  return exit_code(error.kind);
}

std::string TextTable::text() const {
  std::vector<std::size_t> widths(rows_.front().size());
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i)
      widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line += std::string(widths[i] - row[i].size() + 2, ' ');
    }
    while (line.ends_with(' ')) line.pop_back();
    out += line + "\n";
  }
  return out;
}

std::string age_text(std::string_view rfc3339) {
  const auto at = parse_rfc3339(rfc3339);
  if (!at) return {};
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(SystemClock().now() - *at).count();
  if (seconds < 0) return fmt::format("in {}", to_text(std::chrono::seconds(-seconds)));
  if (seconds < 120) return fmt::format("{}s", seconds);
  if (seconds < 7200) return fmt::format("{}m", seconds / 60);
  if (seconds < 172800) return fmt::format("{}h", seconds / 3600);
  return fmt::format("{}d", seconds / 86400);
}

std::string size_text(std::int64_t octets) {
  if (octets < 1000) return fmt::format("{} B", octets);
  if (octets < 1'000'000) return fmt::format("{:.1f} kB", static_cast<double>(octets) / 1e3);
  return fmt::format("{:.1f} MB", static_cast<double>(octets) / 1e6);
}

std::string absolute_path(const std::string& path) {
  std::error_code ignored;
  auto absolute = std::filesystem::absolute(path, ignored).lexically_normal().string();
  if (absolute.size() > 1 && absolute.ends_with('/')) absolute.pop_back();
  return absolute;
}

namespace {

// Turns the echo of the terminal off while it lives.
class Silence {
 public:
  Silence() {
    on_terminal_ = ::tcgetattr(STDIN_FILENO, &before_) == 0;
    auto silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    if (on_terminal_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  }
  ~Silence() {
    if (on_terminal_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;

 private:
  termios before_{};
  bool on_terminal_ = false;
};

std::string ask(std::string_view prompt) {
  const Silence silence;
  std::cerr << prompt << std::flush;
  std::string line;
  std::getline(std::cin, line);
  std::cerr << "\n";
  return line;
}

}  // namespace

std::string make_password() {
  constexpr std::string_view alphabet =
      "abcdefghijkmnpqrstuvwxyz23456789";  // 32: no bias, none alike
  std::string password;
  for (const char c : random_secret(20))
    password += alphabet[static_cast<unsigned char>(c) % alphabet.size()];
  return password;
}

Result<std::string> read_password(PasswordFrom from) {
  std::string password;
  switch (from) {
    case PasswordFrom::made:
      return make_password();
    case PasswordFrom::terminal:
      password = ask("Password: ");
      if (ask("Again: ") != password) return fail(ErrorKind::usage, "the two passwords differ");
      break;
    case PasswordFrom::stdin_line:
      std::getline(std::cin, password);
      if (password.ends_with('\r')) password.pop_back();
      break;
  }
  if (password.empty()) return fail(ErrorKind::usage, "the password is empty");
  return password;
}

}  // namespace goniec
