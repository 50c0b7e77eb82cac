// Transfer encodings: see transfer.h.
#include "mail/transfer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/digest.h"
#include "base/text.h"

namespace goniec {
namespace {

constexpr std::size_t encoded_columns = 76;  // RFC 2045 §6.7 (5) and §6.8
constexpr std::size_t line_octets = 998;     // RFC 5322 §2.1.1

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  const char lower = to_lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (is_digit(c)) return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

void append_encoded_line(std::string& out, std::string_view line) {
  std::size_t column = 0;
  for (std::size_t at = 0; at < line.size(); ++at) {
    const char c = line[at];
    const bool last = at + 1 == line.size();
    bool plain = (c > 32 && c < 127 && c != '=') || ((c == ' ' || c == '\t') && !last);
    if (column == 0 && (c == '.' || line.substr(at).starts_with("From "))) plain = false;
    const std::size_t needed = plain ? 1 : 3;
    if (column + needed > encoded_columns - (last ? 0 : 1)) {
      out += "=\r\n";
      column = 0;
    }
    if (plain) {
      out += c;
    } else {
      out += fmt::format("={:02X}", static_cast<unsigned char>(c));
    }
    column += needed;
  }
}

// The text without blanks at its end, when a line end or the end of all follows them.
std::string_view without_trailing_blanks(std::string_view line) {
  while (!line.empty() && (line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
  return line;
}

void append_decoded_line(std::string& out, std::string_view line) {
  for (std::size_t at = 0; at < line.size(); ++at) {
    const int high = at + 2 < line.size() ? hex_value(line[at + 1]) : -1;
    const int low = at + 2 < line.size() ? hex_value(line[at + 2]) : -1;
    if (line[at] == '=' && high >= 0 && low >= 0) {
      out += static_cast<char>(high * 16 + low);
      at += 2;
    } else {
      out += line[at];
    }
  }
}

}  // namespace

std::string_view name_of(TransferEncoding encoding) {
  switch (encoding) {
    case TransferEncoding::seven_bit:
      return "7bit";
    case TransferEncoding::eight_bit:
      return "8bit";
    case TransferEncoding::binary:
      return "binary";
    case TransferEncoding::quoted_printable:
      return "quoted-printable";
    case TransferEncoding::base64:
      return "base64";
  }
  return "binary";
}

TransferEncoding transfer_encoding_of(std::string_view field_value) {
  const auto first = field_value.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return TransferEncoding::seven_bit;
  const auto name =
      field_value.substr(first, field_value.find_first_of(" \t\r\n;(", first) - first);
  for (auto known : {TransferEncoding::seven_bit, TransferEncoding::eight_bit,
                     TransferEncoding::quoted_printable, TransferEncoding::base64}) {
    if (equal_ignoring_case(name, name_of(known))) return known;
  }
  return TransferEncoding::binary;
}

std::string encode_quoted_printable(std::string_view text) {
  std::string out;
  while (true) {
    const auto end = text.find("\r\n");
    append_encoded_line(out, text.substr(0, end));
    if (end == std::string_view::npos) return out;
    out += "\r\n";
    text.remove_prefix(end + 2);
  }
}

std::string decode_quoted_printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto end = text.find('\n');
    auto line = text.substr(0, end);
    const bool ended = end != std::string_view::npos;
    const bool crlf = ended && line.ends_with('\r');
    if (crlf) line.remove_suffix(1);
    text.remove_prefix(ended ? end + 1 : text.size());
    line = without_trailing_blanks(line);  // RFC 2045 §6.7 (3)
    const bool soft = line.ends_with('=');
    if (soft) line.remove_suffix(1);
    append_decoded_line(out, line);
    if (ended && !soft) out += crlf ? "\r\n" : "\n";
  }
  return out;
}

std::string encode_base64_lines(std::string_view data) {
  constexpr std::size_t octets_a_line = encoded_columns / 4 * 3;
  std::string out;
  for (std::size_t at = 0; at < data.size(); at += octets_a_line) {
    out += to_base64(data.substr(at, octets_a_line)) + "\r\n";
  }
  return out;
}

std::string decode_base64_lines(std::string_view text) {
  std::string out;
  unsigned bits = 0, held = 0;
  for (char c : text) {
    if (c == '=') {  // the end of one encoding; another may be appended to it
      held = 0;
      continue;
    }
    const int value = base64_value(c);
    if (value < 0) continue;
    bits = (bits << 6 | static_cast<unsigned>(value)) & 0xFFFF;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    out += static_cast<char>((bits >> held) & 0xFF);
  }
  return out;
}

std::string decode_transfer(TransferEncoding encoding, std::string_view body) {
  if (encoding == TransferEncoding::quoted_printable) return decode_quoted_printable(body);
  if (encoding == TransferEncoding::base64) return decode_base64_lines(body);
  return std::string(body);
}

TransferEncoding best_encoding(std::string_view text) {
  std::size_t line = 0, unsafe = 0;
  bool long_line = false, bare = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    const bool crlf = c == '\r' && at + 1 < text.size() && text[at + 1] == '\n';
    const bool after_cr = c == '\n' && at > 0 && text[at - 1] == '\r';
    bare = bare || (c == '\r' && !crlf) || (c == '\n' && !after_cr);
    line = c == '\n' ? 0 : line + (crlf ? 0 : 1);
    long_line = long_line || line > line_octets;
    const auto octet = static_cast<unsigned char>(c);
    if (octet >= 127 || (octet < 32 && c != '\t' && c != '\r' && c != '\n')) ++unsafe;
  }
  if (unsafe == 0 && !long_line && !bare) return TransferEncoding::seven_bit;
  return unsafe * 6 < text.size() ? TransferEncoding::quoted_printable : TransferEncoding::base64;
}

std::string encode_transfer(TransferEncoding encoding, std::string_view body) {
  if (encoding == TransferEncoding::quoted_printable) return encode_quoted_printable(body);
  if (encoding == TransferEncoding::base64) return encode_base64_lines(body);
  return std::string(body);
}

}  // namespace goniec
