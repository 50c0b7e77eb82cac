// One pass: physical lines are joined to logical ones, those are cut at unquoted commas, each piece
// becomes a name. Errors are collected, so that a person mends the file once.
#include "accounts/aliases_file.h"

#include <cerrno>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

#include "base/text.h"

namespace goniec {
namespace {

struct LogicalLine {
  std::string text;
  std::size_t number = 0;
};

class AliasesParser {
 public:
  explicit AliasesParser(std::string_view file) : file_(file) {}
  Result<std::vector<AliasesLine>> parse(std::string_view text);

 private:
  void read_line(const LogicalLine& line);
  std::optional<AliasesName> read_name(std::string_view word, std::size_t number);
  void error(std::size_t number, const std::string& what);

  std::string file_;
  AliasesLimits limits_;
  std::vector<AliasesLine> lines_;
  std::map<std::pair<std::string, Domain>, std::size_t> seen_;  // name -> line
  std::string errors_;
  std::size_t error_count_ = 0;
};

void AliasesParser::error(std::size_t number, const std::string& what) {
  if (++error_count_ > limits_.errors) return;
  if (!errors_.empty()) errors_ += '\n';
  errors_ += fmt::format("{}:{}: {}", file_, number, what);
}

// Walks over `text` and calls on_mark(position) for each unquoted octet; false ends the walk.
template <class F>
void walk_unquoted(std::string_view text, F on_mark) {
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (!quoted && !on_mark(i)) {
      return;
    }
  }
}

std::string_view without_comment(std::string_view line) {
  std::size_t end = line.size();
  walk_unquoted(line, [&](std::size_t i) {
    const bool begins = line[i] == '#' && (i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t');
    if (begins) end = i;
    return !begins;
  });
  return line.substr(0, end);
}

std::vector<LogicalLine> logical_lines(std::string_view text) {
  std::vector<LogicalLine> logical;
  std::size_t number = 0;
  for (std::string_view line : split(text, '\n')) {
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    line = without_comment(line);
    if (trim(line).empty()) continue;
    const bool continued = line.front() == ' ' || line.front() == '\t';
    if (continued && !logical.empty())
      logical.back().text.append(" ").append(trim(line));
    else
      logical.push_back({std::string(trim(line)), number});
  }
  return logical;
}

std::vector<std::string_view> split_at_commas(std::string_view text) {
  std::vector<std::string_view> words;
  std::size_t begin = 0;
  walk_unquoted(text, [&](std::size_t i) {
    if (text[i] != ',') return true;
    words.push_back(trim(text.substr(begin, i - begin)));
    begin = i + 1;
    return true;
  });
  words.push_back(trim(text.substr(begin)));
  return words;
}

// Quotes taken off; nullopt: a quote is open, or text follows a quoted word.
std::optional<std::string> unquote(std::string_view word) {
  if (!word.starts_with('"')) return std::string(word);
  std::string plain;
  for (std::size_t i = 1; i < word.size(); ++i) {
    if (word[i] == '"') return i + 1 == word.size() ? std::optional(plain) : std::nullopt;
    if (word[i] == '\\' && ++i == word.size()) return {};
    plain += word[i];
  }
  return {};
}

// Why a target is not delivered to here; "" when it is a name.
std::string_view refused_target(std::string_view plain) {
  if (plain.starts_with('|')) return "a command is not run for mail here; name an address";
  if (plain.starts_with('/')) return "mail is not written to a file here; name an address";
  if (starts_with_ignoring_case(plain, ":include:"))
    return ":include: is not read here; list the addresses";
  if (plain.starts_with(':')) return "a :word: of other mailers has no meaning here";
  return {};
}

std::optional<AliasesName> AliasesParser::read_name(std::string_view word, std::size_t number) {
  if (word.starts_with('\\')) word.remove_prefix(1);  // "\bob" is bob
  // "|command" is written with and without quotes around it.
  const auto plain = unquote(word);
  if (const auto why = refused_target(plain ? *plain : word); !why.empty()) {
    error(number, fmt::format("{}: {}", printable(word), why));
    return {};
  }
  // A whole address may be quoted ("a b"@c by RFC 5321, or "a@c" by aliases(5)).
  for (const std::string& text : {std::string(word), plain.value_or(std::string())}) {
    if (text.find('@') == std::string::npos) continue;
    if (auto address = Address::parse(text))
      return AliasesName{address->local(), address->domain()};
  }
  if (plain && plain->find('@') == std::string::npos && !plain->empty()) {
    const bool quoted = word.starts_with('"');
    const auto probe = Address::parse((quoted ? std::string(word) : *plain) + "@localhost");
    if (probe) return AliasesName{probe->local(), {}};
  }
  error(number, fmt::format("\"{}\" is neither a name nor an address", printable(word)));
  return {};
}

void AliasesParser::read_line(const LogicalLine& line) {
  std::size_t colon = std::string::npos;
  walk_unquoted(line.text, [&](std::size_t i) {
    if (line.text[i] != ':') return true;
    colon = i;
    return false;
  });
  const std::string_view text = line.text;
  if (colon == std::string::npos) {
    error(line.number, fmt::format("no colon after the name in \"{}\"", printable(text, 60)));
    return;
  }
  auto name = read_name(trim(text.substr(0, colon)), line.number);
  if (!name) return;
  AliasesLine alias{{to_lower(name->local), name->domain}, {}, line.number};
  const std::size_t errors_before = error_count_;
  for (const std::string_view word : split_at_commas(text.substr(colon + 1))) {
    if (word.empty()) continue;  // "a, b," is common
    if (auto target = read_name(word, line.number)) alias.targets.push_back(std::move(*target));
  }
  if (alias.targets.empty() && error_count_ == errors_before)
    error(line.number, fmt::format("\"{}\" has no targets", printable(alias.name.local)));
  const auto [first, is_new] =
      seen_.try_emplace({alias.name.local, alias.name.domain}, line.number);
  if (!is_new) {
    error(line.number, fmt::format("\"{}\" is given twice, first in line {}: join the targets",
                                   printable(alias.name.local), first->second));
    return;
  }
  lines_.push_back(std::move(alias));
}

Result<std::vector<AliasesLine>> AliasesParser::parse(std::string_view text) {
  if (text.size() > limits_.file_octets)
    return fail(ErrorKind::config,
                fmt::format("{}: larger than {} octets", file_, limits_.file_octets));
  for (const LogicalLine& line : logical_lines(text)) read_line(line);
  if (error_count_ > limits_.errors)
    errors_ += fmt::format("\n{}: {} more errors", file_, error_count_ - limits_.errors);
  if (error_count_ > 0) return fail(ErrorKind::config, errors_);
  return std::move(lines_);
}

}  // namespace

Result<std::vector<AliasesLine>> parse_aliases(std::string_view text, std::string_view file) {
  return AliasesParser(file).parse(text);
}

Result<std::vector<AliasesLine>> read_aliases_file(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    if (errno == ENOENT) return std::vector<AliasesLine>{};
    auto error = fail_errno("cannot read " + path, errno);
    error.error().kind = ErrorKind::config;
    return error;
  }
  std::ostringstream text;
  file.peek();  // a folder opens, but does not read
  if (!file.bad()) text << file.rdbuf();
  if (file.bad()) return fail(ErrorKind::config, "cannot read " + path);
  return parse_aliases(text.str(), path);
}

}  // namespace goniec
