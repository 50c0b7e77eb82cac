// See authentication_results.h. RFC 8601 §2.2: values are tokens (RFC 2045 §5.1), local parts and
// domains, or quoted strings (RFC 5322 §3.2.4).
#include "trust/authentication_results.h"

#include <fmt/format.h>

#include "base/text.h"
#include "mail/header.h"

namespace goniec {
namespace {

constexpr std::size_t line_columns = 78;  // RFC 5322 §2.1.1
constexpr std::string_view field_name = "Authentication-Results:";

// What may stand without quotes: no blank, no special of RFC 2045 but '@', '/', ':' never, no '='.
bool is_plain(std::string_view value) {
  constexpr std::string_view marks = "!#$%&'*+-._~@";
  for (char c : value) {
    const bool letter = is_alpha(c) || is_digit(c) || (c & 0x80) != 0;  // RFC 8601 §2.2 by RFC 6532
    if (!letter && marks.find(c) == std::string_view::npos) return false;
  }
  return !value.empty();
}

// UTF-8 without controls, at most `octets`.
std::string harmless(std::string_view text, std::size_t octets) {
  std::string out;
  while (!text.empty()) {
    const auto character = first_utf8_character(text);
    const bool good = character.octets > 0 && !is_control(character.value);
    const auto taken = character.octets > 0 ? character.octets : 1;
    if (out.size() + (good ? taken : 1) > octets) break;
    if (good) {
      out += text.substr(0, taken);
    } else {
      out += '?';
    }
    text.remove_prefix(taken);
  }
  return out;
}

std::string value_text(std::string_view raw, std::size_t octets) {
  const std::string value = harmless(raw, octets);
  if (is_plain(value)) return value;
  std::string quoted = "\"";
  for (char c : value) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

std::string comment_text(std::string_view raw, std::size_t octets) {
  std::string comment = "(";
  for (char c : harmless(raw, octets)) {
    if (c == '(' || c == ')' || c == '\\') comment += '\\';
    comment += c;
  }
  return comment + ')';
}

// The words of a field; a line may break before each.
std::vector<std::string> words_of(std::string_view authserv_id,
                                  const std::vector<AuthenticationResult>& results,
                                  const AuthenticationLimits& limits) {
  std::vector<std::string> words{value_text(authserv_id, limits.value_octets) + ";"};
  std::size_t count = 0;
  for (const AuthenticationResult& result : results) {
    if (++count > limits.results) break;
    if (count > 1) words.back() += ';';
    words.push_back(result.method + "=" + result.result);
    if (!result.comment.empty())
      words.push_back(comment_text(result.comment, limits.comment_octets));
    if (!result.reason.empty())
      words.push_back("reason=" + value_text(result.reason, limits.value_octets));
    for (const AuthenticationProperty& property : result.properties)
      words.push_back(property.name + "=" + value_text(property.value, limits.value_octets));
  }
  if (results.empty()) words.emplace_back("none");
  return words;
}

}  // namespace

std::string authentication_results_value(std::string_view authserv_id,
                                         const std::vector<AuthenticationResult>& results,
                                         const AuthenticationLimits& limits) {
  std::string value;
  for (const std::string& word : words_of(authserv_id, results, limits)) {
    if (!value.empty()) value += ' ';
    value += word;
  }
  return value;
}

std::string authentication_results_field(std::string_view authserv_id,
                                         const std::vector<AuthenticationResult>& results,
                                         const AuthenticationLimits& limits) {
  std::string field(field_name);
  std::size_t column = field.size();
  bool method_begins = false;  // each result on a line of its own
  for (const std::string& word : words_of(authserv_id, results, limits)) {
    const bool first = column == field_name.size() && !method_begins;
    if (!first && (method_begins || column + 1 + word.size() > line_columns)) {
      field += "\r\n\t";
      column = 8;
    } else {
      field += ' ';
      ++column;
    }
    field += word;
    column += word.size();
    method_begins = word.ends_with(';');
  }
  return field + "\r\n";
}

bool says_dmarc_passed(std::string_view value, std::string_view author) {
  std::string bare;  // without comments, each quoted text one '"'
  std::size_t depth = 0;
  bool quoted = false;
  for (std::size_t at = 0; at < value.size(); ++at) {
    const char c = value[at];
    if ((quoted || depth > 0) && c == '\\') {
      ++at;
    } else if (depth == 0 && c == '"') {
      if (!quoted) bare += '"';
      quoted = !quoted;
    } else if (!quoted && (c == '(' || (c == ')' && depth > 0))) {
      c == '(' ? ++depth : --depth;
    } else if (!quoted && depth == 0) {
      bare += c == '\t' || c == '\r' || c == '\n' ? ' ' : to_lower(c);
    }
  }
  if (quoted || depth > 0) return false;
  const auto results = split(bare, ';');
  for (std::size_t at = 1; at < results.size(); ++at) {  // the first is who says it
    bool passed = false, of_author = false;
    for (std::string_view word : split(results[at], ' ')) {
      passed = passed || word == "dmarc=pass" || word == "dmarc/1=pass";
      of_author = of_author || (word.starts_with("header.from=") &&
                                equal_ignoring_case(word.substr(12), author));
    }
    if (passed && of_author) return true;
  }
  return false;
}

std::string authserv_id_of(std::string_view field_value) {
  const std::string text = unfold(field_value);
  std::size_t at = 0, depth = 0;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (depth > 0 && c == '\\') {
      ++at;
    } else if (c == '(') {
      ++depth;
    } else if (c == ')' && depth > 0) {
      --depth;
    } else if (depth == 0 && c != ' ' && c != '\t') {
      break;
    }
  }
  std::string id;
  constexpr std::string_view ends_id = "; \t(/";  // '/': a version in the old form "id/1"
  const bool quoted = at < text.size() && text[at] == '"';
  for (at += quoted ? 1 : 0; at < text.size(); ++at) {
    const char c = text[at];
    if (quoted ? c == '"' : ends_id.find(c) != std::string_view::npos) break;
    if (quoted && c == '\\' && at + 1 < text.size()) ++at;
    id += text[at];
  }
  id = std::string(trim(id));
  while (!id.empty() && id.back() == '.') id.pop_back();
  return id;
}

}  // namespace goniec
