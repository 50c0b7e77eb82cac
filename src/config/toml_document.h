// A TOML file as a plain tree with line numbers. The only door to toml++: its types stay in
// toml_document.cc. Promises: a parsed tree keeps the order of the file; dates and times come as
// kind `other`. Refuses what TOML 1.0 refuses, with the line.
#pragma once
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace goniec {

struct TomlNode {
  enum class Kind { text, integer, real, boolean, list, table, other };
  Kind kind = Kind::other;
  std::string key;   // in its table; "" in a list
  std::string text;  // of a text; else the value as it would be written
  std::int64_t integer = 0;
  bool boolean = false;
  std::vector<TomlNode> children;  // of a list or table, in the order of the file
  unsigned line = 0;               // where the value stands; of a key, where the key stands
  unsigned column = 0;
  std::string written() const;  // as TOML on one line
};

struct TomlError {
  unsigned line = 0;
  std::string what;
};

std::expected<TomlNode, TomlError> parse_toml(std::string_view text);
std::string quoted_toml(std::string_view text);  // a basic string

}  // namespace goniec
