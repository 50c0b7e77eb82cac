// Mail addresses: parsed once at the border, never again kept as text (RFC 5321 §4.1.2, RFC 6531).
//
// A Domain is normalised: ASCII lower case, IDNA2008 A-labels (libidn2, UTS #46 non-transitional),
// no trailing dot; or an address literal "[192.0.2.1]", "[IPv6:2001:db8::1]". Two Domains are equal
// exactly when mail for them goes the same way.
// An Address keeps its local part as the sender wrote it, unquoted (the quoting is put back when it
// is printed and needed). Local parts compare octet by octet; accounts/directory decides about
// case.
//
// Refused always: CR, LF, NUL and other controls in any part (also inside quotes); more than 64
// octets of local part, 255 of domain, 254 in all; a bare U+FFFD or overlong UTF-8.
#pragma once
#include <compare>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace goniec {

enum class Utf8Policy { refuse, allow };  // allow: SMTPUTF8 was given (RFC 6531 §3.3)

class Domain {
 public:
  Domain() = default;  // empty: no domain
  static Result<Domain> parse(std::string_view text, Utf8Policy utf8 = Utf8Policy::allow);
  const std::string& ascii() const { return text_; }  // "xn--…" or literal; what DNS and TLS see
  std::string unicode() const;                        // for people
  bool is_literal() const { return !text_.empty() && text_[0] == '['; }
  std::string_view literal_ip() const;  // "192.0.2.1" or "2001:db8::1"; empty: not a literal
  bool empty() const { return text_.empty(); }
  auto operator<=>(const Domain&) const = default;

 private:
  std::string text_;
};

class Address {
 public:
  Address() = default;  // empty
  // "local@domain" without angle brackets. A quoted local part is taken apart.
  static Result<Address> parse(std::string_view text, Utf8Policy utf8 = Utf8Policy::allow);
  static Address make(std::string local, Domain domain);  // REQUIRES a valid local part
  const std::string& local() const { return local_; }     // unquoted
  const Domain& domain() const { return domain_; }
  std::string text() const;  // "local@domain", local part quoted when it must be; domain in ASCII
  std::string unicode() const;  // the same with U-labels
  bool needs_smtputf8() const;  // a non-ASCII local part
  bool empty() const { return local_.empty() && domain_.empty(); }
  auto operator<=>(const Address&) const = default;

 private:
  std::string local_;
  Domain domain_;
};

// MAIL FROM: a path or <>. RCPT TO: a path, or <postmaster> without domain (RFC 5321 §4.5.1).
// Both take the argument beginning at '<', skip a source route, and leave in `rest` what follows
// '>'.
struct ParsedPath {
  Address address;          // empty: null reverse-path
  bool postmaster = false;  // <postmaster> without domain
  std::string_view rest;
};
Result<ParsedPath> parse_reverse_path(std::string_view text, Utf8Policy utf8);
Result<ParsedPath> parse_forward_path(std::string_view text, Utf8Policy utf8);

// HELO argument: Domain or address literal; false: neither (RFC 5321 §4.1.1.1).
bool is_valid_helo(std::string_view text);

// One address-list header field value (RFC 5322 §3.4): display names, groups, comments, folding.
struct HeaderMailbox {
  std::string display_name;  // decoded by RFC 2047 only by whoever shows it
  Address address;
};
// Recovers as far as it can; `complete` false when something could not be read.
struct HeaderMailboxes {
  std::vector<HeaderMailbox> mailboxes;
  bool complete = true;
};
HeaderMailboxes parse_header_mailboxes(std::string_view value);

}  // namespace goniec

template <>
struct std::hash<goniec::Domain> {
  std::size_t operator()(const goniec::Domain& domain) const noexcept {
    return std::hash<std::string>{}(domain.ascii());
  }
};
template <>
struct std::hash<goniec::Address> {
  std::size_t operator()(const goniec::Address& address) const noexcept {
    return std::hash<std::string>{}(address.local()) * 31 +
           std::hash<goniec::Domain>{}(address.domain());
  }
};
