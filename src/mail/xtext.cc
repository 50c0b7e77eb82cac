// xtext and utf-8-addr-xtext: see xtext.h.
#include "mail/xtext.h"

#include <fmt/format.h>

#include "base/text.h"

namespace goniec {
namespace {

int upper_hex_value(char c) {  // RFC 3461 §4: upper case only
  if (is_digit(c)) return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

void append_utf8(std::string& out, char32_t c) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | ((c >> shift) & 0x3F)); };
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    tail(0);
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0 | (c >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

// The number in "x{…}", one to six upper-case digits (RFC 6533 §3, EmbeddedUnicodeChar).
std::optional<char32_t> embedded_character(std::string_view digits) {
  if (digits.empty() || digits.size() > 6) return {};
  char32_t value = 0;
  for (char c : digits) {
    const int digit = upper_hex_value(c);
    if (digit < 0) return {};
    value = value * 16 + static_cast<char32_t>(digit);
  }
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (value > 0x10FFFF || surrogate || is_control(value)) return {};
  return value;
}

}  // namespace

std::string encode_xtext(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c > 32 && c < 127 && c != '+' && c != '=') {
      out += c;
    } else {
      out += fmt::format("+{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::optional<std::string> decode_xtext(std::string_view xtext) {
  std::string out;
  for (std::size_t at = 0; at < xtext.size(); ++at) {
    const char c = xtext[at];
    if (c <= 32 || c >= 127 || c == '=') return {};
    if (c != '+') {
      out += c;
      continue;
    }
    if (at + 2 >= xtext.size()) return {};
    const int high = upper_hex_value(xtext[at + 1]), low = upper_hex_value(xtext[at + 2]);
    if (high < 0 || low < 0) return {};
    out += static_cast<char>(high * 16 + low);
    at += 2;
  }
  return out;
}

bool is_safe_in_a_field(std::string_view text) {
  while (!text.empty()) {
    const auto character = first_utf8_character(text);
    if (character.octets == 0 || is_control(character.value)) return false;
    text.remove_prefix(character.octets);
  }
  return true;
}

std::optional<std::string> decode_utf8_address(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    if (!text.starts_with("\\x{")) {
      const auto character = first_utf8_character(text);
      if (character.octets == 0 || is_control(character.value) || text[0] == '\\') return {};
      out += text.substr(0, character.octets);
      text.remove_prefix(character.octets);
      continue;
    }
    const auto close = text.find('}');
    if (close == std::string_view::npos) return {};
    const auto character = embedded_character(text.substr(3, close - 3));
    if (!character) return {};
    append_utf8(out, *character);
    text.remove_prefix(close + 1);
  }
  return out;
}

std::string encode_utf8_address(std::string_view utf8) {
  std::string out;
  while (!utf8.empty()) {
    const auto character = first_utf8_character(utf8);
    const std::size_t octets = character.octets == 0 ? 1 : character.octets;
    const auto value = character.octets == 0 ? U'\uFFFD' : character.value;
    const bool plain = value > 32 && value < 127 && value != '\\' && value != '+' && value != '=';
    if (plain) {
      out += static_cast<char>(value);
    } else {
      out += fmt::format("\\x{{{:X}}}", static_cast<unsigned>(value));
    }
    utf8.remove_prefix(octets);
  }
  return out;
}

}  // namespace goniec
