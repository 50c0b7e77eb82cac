// See bounce_rules.h. The files that are built in come from a source that CMake writes.
#include "config/bounce_rules.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>

#include "base/text.h"
#include "config/toml_document.h"
#include "mail/bounce_words.h"

namespace goniec {

struct BuiltInFile {
  std::string_view name, text;
};
extern const BuiltInFile built_in_bounces[];
extern const std::size_t built_in_bounces_count;

namespace {

constexpr std::int64_t known_version = 1;
constexpr std::size_t largest_text = 200;  // octets of a pattern

class RuleReader {
 public:
  RuleReader(const BounceRuleFile& file, ConfigProblems& problems)
      : file_(file), problems_(problems) {}

  void read() {
    const auto tree = parse_toml(file_.text);
    if (!tree) return problem(tree.error().line, tree.error().what);
    bool versioned = false;
    for (const auto& child : tree->children) {
      if (child.key == "version") {
        versioned = child.kind == TomlNode::Kind::integer && child.integer == known_version;
      } else if (child.key == "rule" || child.key == "provider") {
        read_tables(child);
      } else {
        problem(child.line, fmt::format("unknown key \"{}\"; known: version, provider, rule",
                                        printable(child.key, 60)));
      }
    }
    if (!versioned) problem(1, "version is missing or unknown; fix: version = 1 in the first line");
  }

  std::vector<BounceProvider> providers;
  std::vector<BounceRule> rules;

 private:
  void problem(unsigned line, std::string what) {
    problems_.push_back({file_.name, line, std::move(what)});
  }

  void read_tables(const TomlNode& list) {
    if (list.kind != TomlNode::Kind::list)
      return problem(list.line, fmt::format("fix: write [[{}]]", list.key));
    for (const auto& table : list.children) {
      if (table.kind != TomlNode::Kind::table) {
        problem(table.line, fmt::format("fix: write [[{}]]", list.key));
      } else if (list.key == "rule") {
        read_rule(table);
      } else {
        read_provider(table);
      }
    }
  }

  void read_provider(const TomlNode& table) {
    BounceProvider provider;
    for (const auto& value : table.children) {
      if (value.key == "name") {
        provider.name = text_of(value);
      } else if (value.key == "title") {
        provider.title = text_of(value);
      } else if (value.key == "hosts") {
        provider.hosts = texts_of(value);
      } else if (value.key == "domains") {
        provider.domains = texts_of(value);
      } else {
        unknown(value, {"name", "title", "hosts", "domains"});
      }
    }
    if (!is_name(provider.name))
      problem(table.line, "a provider needs a name of small letters, digits, - and _");
    if (provider.title.empty()) provider.title = provider.name;
    providers.push_back(std::move(provider));
  }

  void read_rule(const TomlNode& table) {
    BounceRule rule;
    rule.file = file_.name;
    rule.line = table.line;
    bool classed = false;
    for (const auto& value : table.children) {
      if (value.key == "name") {
        rule.name = text_of(value);
      } else if (value.key == "class") {
        const auto klass = bounce_class_of(text_of(value));
        classed = true;
        if (klass) rule.klass = *klass;
        if (!klass)
          problem(value.line, fmt::format("unknown class {}", printable(value.written(), 60)));
      } else if (value.key == "hint") {
        rule.hint = text_of(value);
        if (!is_bounce_hint(rule.hint))
          problem(value.line, fmt::format("unknown hint {}", printable(value.written(), 60)));
      } else if (value.key == "permanent") {
        if (value.kind != TomlNode::Kind::boolean)
          problem(value.line, "permanent is true or false");
        rule.permanence = value.boolean ? Permanence::permanent : Permanence::temporary;
      } else {
        read_condition(value, rule);
      }
    }
    if (rule.name.empty()) problem(table.line, "a rule needs a name");
    if (!classed) problem(table.line, "a rule needs a class; fix: class = \"mailbox_full\"");
    if (rule.providers.empty() && rule.codes.empty() && rule.enhanced.empty() &&
        rule.phases.empty() && rule.texts.empty() && rule.links.empty())
      problem(table.line, "a rule without a condition matches everything; fix: text = [\"…\"]");
    rules.push_back(std::move(rule));
  }

  void read_condition(const TomlNode& value, BounceRule& rule) {
    if (value.key == "provider") {
      rule.providers = texts_of(value);
    } else if (value.key == "phase") {
      rule.phases = texts_of(value);
    } else if (value.key == "text") {
      rule.texts = patterns_of(value);
    } else if (value.key == "unless") {
      rule.unless = patterns_of(value);
    } else if (value.key == "link") {
      rule.links = patterns_of(value);
    } else if (value.key == "code") {
      rule.codes = parsed_of<CodePattern>(value, "\"550\", \"4xx\", \"5xx\" or \"none\"");
    } else if (value.key == "enhanced") {
      rule.enhanced = parsed_of<EnhancedPattern>(value, "\"5.1.1\" or \"x.2.2\"");
    } else {
      unknown(value, {"name", "provider", "code", "enhanced", "phase", "text", "unless", "link",
                      "class", "permanent", "hint"});
    }
  }

  std::string text_of(const TomlNode& value) {
    if (value.kind == TomlNode::Kind::text && !value.text.empty()) return value.text;
    problem(value.line, fmt::format("{} is a text", value.key));
    return {};
  }

  std::vector<std::string> texts_of(const TomlNode& value) {
    std::vector<std::string> texts;
    if (value.kind != TomlNode::Kind::list) {
      problem(value.line, fmt::format("{0} is a list of texts; fix: {0} = [\"…\"]", value.key));
      return texts;
    }
    for (const auto& each : value.children) {
      if (each.kind == TomlNode::Kind::text && !each.text.empty()) {
        texts.push_back(each.text);
      } else {
        problem(each.line, fmt::format("{} has something else than a text in it", value.key));
      }
    }
    if (value.children.empty()) problem(value.line, fmt::format("{} is empty", value.key));
    return texts;
  }

  std::vector<std::string> patterns_of(const TomlNode& value) {
    auto texts = texts_of(value);
    for (const auto& each : texts) {
      const bool bare = each.find_first_not_of("* ") == std::string::npos;
      if (bare || each.size() > largest_text)
        problem(value.line, fmt::format("\"{}\" matches everything or is longer than {} octets",
                                        printable(each, 60), largest_text));
    }
    return texts;
  }

  template <class Pattern>
  std::vector<Pattern> parsed_of(const TomlNode& value, std::string_view form) {
    std::vector<Pattern> patterns;
    for (const auto& each : texts_of(value)) {
      if (const auto pattern = Pattern::parse(each)) {
        patterns.push_back(*pattern);
      } else {
        problem(value.line,
                fmt::format("{} = \"{}\" is not {}", value.key, printable(each, 60), form));
      }
    }
    return patterns;
  }

  void unknown(const TomlNode& value, const std::vector<std::string>& known) {
    const auto near = nearest(value.key, known);
    problem(value.line, fmt::format("unknown key \"{}\"{}", printable(value.key, 60),
                                    near ? "; did you mean " + *near + "?" : ""));
  }

  static bool is_name(std::string_view name) {
    return !name.empty() && name.size() <= 40 && std::all_of(name.begin(), name.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || is_digit(c) || c == '_' || c == '-';
    });
  }

  const BounceRuleFile& file_;
  ConfigProblems& problems_;
};

}  // namespace

std::expected<BounceRules, ConfigProblems> parse_bounce_rules(
    const std::vector<BounceRuleFile>& files) {
  ConfigProblems problems;
  std::vector<BounceProvider> providers;
  std::vector<BounceRule> rules;
  for (const auto& file : files) {
    RuleReader reader(file, problems);
    reader.read();
    std::move(reader.providers.begin(), reader.providers.end(), std::back_inserter(providers));
    std::move(reader.rules.begin(), reader.rules.end(), std::back_inserter(rules));
  }
  for (const auto& rule : rules) {
    for (const auto& name : rule.providers) {
      if (std::ranges::find(providers, name, &BounceProvider::name) == providers.end())
        problems.push_back({rule.file, rule.line,
                            fmt::format("no [[provider]] is named \"{}\"", printable(name, 60))});
    }
  }
  if (!problems.empty()) return std::unexpected(std::move(problems));
  return BounceRules(std::move(providers), std::move(rules));
}

std::vector<BounceRuleFile> built_in_bounce_files() {
  std::vector<BounceRuleFile> files;
  for (std::size_t at = 0; at < built_in_bounces_count; ++at)
    files.push_back(
        {std::string(built_in_bounces[at].name), std::string(built_in_bounces[at].text)});
  return files;
}

std::expected<BounceRules, ConfigProblems> load_bounce_rules(const std::string& folder) {
  std::vector<BounceRuleFile> files;
  ConfigProblems problems;
  std::error_code error;
  std::vector<std::filesystem::path> paths;
  if (!folder.empty() && std::filesystem::exists(folder, error)) {
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
      if (entry.path().extension() == ".toml") paths.push_back(entry.path());
    }
    if (error) problems.push_back({folder, 0, error.message()});
  }
  std::sort(paths.begin(), paths.end());
  for (const auto& path : paths) {
    std::ifstream in(path, std::ios::binary);
    if (!in) problems.push_back({path.string(), 0, "cannot be read"});
    files.push_back({path.string(), {std::istreambuf_iterator<char>(in), {}}});
  }
  if (!problems.empty()) return std::unexpected(std::move(problems));
  std::ranges::move(built_in_bounce_files(), std::back_inserter(files));
  return parse_bounce_rules(files);
}

}  // namespace goniec
