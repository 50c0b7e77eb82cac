// See spf_record.h. The grammar of RFC 7208 §12 read by hand, term by term.
#include "trust/spf_record.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace goniec {
namespace {

constexpr std::string_view version = "v=spf1";
constexpr unsigned most_parts = 128;  // §7.3: a transformer beyond the labels of any name

std::unexpected<Error> bad(std::string_view term, std::string_view why) {
  return fail(ErrorKind::bad_data, fmt::format("'{}': {}", printable(term, 100), why));
}

bool is_alphanumeric(char c) {
  return is_alpha(c) || is_digit(c);
}

// §12: toplabel has a letter or an inner hyphen, and no hyphen at its ends.
bool is_top_label(std::string_view label) {
  if (label.empty() || label.front() == '-' || label.back() == '-') return false;
  bool word = false;
  for (char c : label) {
    if (!is_alphanumeric(c) && c != '-') return false;
    word = word || !is_digit(c);
  }
  return word;
}

// The inside of %{…}.
Result<MacroPiece> parse_macro(std::string_view inside, MacroPlace place) {
  if (inside.empty()) return bad("%{}", "an empty macro");
  MacroPiece piece;
  piece.letter = to_lower(inside[0]);
  piece.escape = piece.letter != inside[0];
  constexpr std::string_view everywhere = "slodiphv", only_explained = "crt";
  const bool known = everywhere.find(piece.letter) != std::string_view::npos ||
                     (place == MacroPlace::explanation &&
                      only_explained.find(piece.letter) != std::string_view::npos);
  if (!known) return bad(inside, "there is no such macro here");
  std::size_t at = 1;
  bool counted = false;
  for (; at < inside.size() && is_digit(inside[at]); ++at) {
    counted = true;
    piece.keep = std::min(most_parts, piece.keep * 10 + static_cast<unsigned>(inside[at] - '0'));
  }
  if (counted && piece.keep == 0) return bad(inside, "a macro cannot keep 0 parts");
  if (at < inside.size() && to_lower(inside[at]) == 'r') {
    piece.reverse = true;
    ++at;
  }
  const auto delimiters = inside.substr(at);
  if (delimiters.find_first_not_of(".-+,/_=") != std::string_view::npos)
    return bad(inside, "a macro ends in delimiters out of .-+,/_=");
  if (!delimiters.empty()) piece.delimiters = delimiters;
  return piece;
}

void add_literal(MacroString& macros, std::string_view text) {
  if (macros.empty() || macros.back().letter != 0) macros.emplace_back();
  macros.back().literal += text;
}

// §7.1: a domain ends in ".toplabel" with or without a last dot, or in a macro.
bool ends_as_domain(std::string_view text) {
  if (text.ends_with('}') || text.ends_with("%%") || text.ends_with("%_") || text.ends_with("%-"))
    return true;
  if (text.ends_with('.')) text.remove_suffix(1);
  const auto dot = text.rfind('.');
  return dot != std::string_view::npos && is_top_label(text.substr(dot + 1));
}

Result<unsigned> parse_prefix(std::string_view digits, unsigned limit, std::string_view term) {
  const auto value = digits.size() <= 3 ? parse_unsigned(digits) : std::nullopt;
  if (!value || *value > limit || (digits.size() > 1 && digits[0] == '0'))
    return bad(term, fmt::format("a prefix is a number from 0 to {}", limit));
  return static_cast<unsigned>(*value);
}

// Takes "/24", "//64" or "/24//64" off the end of what follows the name of a or mx (§5.6).
Result<std::string_view> take_prefixes(std::string_view rest, SpfDirective& directive) {
  const auto number_at_end = [](std::string_view text) {
    auto at = text.size();
    while (at > 0 && is_digit(text[at - 1])) --at;
    return at;
  };
  auto at = number_at_end(rest);
  if (at >= 2 && at < rest.size() && rest.substr(at - 2, 2) == "//") {
    directive.prefix6 = TRY(parse_prefix(rest.substr(at), 128, directive.text));
    rest = rest.substr(0, at - 2);
    at = number_at_end(rest);
  }
  if (at >= 1 && at < rest.size() && rest[at - 1] == '/') {
    directive.prefix4 = TRY(parse_prefix(rest.substr(at), 32, directive.text));
    rest = rest.substr(0, at - 1);
  }
  return rest;
}

Result<void> parse_network(std::string_view value, SpfDirective& directive) {
  const bool v6 = directive.mechanism == SpfMechanism::ip6;
  const auto slash = value.find('/');
  unsigned prefix = v6 ? 128 : 32;
  if (slash != std::string_view::npos)
    prefix = TRY(parse_prefix(value.substr(slash + 1), prefix, directive.text));
  const auto address = IpAddress::parse(value.substr(0, slash));
  const bool written_v6 = value.find(':') != std::string_view::npos;
  if (!address || written_v6 != v6) return bad(directive.text, "this is no address of its kind");
  if (address->v6 == v6) directive.network = IpNetwork{*address, prefix};
  return {};
}

struct MechanismName {
  std::string_view name;
  SpfMechanism mechanism;
};
constexpr MechanismName mechanism_names[] = {
    {"all", SpfMechanism::all}, {"include", SpfMechanism::include}, {"a", SpfMechanism::a},
    {"mx", SpfMechanism::mx},   {"ptr", SpfMechanism::ptr},         {"ip4", SpfMechanism::ip4},
    {"ip6", SpfMechanism::ip6}, {"exists", SpfMechanism::exists}};

Result<MacroString> parse_domain_spec(std::string_view text, std::string_view term) {
  if (!ends_as_domain(text)) return bad(term, "a domain has a dot and ends in a name");
  return parse_macro_string(text, MacroPlace::domain);
}

Result<void> parse_argument(std::string_view rest, SpfDirective& directive) {
  const bool prefixed =
      directive.mechanism == SpfMechanism::a || directive.mechanism == SpfMechanism::mx;
  if (prefixed) rest = TRY(take_prefixes(rest, directive));
  const bool required =
      directive.mechanism == SpfMechanism::include || directive.mechanism == SpfMechanism::exists ||
      directive.mechanism == SpfMechanism::ip4 || directive.mechanism == SpfMechanism::ip6;
  if (rest.empty()) {
    if (required) return bad(directive.text, "it lacks what follows its ':'");
    return {};
  }
  if (rest[0] != ':' || directive.mechanism == SpfMechanism::all)
    return bad(directive.text, "what follows the name of the mechanism is not allowed");
  rest.remove_prefix(1);
  if (directive.mechanism == SpfMechanism::ip4 || directive.mechanism == SpfMechanism::ip6)
    return parse_network(rest, directive);
  directive.domain = TRY(parse_domain_spec(rest, directive.text));
  return {};
}

Result<SpfDirective> parse_directive(std::string_view term) {
  SpfDirective directive;
  directive.text = term;
  constexpr std::string_view qualifiers = "+-~?";
  std::string_view rest = term;
  if (qualifiers.find(rest[0]) != std::string_view::npos) {
    directive.qualifier = rest[0];
    rest.remove_prefix(1);
  }
  const auto end = std::min(rest.find_first_of(":/"), rest.size());
  const auto* known = std::ranges::find_if(mechanism_names, [&](const MechanismName& each) {
    return equal_ignoring_case(each.name, rest.substr(0, end));
  });
  if (known == std::end(mechanism_names)) return bad(term, "there is no such mechanism");
  directive.mechanism = known->mechanism;
  TRY(parse_argument(rest.substr(end), directive));
  return directive;
}

// "" when the term is no modifier: name "=" where the name is of letters, digits, "-_." (§12).
std::string_view modifier_name(std::string_view term) {
  const auto equals = term.find('=');
  if (equals == std::string_view::npos || equals == 0 || !is_alpha(term[0])) return {};
  const auto name = term.substr(0, equals);
  const bool good = std::ranges::all_of(
      name, [](char c) { return is_alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
  return good ? name : std::string_view{};
}

Result<void> add_modifier(SpfRecord& record, std::string_view name, std::string_view term) {
  const auto value = term.substr(name.size() + 1);
  const bool redirect = equal_ignoring_case(name, "redirect");
  if (!redirect && !equal_ignoring_case(name, "exp")) {  // §6: unknown ones are ignored
    TRY(parse_macro_string(value, MacroPlace::modifier));
    return {};
  }
  auto& place = redirect ? record.redirect : record.explanation;
  if (place) return bad(term, "it may stand once");
  place = TRY(parse_domain_spec(value, term));
  return {};
}

bool is_unreserved(char c) {  // RFC 3986 §2.3
  return is_alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

std::string url_escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (is_unreserved(c)) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string dotted(const IpAddress& address) {
  if (!address.v6) return address.text();
  std::string out;
  for (auto octet : address.octets) out += fmt::format("{:X}.{:X}.", octet >> 4, octet & 15);
  out.pop_back();
  return out;
}

std::string value_of(char letter, const MacroFacts& facts) {
  switch (letter) {
    case 's':
      return facts.local + "@" + facts.sender_domain;
    case 'l':
      return facts.local;
    case 'o':
      return facts.sender_domain;
    case 'd':
      return facts.domain;
    case 'i':
      return dotted(facts.client);
    case 'p':
      return facts.validated;
    case 'h':
      return facts.helo;
    case 'v':
      return facts.client.v6 ? "ip6" : "in-addr";
    case 'c':
      return facts.client.text();
    case 'r':
      return facts.receiver.empty() ? "unknown" : facts.receiver;
    default:  // 't'
      return fmt::format(
          "{}", std::chrono::floor<std::chrono::seconds>(facts.now).time_since_epoch().count());
  }
}

// §7.3: split at the delimiters, turn round, keep the right-hand parts, join with dots.
std::string transformed(std::string_view value, const MacroPiece& piece) {
  if (piece.keep == 0 && !piece.reverse && piece.delimiters == ".") return std::string(value);
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= value.size();) {
    const auto end = std::min(value.find_first_of(piece.delimiters, begin), value.size());
    parts.push_back(value.substr(begin, end - begin));
    begin = end + 1;
  }
  if (piece.reverse) std::ranges::reverse(parts);
  const std::size_t first =
      piece.keep != 0 && piece.keep < parts.size() ? parts.size() - piece.keep : 0;
  std::string out;
  for (std::size_t at = first; at < parts.size(); ++at) {
    if (at > first) out += '.';
    out += parts[at];
  }
  return out;
}

}  // namespace

Result<MacroString> parse_macro_string(std::string_view text, MacroPlace place) {
  MacroString macros;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c != '%') {
      const bool blank = c == ' ' && place == MacroPlace::explanation;  // §6.2
      if ((c < 0x21 || c > 0x7E) && !blank) return bad(text, "a character is not allowed");
      add_literal(macros, {&c, 1});
      continue;
    }
    const char kind = at + 1 < text.size() ? text[at + 1] : '\0';
    if (kind == '%' || kind == '_' || kind == '-') {
      add_literal(macros, kind == '%' ? "%" : kind == '_' ? " " : "%20");
      ++at;
      continue;
    }
    const auto close = text.find('}', at);
    if (kind != '{' || close == std::string_view::npos) return bad(text, "a lone '%'");
    macros.push_back(TRY(parse_macro(text.substr(at + 2, close - at - 2), place)));
    at = close;
  }
  return macros;
}

std::string expand(const MacroString& macros, const MacroFacts& facts) {
  std::string out;
  for (const MacroPiece& piece : macros) {
    if (piece.letter == 0) {
      out += piece.literal;
      continue;
    }
    const auto value = transformed(value_of(piece.letter, facts), piece);
    out += piece.escape ? url_escaped(value) : value;
  }
  return out;
}

bool uses(const MacroString& macros, char letter) {
  return std::ranges::any_of(macros, [&](const MacroPiece& each) { return each.letter == letter; });
}

bool is_spf_record(std::string_view text) {
  return starts_with_ignoring_case(text, version) &&
         (text.size() == version.size() || text[version.size()] == ' ');
}

Result<SpfRecord> parse_spf_record(std::string_view text) {
  if (!is_spf_record(text)) return bad(text, "this is no SPF record: it does not begin 'v=spf1'");
  SpfRecord record;
  for (std::string_view term : split(text.substr(version.size()), ' ')) {
    if (term.empty()) continue;
    if (const auto name = modifier_name(term); !name.empty()) {
      TRY(add_modifier(record, name, term));
    } else {
      record.directives.push_back(TRY(parse_directive(term)));
    }
  }
  return record;
}

}  // namespace goniec
