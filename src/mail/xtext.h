// xtext (RFC 3461 §4): how ENVID and ORCPT carry any text through a command line. Octets 33 to 126
// except '+' and '=' stand for themselves, all else is "+" and two upper-case hexadecimal digits.
// Decoding is strict; what it gives may hold CR, LF or NUL and is checked before it goes anywhere
// (`is_safe_in_a_field`). Also utf-8-addr-xtext of RFC 6533 §3: \x{…} for what is not ASCII.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace goniec {

std::string encode_xtext(std::string_view text);
std::optional<std::string> decode_xtext(std::string_view xtext);  // nullopt: no xtext
// UTF-8 without controls: nothing in it can end a line or a field.
bool is_safe_in_a_field(std::string_view text);

// RFC 6533 §3: "\x{F6}" to the character itself; nullopt: not of that form, or a forbidden
// character.
std::optional<std::string> decode_utf8_address(std::string_view text);
std::string encode_utf8_address(std::string_view utf8);  // into utf-8-addr-xtext: ASCII only

}  // namespace goniec
