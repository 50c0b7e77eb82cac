// From the TOML tree to typed values by the schema: unknown keys, types, ranges and grammar of
// every option are decided here, once, and every problem is noted with its line. A value that is
// wrong is replaced by its default, so that reading goes on and finds the next one.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/config.h"
#include "config/schema.h"
#include "config/toml_document.h"

namespace goniec {

// What `relay = "…"` says.
struct RelayTarget {
  RelayKind kind = RelayKind::mx;
  std::string host;
  std::uint16_t port = 0;
};
Result<RelayTarget> parse_relay(std::string_view text);
Result<Endpoint> parse_endpoint(std::string_view text, std::optional<std::uint16_t> default_port);
// "Example.PL" -> "example.pl", "*.żółw.pl" -> "*.xn--…", "*".
Result<std::string> parse_pattern(std::string_view text);

using OptionValue =
    std::variant<std::monostate, bool, std::uint64_t, Duration, std::string,
                 std::vector<std::string>, std::vector<Duration>, std::vector<IpNetwork>,
                 std::vector<Endpoint>, RelayTarget, Domain>;

// The options of one table, or of one item of an array table. Every option of the schema is in it;
// monostate: not given, and without default.
struct TableValues {
  unsigned line = 0;  // of the table; 0: not in the file
  struct Item {
    OptionValue value;
    std::string written;  // as TOML
    unsigned line = 0;    // 0: the default
  };
  std::map<std::string, Item, std::less<>> items;  // by name
  template <class T>
  const T& get(std::string_view name) const {  // REQUIRES that type
    return std::get<T>(items.find(name)->second.value);
  }
  bool given(std::string_view name) const { return items.find(name)->second.line != 0; }
  bool has(std::string_view name) const {
    return !std::holds_alternative<std::monostate>(items.find(name)->second.value);
  }
  unsigned line_of(std::string_view name) const;  // of the option, else of the table
};

struct AllValues {
  std::map<std::string, TableValues, std::less<>> tables;  // "" = the top
  std::map<std::string, std::vector<TableValues>, std::less<>> arrays;
};

class ProblemList {
 public:
  explicit ProblemList(std::string file) : file_(std::move(file)) {}
  void add(unsigned line, std::string what) { problems_.push_back({file_, line, std::move(what)}); }
  bool empty() const { return problems_.empty(); }
  ConfigProblems take();  // in order of lines

 private:
  std::string file_;
  ConfigProblems problems_;
};

AllValues read_values(const TomlNode& root, ProblemList& problems);

}  // namespace goniec
