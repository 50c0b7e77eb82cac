// Implementation of the command grammar; see command.h. RFC 5321 §4.1, RFC 3030 §2, RFC 3461 §4.
#include "proto/smtp/command.h"

#include <algorithm>

#include "base/text.h"
#include "mail/address.h"

namespace goniec::smtp {

namespace {

constexpr std::size_t kVerbOctets = 16;
constexpr std::size_t kHeloOctets = 255;  // RFC 5321 §4.5.3.1.2
constexpr std::size_t kParameters = 16;   // no command has as many

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}
bool is_forbidden(char c) {
  auto octet = static_cast<unsigned char>(c);
  return (octet < 0x20 && c != '\t') || octet == 0x7f;
}

char upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
}

int hex_digit(char c) {  // RFC 3461 §4: upper case only
  if (is_digit(c)) return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::unexpected<Reply> bad_parameter(std::string text) {
  return std::unexpected(Reply(501, {5, 5, 4}, std::move(text)));
}

// esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")
bool is_keyword(std::string_view name) {
  if (name.empty() || name[0] == '-') return false;
  return std::ranges::all_of(name, [](char c) { return is_alpha(c) || is_digit(c) || c == '-'; });
}

// esmtp-value = 1*(%d33-60 / %d62-126), and UTF-8 after SMTPUTF8
bool is_value(std::string_view value, bool utf8) {
  if (value.empty()) return false;
  for (char c : value) {
    auto octet = static_cast<unsigned char>(c);
    if (octet <= 32 || octet == '=' || octet == 127) return false;
    if (octet > 127 && !utf8) return false;
  }
  return !utf8 || is_utf8(value);
}

}  // namespace

Parsed<CommandLine> parse_command_line(std::string_view line) {
  if (std::ranges::any_of(line, is_forbidden)) {
    return std::unexpected(
        Reply(500, {5, 5, 2}, "control characters are not allowed in a command"));
  }
  std::size_t end = 0;
  while (end < line.size() && !is_blank(line[end])) ++end;
  std::string_view verb = line.substr(0, end);
  if (verb.empty()) {
    return std::unexpected(Reply(500, {5, 5, 2}, "a line begins with a command; try HELP"));
  }
  bool letters = std::ranges::all_of(verb, [](char c) { return is_alpha(c) || is_digit(c); });
  if (verb.size() > kVerbOctets || !letters) {
    return std::unexpected(Reply(500, {5, 5, 2}, "command not recognised; try HELP"));
  }
  CommandLine command;
  command.verb.reserve(verb.size());
  for (char c : verb) command.verb.push_back(upper(c));
  command.arguments = trim(line.substr(end));
  return command;
}

Parsed<std::vector<Parameter>> parse_parameters(std::string_view text, bool utf8) {
  std::vector<Parameter> parameters;
  if (text.empty()) return parameters;
  if (!is_blank(text[0]))
    return bad_parameter("a blank must come between the path and a parameter");
  for (;;) {
    text = trim(text);
    if (text.empty()) return parameters;
    std::size_t end = std::min(text.find_first_of(" \t"), text.size());
    std::string_view word = text.substr(0, end);
    text.remove_prefix(end);
    std::size_t equals = word.find('=');
    std::string_view name = word.substr(0, equals);
    Parameter parameter;
    if (!is_keyword(name)) {
      return bad_parameter(fmt::format("'{}' is no parameter", printable(word, 40)));
    }
    for (char c : name) parameter.name.push_back(upper(c));
    if (equals != std::string_view::npos) {
      parameter.value = word.substr(equals + 1);
      if (!is_value(*parameter.value, utf8)) {
        return bad_parameter(fmt::format("the value of {} is not valid", printable(name, 40)));
      }
    }
    bool repeated = std::ranges::any_of(
        parameters, [&](const Parameter& other) { return other.name == parameter.name; });
    if (repeated) return bad_parameter(fmt::format("{} is given twice", printable(name, 40)));
    if (parameters.size() == kParameters) return bad_parameter("too many parameters");
    parameters.push_back(std::move(parameter));
  }
}

Parsed<ChunkArguments> parse_chunk_arguments(std::string_view arguments) {
  std::size_t end = std::min(arguments.find_first_of(" \t"), arguments.size());
  std::string_view rest = trim(arguments.substr(end));
  std::optional<std::uint64_t> octets = parse_unsigned(arguments.substr(0, end));
  bool last = equal_ignoring_case(rest, "LAST");
  if (end > 20 || !octets || (!rest.empty() && !last)) {
    return bad_parameter("use BDAT octets [LAST]; the size of the chunk is unknown, so goodbye");
  }
  return ChunkArguments{*octets, last};
}

std::optional<std::string> decode_xtext(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '+') {
      if (text.size() - i < 3) return std::nullopt;
      int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c <= ' ' || c >= 127 || c == '=') {
      return std::nullopt;
    }
    if (c < ' ' || c >= 127) return std::nullopt;  // also what is above ASCII: char is signed
    decoded.push_back(c);
  }
  return decoded;
}

bool is_tolerable_helo(std::string_view name) {
  if (name.empty() || name.size() > kHeloOctets) return false;
  if (name[0] == '[') return is_valid_helo(name);
  // Underscores and single labels are what real machines are called; policy may judge them.
  return std::ranges::all_of(name, [](char c) {
    return is_alpha(c) || is_digit(c) || c == '.' || c == '-' || c == '_' || c == ':' || c == '%';
  });
}

}  // namespace goniec::smtp
