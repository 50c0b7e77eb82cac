// Addresses and paths: see address.h. One scanner of local parts serves both, so that what a path
// says and what Address::parse says are the same (RFC 5321 §4.1.2, RFC 6531 §3.3).
#include "mail/address.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace goniec {
namespace {

constexpr std::size_t local_octets = 64;     // RFC 5321 §4.5.3.1.1
constexpr std::size_t address_octets = 254;  // the path of RFC 5321 §4.5.3.1.3 without <>

std::unexpected<Error> bad_address(std::string_view text, std::string_view why) {
  return fail(ErrorKind::bad_data,
              fmt::format("'{}' is no mail address: {}", printable(text, 80), why));
}

// atext of RFC 5322 §3.2.3.
bool is_atom_character(char c) {
  return is_alpha(c) || is_digit(c) ||
         std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

// Octets of the non-ASCII character that begins here; 0: not UTF-8, or one that addresses refuse.
std::size_t non_ascii_character(std::string_view text) {
  const auto character = first_utf8_character(text);
  if (character.octets < 2 || character.value == 0xFFFD || is_control(character.value)) return 0;
  return character.octets;
}

struct LocalPart {
  std::string unquoted;
  std::size_t octets = 0;  // as written
};

// Quoted-string of RFC 5321 §4.1.2: qtextSMTP and quoted-pairSMTP, no controls.
Result<LocalPart> scan_quoted(std::string_view text) {
  LocalPart local;
  std::size_t at = 1;
  while (at < text.size() && text[at] != '"') {
    if (text[at] == '\\') ++at;
    if (at == text.size()) break;
    const auto octet = static_cast<unsigned char>(text[at]);
    std::size_t octets = 1;
    if (octet >= 0x80) octets = text[at - 1] == '\\' ? 0 : non_ascii_character(text.substr(at));
    if (octet < 0x20 || octet == 0x7F || octets == 0) {
      return bad_address(text, "a character in the quoted part is not allowed");
    }
    local.unquoted += text.substr(at, octets);
    at += octets;
  }
  if (at >= text.size()) return bad_address(text, "a quote is not closed");
  local.octets = at + 1;
  return local;
}

Result<LocalPart> scan_dot_string(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    if (is_atom_character(text[at])) {
      ++at;
    } else if (text[at] == '.') {
      if (at == 0 || text[at - 1] == '.') return bad_address(text, "a dot has nothing before it");
      ++at;
    } else if (const auto octets = non_ascii_character(text.substr(at)); octets > 0) {
      at += octets;
    } else {
      break;
    }
  }
  if (at == 0) return bad_address(text, "it has no local part");
  if (text[at - 1] == '.') return bad_address(text, "the local part ends with a dot");
  return LocalPart{std::string(text.substr(0, at)), at};
}

// The local part at the front of `text`, which '@', '>' or the end must follow.
Result<LocalPart> scan_local(std::string_view text, Utf8Policy utf8) {
  auto local = TRY(text.starts_with('"') ? scan_quoted(text) : scan_dot_string(text));
  if (local.octets > local_octets) {
    return bad_address(text, "the local part is longer than 64 octets");
  }
  if (utf8 == Utf8Policy::refuse && !is_ascii(local.unquoted)) {
    return bad_address(text, "it is not ASCII, and SMTPUTF8 was not given");
  }
  const bool ended =
      local.octets == text.size() || text[local.octets] == '@' || text[local.octets] == '>';
  if (!ended) return bad_address(text, "a character in the local part is not allowed");
  return local;
}

bool is_dot_string(std::string_view local) {
  const auto scanned = scan_dot_string(local);
  return scanned && scanned->octets == local.size();
}

std::string quoted_when_needed(const std::string& local) {
  if (is_dot_string(local)) return local;
  std::string quoted = "\"";
  for (char c : local) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

Result<Address> assemble(LocalPart local, std::string_view domain, Utf8Policy utf8) {
  auto address = Address::make(std::move(local.unquoted), TRY(Domain::parse(domain, utf8)));
  if (address.text().size() > address_octets) {
    return bad_address(address.text(), "it is longer than 254 octets");
  }
  return address;
}

// "@a,@b:" at the front is obeyed by ignoring it (RFC 5321 §4.1.1.3, appendix C).
Result<std::string_view> skip_source_route(std::string_view text, Utf8Policy utf8) {
  if (!text.starts_with('@')) return text;
  auto left = text;
  while (true) {
    // A literal holds colons: it ends at ']'.
    const auto from = left.starts_with("@[") ? left.find(']') : 0;
    const auto end = from == std::string_view::npos ? from : left.find_first_of(",:>", from);
    if (end == std::string_view::npos || left[end] == '>' || left[0] != '@') {
      return bad_address(text, "the source route has no end");
    }
    if (auto hop = Domain::parse(left.substr(1, end - 1), utf8); !hop) {
      return std::unexpected(std::move(hop).error());
    }
    const bool last = left[end] == ':';
    left.remove_prefix(end + 1);
    if (last) return left;
  }
}

enum class PathKind { reverse, forward };

Result<ParsedPath> parse_path(std::string_view text, Utf8Policy utf8, PathKind kind) {
  if (!text.starts_with('<')) return bad_address(text, "a path begins with '<'");
  ParsedPath path;
  if (text.starts_with("<>")) {
    if (kind == PathKind::forward) return bad_address(text, "a recipient cannot be empty");
    path.rest = text.substr(2);
    return path;
  }
  const auto mailbox = TRY(skip_source_route(text.substr(1), utf8));
  auto local = TRY(scan_local(mailbox, utf8));
  auto left = mailbox.substr(local.octets);
  const auto end = left.find('>');
  if (end == std::string_view::npos) return bad_address(text, "the path has no '>'");
  path.rest = left.substr(end + 1);
  if (left[0] == '@') {
    path.address = TRY(assemble(std::move(local), left.substr(1, end - 1), utf8));
    return path;
  }
  // RFC 5321 §4.5.1: <Postmaster> without a domain, in any case, as a recipient only.
  path.postmaster = kind == PathKind::forward && equal_ignoring_case(local.unquoted, "postmaster");
  if (!path.postmaster) return bad_address(text, "it has no domain");
  return path;
}

}  // namespace

Result<Address> Address::parse(std::string_view text, Utf8Policy utf8) {
  auto local = TRY(scan_local(text, utf8));
  const auto rest = text.substr(local.octets);
  if (!rest.starts_with('@')) return bad_address(text, "it has no domain");
  return assemble(std::move(local), rest.substr(1), utf8);
}

Address Address::make(std::string local, Domain domain) {
  Address address;
  address.local_ = std::move(local);
  address.domain_ = std::move(domain);
  return address;
}

std::string Address::text() const {
  return empty() ? std::string() : quoted_when_needed(local_) + "@" + domain_.ascii();
}

std::string Address::unicode() const {
  return empty() ? std::string() : quoted_when_needed(local_) + "@" + domain_.unicode();
}

bool Address::needs_smtputf8() const {
  return !is_ascii(local_);
}

Result<ParsedPath> parse_reverse_path(std::string_view text, Utf8Policy utf8) {
  return parse_path(text, utf8, PathKind::reverse);
}

Result<ParsedPath> parse_forward_path(std::string_view text, Utf8Policy utf8) {
  return parse_path(text, utf8, PathKind::forward);
}

bool is_valid_helo(std::string_view text) {
  return Domain::parse(text, Utf8Policy::refuse).has_value();
}

}  // namespace goniec
