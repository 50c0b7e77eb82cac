// Every option of goniec.toml, each ONCE: name, type, unit, default, range and one sentence. The
// parser, `config show`, `config explain`, docs/config.md and the nearest-name hints all read this
// table; an option that is not here does not exist.
//
// Keys are dotted paths. Options of the array tables [[listener]], [[override]] and [[route]] are
// "listener.kind", "route.relay".
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace goniec {

enum class OptionType {
  text,  // a string
  path,  // a file or folder; relative: from the folder of the config file
  boolean,
  count,     // an integer
  size,      // "50MiB"; an integer is octets
  duration,  // "5m"
  choice,    // one of `choices`
  host,      // a host name
  address,   // a mail address
  endpoint,  // "192.0.2.1:25", "[::1]:25"
  relay,     // where a route leads
  texts,
  paths,
  durations,
  networks,
  endpoints,
  patterns,  // lists
};

struct OptionSpec {
  std::string_view key;  // "limits.message_size"
  OptionType type = OptionType::text;
  std::string_view
      fallback;  // the default as TOML; "" = none: the option must be given or may be absent
  std::string_view choices;  // "reject|normalise"
  std::uint64_t least = 0,
                most = 0;     // of count, size (octets) and duration (seconds); most 0: no range
  std::string_view sentence;  // what it does, for people
  std::string_view table() const;  // "limits", "" at the top
  std::string_view name() const;   // "message_size"
};

std::span<const OptionSpec> schema();
const OptionSpec* find_option(std::string_view key);
bool is_array_table(std::string_view table);        // listener, route
std::string table_heading(std::string_view table);  // "[limits]", "[[route]]"
std::vector<std::string> table_names();
std::vector<std::string> names_in(std::string_view table);  // of options and, at the top, of tables
std::string_view describe(OptionType type);  // "a duration like \"5m\" (units s m h d w)"

// `goniec config explain KEY`: the option, or all options of a table. nullopt: unknown key.
std::optional<std::string> explain_option(std::string_view key);
// What to type instead of an unknown key, with the words: "did you mean …?" or "it belongs in
// [limits]".
std::string hint_for(std::string_view table, std::string_view name);
std::string schema_as_markdown();  // docs/config.md

}  // namespace goniec
