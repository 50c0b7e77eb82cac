// Domains and address literals: see address.h. RFC 5321 §4.1.2 and §4.1.3, RFC 5890-5892 by way of
// UTS #46 (libidn2, non-transitional).
//
// Plain ASCII names (letters, digits, hyphens, dots) never reach libidn2. A label is 1 to 63 octets
// and does not begin or end with a hyphen. The underscore is no letter of RFC 1034, but real hosts
// have it and DNS carries it, so it is let in. A name that ends with a dot is refused: the grammar
// of RFC 5321 has none, and two spellings of one domain would pass two rules. An IPv4 literal has
// no leading zeros (octal to some readers); an IPv6 literal is printed in the form of RFC 5952, and
// an IPv4-mapped one is the IPv4 literal it stands for.
#include <fmt/format.h>
#include <idn2.h>

#include <algorithm>
#include <memory>

#include "base/text.h"
#include "mail/address.h"
#include "mail/journey.h"

namespace goniec {
namespace {

constexpr std::size_t domain_octets = 255;    // RFC 5321 §4.5.3.1.2
constexpr std::size_t label_octets = 63;      // RFC 1035 §2.3.4
constexpr std::size_t unicode_octets = 1024;  // before conversion; A-labels are checked after it

struct FreeIdn {
  void operator()(char* text) const { idn2_free(text); }
};
using IdnText = std::unique_ptr<char, FreeIdn>;

std::unexpected<Error> bad_domain(std::string_view text, std::string_view why) {
  return fail(ErrorKind::bad_data,
              fmt::format("'{}' is no mail domain: {}", printable(text, 80), why));
}

// "" when the lower-case name obeys the grammar, else what is wrong with it.
std::string_view fault_of(std::string_view name) {
  if (name.empty()) return "it is empty";
  if (name.size() > domain_octets) return "it is longer than 255 octets";
  std::size_t length = 0;
  for (std::size_t at = 0; at <= name.size(); ++at) {
    const bool at_end = at == name.size() || name[at] == '.';
    if (!at_end) {
      const char c = name[at];
      if (!is_alpha(c) && !is_digit(c) && c != '-' && c != '_') return "a character is not allowed";
      if (c == '-' && length == 0) return "a label begins with a hyphen";
      ++length;
      continue;
    }
    if (length == 0) return "a label is empty";
    if (length > label_octets) return "a label is longer than 63 octets";
    if (name[at - 1] == '-') return "a label ends with a hyphen";
    length = 0;
  }
  return {};
}

bool has_a_label(std::string_view name) {
  return name.starts_with("xn--") || name.find(".xn--") != std::string_view::npos;
}

Result<std::string> literal(std::string_view text) {
  if (text.size() < 3 || !text.ends_with(']')) return bad_domain(text, "the literal has no ']'");
  constexpr std::string_view tag = "ipv6:";  // RFC 5321 §4.1.3; no other tag is registered
  auto inside = text.substr(1, text.size() - 2);
  const bool tagged = starts_with_ignoring_case(inside, tag);
  if (tagged) inside.remove_prefix(tag.size());
  const auto address = IpAddress::parse(inside);
  if (!address || (inside.find(':') != std::string_view::npos) != tagged) {
    return bad_domain(text, "an address literal is [192.0.2.1] or [IPv6:2001:db8::1]");
  }
  return fmt::format("[{}{}]", address->v6 ? "IPv6:" : "", address->text());
}

Result<std::string> to_a_labels(std::string_view text) {
  char* raw = nullptr;
  const int status =
      idn2_to_ascii_8z(std::string(text).c_str(), &raw, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  const IdnText converted(raw);
  if (status != IDN2_OK) return bad_domain(text, idn2_strerror(status));
  return to_lower(converted.get());
}

bool has_forbidden_character(std::string_view text) {
  while (!text.empty()) {
    const auto character = first_utf8_character(text);
    if (character.octets == 0 || character.value == 0xFFFD || is_control(character.value))
      return true;
    text.remove_prefix(character.octets);
  }
  return false;
}

}  // namespace

Result<Domain> Domain::parse(std::string_view text, Utf8Policy utf8) {
  Domain domain;
  if (text.starts_with('[')) {
    domain.text_ = TRY(literal(text));
    return domain;
  }
  const bool ascii = is_ascii(text);
  if (!ascii && utf8 == Utf8Policy::refuse) {
    return bad_domain(text, "it is not ASCII, and SMTPUTF8 was not given");
  }
  if (text.size() > (ascii ? domain_octets : unicode_octets)) {
    return bad_domain(text, "it is too long");
  }
  if (has_forbidden_character(text)) return bad_domain(text, "a character is not allowed");
  domain.text_ = to_lower(text);
  if (!ascii || has_a_label(domain.text_)) domain.text_ = TRY(to_a_labels(domain.text_));
  if (const auto fault = fault_of(domain.text_); !fault.empty()) return bad_domain(text, fault);
  return domain;
}

std::string Domain::unicode() const {
  if (!has_a_label(text_)) return text_;
  char* raw = nullptr;
  const int status = idn2_to_unicode_8z8z(text_.c_str(), &raw, IDN2_NONTRANSITIONAL);
  const IdnText converted(raw);
  if (status != IDN2_OK) return text_;
  const auto back = to_a_labels(converted.get());
  return back && *back == text_ ? converted.get() : text_;
}

std::string_view Domain::literal_ip() const {
  if (!is_literal()) return {};
  std::string_view inside(text_);
  inside = inside.substr(1, inside.size() - 2);
  return inside.starts_with("IPv6:") ? inside.substr(5) : inside;
}

}  // namespace goniec
