// Text in header fields beyond ASCII: encoded words (RFC 2047) and parameters with charset and
// continuations (RFC 2231). Decoding gives UTF-8 and never fails: what is no encoded word, or of an
// unknown charset, stays as it is; a decoded CR, LF or NUL becomes U+FFFD, so that no decoded text
// can start a line. Work is linear in the length of the field.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace goniec {

// Bytes of a charset ("iso-8859-2", any case) as UTF-8; what cannot be converted is U+FFFD.
// nullopt: unknown charset.
std::optional<std::string> to_utf8(std::string_view charset, std::string_view bytes);

// An unstructured value or a phrase: unfolded, encoded words decoded.
std::string decode_words(std::string_view value);

// UTF-8 text as it may stand in a field: unchanged when it is plain ASCII, else encoded words of at
// most 75 characters, split between characters, separated by a blank. Controls become U+FFFD. The
// first word is shorter by `first_column`, what stands before it in its line.
std::string encode_words(std::string_view utf8, std::size_t first_column = 0);

struct Parameter {
  std::string name;   // lower case, without '*'
  std::string value;  // UTF-8
};
// "text/plain; charset=utf-8; name*0=a; name*1=b" -> the value before the first ';' (lower case,
// without blanks and comments) and the parameters, each name once: an extended form (RFC 2231) wins
// over a plain one, else the first. At most 1,000 names.
struct ParameterizedValue {
  std::string value;
  std::vector<Parameter> parameters;
  const std::string* find(std::string_view name) const;
};
ParameterizedValue parse_parameterized(std::string_view field_value);

}  // namespace goniec
