// Small functions on text, all on octets (ASCII case only) and all linear.
#pragma once
#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace goniec {

constexpr char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}
constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
constexpr bool is_alpha(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
std::string to_lower(std::string_view text);
bool equal_ignoring_case(std::string_view a, std::string_view b);
bool starts_with_ignoring_case(std::string_view text, std::string_view prefix);
std::string_view trim(std::string_view text);  // SP and TAB at both ends
std::vector<std::string_view> split(std::string_view text, char separator);
std::optional<std::uint64_t> parse_unsigned(std::string_view digits);  // digits only, no overflow
bool is_utf8(std::string_view text);  // RFC 3629: no overlong, no surrogates
// The first character of the text; octets 0: none, or not UTF-8.
struct Utf8Character {
  char32_t value = 0;
  std::size_t octets = 0;
};
Utf8Character first_utf8_character(std::string_view text);
// C0, DEL, C1, and what moves text about on a screen: line separators, bidi controls, U+FEFF.
bool is_control(char32_t character);
bool is_ascii(std::string_view text);
// For logs and errors: controls and octets that are not UTF-8 as \xNN, cut to `limit` octets +
// "...".
std::string printable(std::string_view text, std::size_t limit = 200);
// The nearest of `names` to `name` by edit distance (at most a third of its length, at least 1),
// for "did you mean".
std::optional<std::string> nearest(std::string_view name, const std::vector<std::string>& names);

}  // namespace goniec
