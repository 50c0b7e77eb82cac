// See answer_text.h and read_reply in bounce.h.
#include "mail/answer_text.h"

#include <optional>

#include "base/text.h"
#include "mail/bounce.h"

namespace goniec {
namespace {

bool is_word_edge(char c) {
  return !is_alpha(c) && !is_digit(c) && c != '.' && c != '-' && c != '_' && c != '@';
}

// "550" or "421" at the front, as a word of its own.
std::optional<std::uint16_t> code_at_front(std::string_view text) {
  if (text.size() < 3 || (text[0] != '4' && text[0] != '5') || text[1] < '0' || text[1] > '7' ||
      !is_digit(text[2]))
    return {};
  if (text.size() > 3 && text[3] != ' ' && text[3] != '-' && text[3] != '\t' && text[3] != '\r' &&
      text[3] != '\n' && text[3] != ':' && text[3] != ';' && text[3] != '#' && text[3] != '>' &&
      text[3] != ')' && text[3] != ',')
    return {};
  return static_cast<std::uint16_t>(*parse_unsigned(text.substr(0, 3)));
}

// "5.1.1" at the front, followed by no further digit or dot-digit (an address).
std::size_t enhanced_at_front(std::string_view text, EnhancedCode& code) {
  std::size_t end = 0;
  while (end < text.size() && end < 12 && (is_digit(text[end]) || text[end] == '.')) ++end;
  auto word = text.substr(0, end);
  if (word.ends_with('.')) word.remove_suffix(1);
  if (end < text.size() && (is_alpha(text[end]) || text[end] == '_')) return 0;
  auto rest = word;
  code = EnhancedCode::parse_prefix(rest);
  return code && code.klass != 2 ? word.size() : 0;
}

}  // namespace

Reply read_reply(std::string_view text) {
  Reply reply;
  bool edge = true;
  for (std::size_t at = 0; at < text.size() && (reply.code == 0 || !reply.enhanced); ++at) {
    const auto rest = text.substr(at);
    EnhancedCode code;
    if (edge && reply.code == 0) reply.code = code_at_front(rest).value_or(0);
    if ((edge || (at > 0 && text[at - 1] == '-')) && !reply.enhanced &&
        enhanced_at_front(rest, code) > 0)
      reply.enhanced = code;
    edge = is_word_edge(text[at]);
  }
  reply.lines.emplace_back(text);
  return reply;
}

std::string_view answer_in(std::string_view text) {
  bool edge = true;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (edge && code_at_front(text.substr(at))) return text.substr(at);
    edge = is_word_edge(text[at]);
  }
  return text;
}

}  // namespace goniec
