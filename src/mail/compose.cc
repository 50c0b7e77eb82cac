// Composing messages: see compose.h.
#include "mail/compose.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "mail/words.h"

namespace goniec {
namespace {

constexpr std::size_t line_columns = 78;  // RFC 5322 §2.1.1
constexpr std::size_t word_octets = 900;  // well below the 998 octets of a line

std::string without_controls(std::string_view value) {
  std::string out;
  while (!value.empty()) {
    const auto character = first_utf8_character(value);
    const std::size_t octets = character.octets == 0 ? 1 : character.octets;
    const bool good = character.octets != 0 && !is_control(character.value);
    out += good ? value.substr(0, octets) : character.value == '\t' ? std::string_view(" ") : "?";
    value.remove_prefix(octets);
  }
  return out;
}

// RFC 5322 §3.2.3.
bool is_atom_text(std::string_view text) {
  constexpr std::string_view specials = "()<>[]:;@\\,.\"";
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return c >= 32 && c < 127 && specials.find(c) == std::string_view::npos;
  });
}

std::string quoted(std::string_view ascii) {
  std::string out = "\"";
  for (const char c : ascii) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string phrase(std::string_view utf8) {
  const auto clean = without_controls(utf8);
  const auto words = encode_words(clean);
  if (words != clean) return words;
  return is_atom_text(clean) ? clean : quoted(clean);
}

bool has_line_beginning_with(std::string_view text, const std::string& begin) {
  return text.starts_with(begin) || text.find("\n" + begin) != std::string_view::npos;
}

}  // namespace

std::string header_field(std::string_view name, std::string_view value) {
  std::string out(name);
  out += ':';
  std::size_t column = out.size();
  const auto clean = without_controls(value);
  bool first = true;
  for (auto rest : split(clean, ' ')) {
    while (!rest.empty()) {
      std::size_t length = std::min(rest.size(), word_octets);
      while (length < rest.size() && (static_cast<unsigned char>(rest[length]) & 0xC0) == 0x80)
        --length;
      const bool folds = !first && column + 1 + length > line_columns;
      out.append(folds ? "\r\n " : " ").append(rest.substr(0, length));
      column = (folds ? 0 : column) + 1 + length;
      first = false;
      rest.remove_prefix(length);
    }
  }
  return out + "\r\n";
}

std::string text_field(std::string_view name, std::string_view utf8) {
  return header_field(name, encode_words(utf8, name.size() + 1));
}

std::string address_field(std::string_view name, const std::vector<HeaderMailbox>& mailboxes) {
  std::string list;
  for (const auto& mailbox : mailboxes) {
    if (!list.empty()) list += ", ";
    if (mailbox.display_name.empty())
      list += mailbox.address.text();
    else
      list += fmt::format("{} <{}>", phrase(mailbox.display_name), mailbox.address.text());
  }
  return header_field(name, list);
}

std::string mime_parameter(std::string_view name, std::string_view utf8) {
  const auto clean = without_controls(utf8);
  if (is_ascii(clean)) return fmt::format("; {}={}", name, quoted(clean));
  std::string twin, extended;
  for (const char c : clean) {
    const bool ascii = static_cast<unsigned char>(c) < 128;
    // One '_' for a character of several octets.
    if (ascii || (static_cast<unsigned char>(c) & 0xC0) == 0xC0) twin += ascii ? c : '_';
    if (is_alpha(c) || is_digit(c) || c == '.' || c == '-' || c == '_')
      extended += c;
    else
      extended += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return fmt::format("; {}={}; {}*=utf-8''{}", name, quoted(twin), name, extended);
}

MimePiece text_piece(std::string_view utf8, std::string_view description) {
  MimePiece piece;
  piece.fields.emplace_back("Content-Type", "text/plain; charset=utf-8");
  if (!description.empty()) piece.fields.emplace_back("Content-Description", description);
  piece.body = utf8;
  piece.encoding = best_encoding(utf8);
  return piece;
}

Multipart compose_multipart(const std::vector<MimePiece>& pieces, std::string_view seed) {
  Multipart result;
  std::vector<std::string> bodies;
  for (const auto& piece : pieces) bodies.push_back(encode_transfer(piece.encoding, piece.body));
  // "=_" never occurs in quoted-printable text (RFC 2045 §6.7); the search proves the rest. The
  // comparison is by prefix, so that no reader is misled who compares so.
  for (unsigned attempt = 0;; ++attempt) {
    result.boundary = fmt::format("=_{}_{}", seed, attempt);
    const auto marker = "--" + result.boundary;
    const bool taken = std::any_of(bodies.begin(), bodies.end(), [&](const std::string& body) {
      return has_line_beginning_with(body, marker);
    });
    if (!taken) break;
  }
  result.body = "This is a message in MIME format.\r\n";
  for (std::size_t at = 0; at < pieces.size(); ++at) {
    result.body += fmt::format("\r\n--{}\r\n", result.boundary);
    for (const auto& [name, value] : pieces[at].fields) result.body += header_field(name, value);
    if (pieces[at].encoding != TransferEncoding::seven_bit) {
      result.body += header_field("Content-Transfer-Encoding", name_of(pieces[at].encoding));
    }
    result.body += "\r\n" + bodies[at];
  }
  result.body += fmt::format("\r\n--{}--\r\n", result.boundary);
  return result;
}

}  // namespace goniec
