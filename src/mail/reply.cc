// Replies in and out of text: see reply.h. The wire form obeys RFC 5321 §4.2 (grammar) and
// §4.5.3.1.5 (512 octets a line), and RFC 2034 §4 (the enhanced code on each line).
#include "mail/reply.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/plain.h"
#include "base/text.h"

namespace goniec {
namespace {

constexpr std::size_t reply_line_octets = 512;  // RFC 5321 §4.5.3.1.5, with CRLF

// Controls and what is not UTF-8 become '?', also non-ASCII characters unless `utf8`; cut at
// `limit`.
std::string on_the_wire(std::string_view text, bool utf8, std::size_t limit) {
  const std::size_t plain_octets = std::min(plain_prefix(text), limit);
  std::string out(text.substr(0, plain_octets));
  text.remove_prefix(plain_octets);
  while (!text.empty()) {
    const auto character = first_utf8_character(text);
    const std::size_t octets = character.octets == 0 ? 1 : character.octets;
    const bool tab = character.value == '\t' && character.octets == 1;
    const bool plain = character.octets != 0 && (tab || !is_control(character.value)) &&
                       (utf8 || character.value < 0x80);
    if (out.size() + (plain ? octets : 1) > limit) break;
    out += plain ? text.substr(0, octets) : std::string_view("?");
    text.remove_prefix(octets);
  }
  return out;
}

// One number of an enhanced code, at most three digits (RFC 3463 §2); -1: none.
int take_number(std::string_view& text) {
  int value = 0;
  std::size_t digits = 0;
  for (; digits < text.size() && is_digit(text[digits]); ++digits) {
    if (digits == 3) return -1;
    value = value * 10 + (text[digits] - '0');
  }
  text.remove_prefix(digits);
  return digits == 0 ? -1 : value;
}

bool take_dot(std::string_view& text) {
  if (text.empty() || text[0] != '.') return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

std::string EnhancedCode::text() const {
  if (klass == 0) return {};
  std::string text;  // nearly always short: no memory is taken
  for (const auto number : {klass, subject, detail})
    text.append(text.empty() ? "" : ".").append(fmt::format_int(number).c_str());
  return text;
}

EnhancedCode EnhancedCode::parse_prefix(std::string_view& text) {
  auto left = text;
  const int klass = take_number(left);
  if (klass != 2 && klass != 4 && klass != 5) return {};
  if (!take_dot(left)) return {};
  const int subject = take_number(left);
  if (subject < 0 || !take_dot(left)) return {};
  const int detail = take_number(left);
  if (detail < 0 || (!left.empty() && left[0] != ' ' && left[0] != '\t')) return {};
  while (!left.empty() && (left[0] == ' ' || left[0] == '\t')) left.remove_prefix(1);
  text = left;
  return {static_cast<std::uint16_t>(klass), static_cast<std::uint16_t>(subject),
          static_cast<std::uint16_t>(detail)};
}

Reply::Reply(std::uint16_t reply_code, EnhancedCode enhanced_code, std::string text)
    : code(reply_code), enhanced(enhanced_code) {
  if (text.find('\n') == std::string::npos && !text.ends_with('\r')) {
    lines.push_back(std::move(text));
    return;
  }
  for (auto line : split(text, '\n')) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.emplace_back(line);
  }
}

std::string Reply::wire(bool with_enhanced, bool utf8) const {
  CHECK(code >= 200 && code < 600);
  // RFC 2034 §4: only replies of the classes 2, 4 and 5 carry an enhanced code.
  const bool shown = with_enhanced && enhanced && !is_intermediate();
  std::string out;
  out.reserve(64);
  const std::size_t count = lines.empty() ? 1 : lines.size();
  for (std::size_t at = 0; at < count; ++at) {
    const std::string_view line = lines.empty() ? std::string_view() : lines[at];
    const std::size_t begin = out.size();
    out += fmt::format_int(code).c_str();
    out += at + 1 < count ? '-' : ' ';
    if (shown) out.append(enhanced.text()).append(line.empty() ? "" : " ");
    const std::size_t limit = reply_line_octets - 2 - (out.size() - begin);
    if (plain_prefix(line) == line.size() && line.size() <= limit)
      out += line;
    else
      out += on_the_wire(line, utf8, limit);
    out += "\r\n";
  }
  return out;
}

std::string Reply::one_line() const {
  std::string out;
  out.reserve(64);
  const auto add = [&](std::string_view part) {
    if (!part.empty()) out.append(out.empty() ? "" : " ").append(part);
  };
  if (code != 0) add(fmt::format_int(code).c_str());
  add(enhanced.text());
  for (const auto& line : lines) add(on_the_wire(line, true, line.size()));
  return out;
}

Reply Reply::from_one_line(std::string_view text) {
  Reply reply;
  if (text.size() >= 3 && text[0] >= '2' && text[0] <= '5' && is_digit(text[1]) &&
      is_digit(text[2]) && (text.size() == 3 || text[3] == ' ')) {
    reply.code = static_cast<std::uint16_t>(*parse_unsigned(text.substr(0, 3)));
    text.remove_prefix(text.size() == 3 ? 3 : 4);
  }
  reply.enhanced = EnhancedCode::parse_prefix(text);
  reply.lines.emplace_back(text);
  return reply;
}

}  // namespace goniec
