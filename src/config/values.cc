// Typed values by the schema (values.h).
#include "config/values.h"

#include <algorithm>
#include <limits>
#include <tuple>

#include "base/text.h"

namespace goniec {

namespace {

using Kind = TomlNode::Kind;

std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::text:
      return "a string";
    case Kind::integer:
      return "a number";
    case Kind::real:
      return "a fraction";
    case Kind::boolean:
      return "true or false";
    case Kind::list:
      return "a list";
    case Kind::table:
      return "a table";
    case Kind::other:
      return "a date or time";
  }
  CHECK(false);
}

// One option against one node. Errors are notes: the value is then monostate.
class OptionReader {
 public:
  OptionReader(const OptionSpec& option, ProblemList& problems)
      : option_(option), problems_(problems) {}

  OptionValue read(const TomlNode& node) {
    switch (option_.type) {
      case OptionType::boolean:
        return read_boolean(node);
      case OptionType::count:
        return read_count(node);
      case OptionType::size:
        return read_size(node);
      case OptionType::duration:
        return convert<Duration>(node, &OptionReader::duration_of);
      case OptionType::text:
      case OptionType::path:
        return convert<std::string>(node, &OptionReader::text_of);
      case OptionType::choice:
        return convert<std::string>(node, &OptionReader::choice_of);
      case OptionType::host:
        return convert<Domain>(node, &OptionReader::host_of);
      case OptionType::address:
        return convert<std::string>(node, &OptionReader::address_of);
      case OptionType::endpoint:  // kept as text: the default port depends on the listener's kind
        return convert<std::string>(node, &OptionReader::text_of);
      case OptionType::relay:
        return convert<RelayTarget>(node, &OptionReader::relay_of);
      case OptionType::texts:
      case OptionType::paths:
        return convert_list<std::string>(node, &OptionReader::text_of);
      case OptionType::durations:
        return convert_list<Duration>(node, &OptionReader::duration_of);
      case OptionType::networks:
        return convert_list<IpNetwork>(node, &OptionReader::network_of);
      case OptionType::endpoints:
        return convert_list<Endpoint>(node, &OptionReader::endpoint_of);
      case OptionType::patterns:
        return convert_list<std::string>(node, &OptionReader::pattern_of);
    }
    CHECK(false);
  }

 private:
  template <class T>
  using Converter = Result<T> (OptionReader::*)(std::string_view);

  void wrong_kind(const TomlNode& node) {
    problems_.add(node.line, fmt::format("{} must be {}, not {}", option_.key,
                                         describe(option_.type), kind_name(node.kind)));
  }
  void wrong(const TomlNode& node, std::string_view why) {
    problems_.add(node.line, fmt::format("{} = {}: {}", option_.key, node.written(), why));
  }

  OptionValue read_boolean(const TomlNode& node) {
    if (node.kind == Kind::boolean) return node.boolean;
    wrong_kind(node);
    return {};
  }

  OptionValue in_range(const TomlNode& node, std::uint64_t value) {
    if (option_.most == 0 || (value >= option_.least && value <= option_.most)) return value;
    wrong(node, fmt::format("out of range, must be {} to {}", option_.least, option_.most));
    return {};
  }

  OptionValue read_count(const TomlNode& node) {
    if (node.kind != Kind::integer) {
      wrong_kind(node);
      return {};
    }
    if (node.integer < 0) {
      wrong(node, fmt::format("out of range, must be {} to {}", option_.least, option_.most));
      return {};
    }
    return in_range(node, static_cast<std::uint64_t>(node.integer));
  }

  OptionValue read_size(const TomlNode& node) {
    if (node.kind != Kind::integer && node.kind != Kind::text) {
      wrong_kind(node);
      return {};
    }
    const auto octets = parse_size(node.text);
    if (!octets) {
      wrong(node, octets.error().message);
      return {};
    }
    return in_range(node, *octets);
  }

  template <class T>
  OptionValue convert(const TomlNode& node, Converter<T> converter) {
    if (node.kind == Kind::integer && option_.type == OptionType::duration) {
      wrong(node, fmt::format("a duration has a unit: write \"{}s\"", node.integer));
      return {};
    }
    if (node.kind != Kind::text) {
      wrong_kind(node);
      return {};
    }
    auto value = (this->*converter)(node.text);
    if (!value) {
      wrong(node, value.error().message);
      return {};
    }
    return OptionValue(std::in_place_type<T>, std::move(*value));
  }

  template <class T>
  OptionValue convert_list(const TomlNode& node, Converter<T> converter) {
    if (node.kind != Kind::list) {
      wrong_kind(node);
      return {};
    }
    std::vector<T> values;
    bool right = true;
    for (const auto& item : node.children) {
      if (item.kind != Kind::text) {
        problems_.add(item.line, fmt::format("{} must be {}; {} is not", option_.key,
                                             describe(option_.type), item.written()));
        right = false;
        continue;
      }
      auto value = (this->*converter)(item.text);
      if (!value) {
        wrong(item, value.error().message);
        right = false;
        continue;
      }
      values.push_back(std::move(*value));
    }
    if (!right) return {};
    return OptionValue(std::in_place_type<std::vector<T>>, std::move(values));
  }

  Result<std::string> text_of(std::string_view text) {
    if (text.empty()) return fail(ErrorKind::config, "must not be empty");
    if (text.find('\0') != std::string_view::npos || text.find('\n') != std::string_view::npos) {
      return fail(ErrorKind::config, "must not hold line ends or NUL");
    }
    return std::string(text);
  }

  Result<std::string> choice_of(std::string_view text) {
    std::vector<std::string> names;
    std::string known;
    for (auto name : split(option_.choices, '|')) {
      if (name == text) return std::string(text);
      names.emplace_back(name);
      known += fmt::format("{}\"{}\"", known.empty() ? "" : ", ", name);
    }
    const auto near = nearest(text, names);
    if (near)
      return fail(ErrorKind::config, fmt::format("did you mean \"{}\"? (one of {})", *near, known));
    return fail(ErrorKind::config, fmt::format("must be one of {}", known));
  }

  Result<Duration> duration_of(std::string_view text) {
    const auto value = TRY(parse_duration(text));
    if (option_.most == 0) return value;
    const Duration least = std::chrono::seconds(option_.least),
                   most = std::chrono::seconds(option_.most);
    if (value >= least && value <= most) return value;
    return fail(ErrorKind::config,
                fmt::format("out of range, must be {} to {}", to_text(least), to_text(most)));
  }

  Result<Domain> host_of(std::string_view text) {
    auto domain = TRY(Domain::parse(text));
    if (domain.is_literal() || IpAddress::parse(domain.ascii())) {
      return fail(ErrorKind::config,
                  "must be a name, not an address; fix: hostname = \"mail.example.pl\"");
    }
    if (domain.ascii().find('.') == std::string::npos) {
      return fail(
          ErrorKind::config,
          fmt::format("must be a full name with a dot; fix: hostname = \"{}.example.pl\"", text));
    }
    return domain;
  }

  Result<std::string> address_of(std::string_view text) { return TRY(Address::parse(text)).text(); }
  Result<RelayTarget> relay_of(std::string_view text) { return parse_relay(text); }
  Result<std::string> pattern_of(std::string_view text) { return parse_pattern(text); }
  Result<Endpoint> endpoint_of(std::string_view text) {
    return parse_endpoint(text, std::uint16_t{53});
  }

  Result<IpNetwork> network_of(std::string_view text) {
    if (auto network = IpNetwork::parse(text)) return *network;
    return fail(ErrorKind::config,
                "is not a network like \"192.0.2.0/24\", \"2001:db8::/32\" or one address");
  }

  const OptionSpec& option_;
  ProblemList& problems_;
};

TableValues::Item default_of(const OptionSpec& option) {
  TableValues::Item item;
  if (option.fallback.empty()) return item;
  const auto parsed = parse_toml(fmt::format("x = {}", option.fallback));
  CHECK(parsed.has_value());
  ProblemList none("schema");
  item.value = OptionReader(option, none).read(parsed->children.at(0));
  item.written = std::string(option.fallback);
  CHECK(none.empty());
  return item;
}

TableValues read_table(const TomlNode* node, std::string_view table, ProblemList& problems) {
  TableValues values;
  for (const auto& option : schema()) {
    if (option.table() == table) values.items.emplace(option.name(), default_of(option));
  }
  if (!node) return values;
  values.line = node->line;
  for (const auto& child : node->children) {
    if (table.empty() && std::ranges::count(table_names(), child.key)) continue;
    const auto where =
        table.empty() ? std::string("at the top of the file") : "in " + table_heading(table);
    const auto found = values.items.find(child.key);
    if (found == values.items.end()) {
      problems.add(
          child.line,
          fmt::format("unknown {} \"{}\" {}; {}", child.kind == Kind::table ? "table" : "key",
                      printable(child.key, 60), where, hint_for(table, child.key)));
      continue;
    }
    const auto key = table.empty() ? child.key : fmt::format("{}.{}", table, child.key);
    auto value = OptionReader(*find_option(key), problems).read(child);
    if (!std::holds_alternative<std::monostate>(value)) found->second.value = std::move(value);
    found->second.written = child.written();
    found->second.line = std::max(child.line, 1u);
  }
  return values;
}

bool is_list_of_tables(const TomlNode& node) {
  return node.kind == Kind::list && std::ranges::all_of(node.children, [](const TomlNode& item) {
           return item.kind == Kind::table;
         });
}

}  // namespace

unsigned TableValues::line_of(std::string_view name) const {
  const auto found = items.find(name);
  return found != items.end() && found->second.line != 0 ? found->second.line : line;
}

ConfigProblems ProblemList::take() {
  std::ranges::sort(problems_, [](const ConfigProblem& a, const ConfigProblem& b) {
    return std::tie(a.line, a.what) < std::tie(b.line, b.what);
  });
  return std::move(problems_);
}

AllValues read_values(const TomlNode& root, ProblemList& problems) {
  AllValues all;
  all.tables.emplace("", read_table(&root, "", problems));
  for (const auto& table : table_names()) {
    const auto node = std::ranges::find(root.children, table, &TomlNode::key);
    const bool there = node != root.children.end();
    if (is_array_table(table)) {
      auto& list = all.arrays[table];
      if (!there) continue;
      if (!is_list_of_tables(*node)) {
        problems.add(node->line,
                     fmt::format("[{0}] is a list of tables; fix: write [[{0}]]", table));
        continue;
      }
      for (const auto& item : node->children) list.push_back(read_table(&item, table, problems));
      continue;
    }
    const bool is_table = there && node->kind == Kind::table;
    if (there && !is_table) {
      problems.add(
          node->line,
          fmt::format("{0} is a table; fix: write [{0}]{1}", table,
                      is_list_of_tables(*node) ? ", once, with one pair of brackets" : ""));
    }
    all.tables.emplace(table, read_table(is_table ? &*node : nullptr, table, problems));
  }
  return all;
}

// ---------------------------------------------------------------- grammars
Result<Endpoint> parse_endpoint(std::string_view text, std::optional<std::uint16_t> default_port) {
  std::string_view host = text;
  std::optional<std::string_view> port;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return fail(ErrorKind::config, "\"[\" without \"]\"");
    host = text.substr(1, end - 1);
    const auto rest = text.substr(end + 1);
    if (rest.starts_with(':')) {
      port = rest.substr(1);
    } else if (!rest.empty()) {
      return fail(ErrorKind::config, "after \"]\" comes \":PORT\"");
    }
  } else if (const auto colon = text.rfind(':');
             colon != std::string_view::npos && text.find(':') == colon) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  Endpoint endpoint;
  const auto address = IpAddress::parse(host);
  if (!address) {
    return fail(
        ErrorKind::config,
        host.empty()
            ? "an IP address is missing before the port; fix: \"0.0.0.0:PORT\" or \"[::]:PORT\""
            : "is not an IP address with a port, like \"0.0.0.0:25\" or \"[::]:25\"");
  }
  endpoint.address = *address;
  if (!port) {
    if (!default_port)
      return fail(ErrorKind::config, "the port is missing, like \"0.0.0.0:25\" or \"[::]:25\"");
    endpoint.port = *default_port;
    return endpoint;
  }
  const auto number = parse_unsigned(*port);
  if (!number || *number > 65535)
    return fail(ErrorKind::config, "the port must be a number up to 65535");
  endpoint.port = static_cast<std::uint16_t>(*number);
  return endpoint;
}

namespace {

struct RelayScheme {
  std::string_view name;
  RelayKind kind;
  std::uint16_t port;
};
constexpr RelayScheme relay_schemes[] = {
    {"smtp", RelayKind::smtp, 25},
    {"smtps", RelayKind::smtps, 465},
    {"submission", RelayKind::submission, 587},
    {"lmtp", RelayKind::lmtp, 24},
};
constexpr std::string_view relay_forms =
    "write smtp://HOST:PORT, smtps://, submission://, lmtp://, \"lmtp:/run/x.sock\", \"mx\" or "
    "\"sink\"";

Result<RelayTarget> parse_authority(const RelayScheme& scheme, std::string_view authority) {
  if (authority.find('@') != std::string_view::npos) {
    return fail(ErrorKind::config,
                "secrets are never inline; fix: user = \"…\" and password_file = \"FILE\"");
  }
  if (authority.ends_with('/')) authority.remove_suffix(1);
  RelayTarget target{scheme.kind, {}, scheme.port};
  std::optional<std::string_view> port;
  std::string_view host = authority;
  if (authority.starts_with('[')) {
    const auto end = authority.find(']');
    if (end == std::string_view::npos) return fail(ErrorKind::config, "\"[\" without \"]\"");
    host = authority.substr(1, end - 1);
    if (const auto rest = authority.substr(end + 1); rest.starts_with(':')) port = rest.substr(1);
    if (!IpAddress::parse(host)) return fail(ErrorKind::config, "no IPv6 address in the brackets");
  } else if (const auto colon = authority.find(':'); colon != std::string_view::npos) {
    host = authority.substr(0, colon);
    port = authority.substr(colon + 1);
  }
  if (port) {
    const auto number = parse_unsigned(*port);
    if (!number || *number == 0 || *number > 65535)
      return fail(ErrorKind::config, "the port must be 1 to 65535");
    target.port = static_cast<std::uint16_t>(*number);
  }
  if (const auto address = IpAddress::parse(host)) {
    target.host = address->text();
  } else {
    const auto domain = Domain::parse(host);
    if (host.empty() || !domain || domain->is_literal()) {
      return fail(ErrorKind::config, fmt::format("no host name or address in it; {}", relay_forms));
    }
    target.host = domain->ascii();
  }
  return target;
}

}  // namespace

Result<RelayTarget> parse_relay(std::string_view text) {
  if (text == "mx") return RelayTarget{RelayKind::mx, {}, 0};
  if (text == "sink") return RelayTarget{RelayKind::sink, {}, 0};
  if (text.starts_with("lmtp:/") && !text.starts_with("lmtp://")) {
    return RelayTarget{RelayKind::lmtp_unix, std::string(text.substr(5)), 0};
  }
  const auto colon = text.find("://");
  if (colon == std::string_view::npos) return fail(ErrorKind::config, std::string(relay_forms));
  const auto name = text.substr(0, colon);
  std::vector<std::string> names;
  for (const auto& scheme : relay_schemes) {
    if (scheme.name == name) return parse_authority(scheme, text.substr(colon + 3));
    names.emplace_back(scheme.name);
  }
  if (const auto near = nearest(name, names))
    return fail(ErrorKind::config, fmt::format("did you mean {}://?", *near));
  return fail(ErrorKind::config, std::string(relay_forms));
}

Result<std::string> parse_pattern(std::string_view text) {
  if (text == "*") return std::string("*");
  const bool below = text.starts_with("*.");
  const auto rest = below ? text.substr(2) : text;
  if (rest.find('*') != std::string_view::npos) {
    return fail(ErrorKind::config,
                "a star may only stand alone or first, like \"*\" or \"*.example.pl\"");
  }
  if (rest.find('@') != std::string_view::npos)
    return fail(ErrorKind::config, "is an address; a route goes by domain");
  const auto domain = TRY(Domain::parse(rest));
  return (below ? "*." : "") + domain.ascii();
}

}  // namespace goniec
