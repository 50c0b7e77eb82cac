// Signed words for links in mail: who reads such a word back knows that this house wrote it, for
// which message, stream and recipient, and (of a click) to where it leads. So nobody can
// unsubscribe somebody else by guessing, and no link leads where we did not say (no open redirect).
//
//   long form   base64url (RFC 4648 §5, no padding) of  KIND ID STREAM ADDRESS TARGET MAC
//               KIND one letter; ID eight octets; STREAM and ADDRESS with their length in one octet
//               before each; TARGET the rest; MAC 16 octets of HMAC-SHA-256 over all before it
//   short form  base32 of Crockford, lower case, 29 characters: ID and MAC of 10 octets, for the
//               local part of an address, whose case not everybody keeps; the log knows the rest
//
// It never expires: an unsubscribe link that stops working is a complaint. Who rotates the secret
// keeps the old ones: the first of the list makes, all verify. Reading refuses (nullopt) whatever
// was not made so, octet by octet: there is one spelling of a word. Pure.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "mail/address.h"

namespace goniec {

enum class LinkKind : char { unsubscribe = 'u', open = 'o', click = 'c' };

struct LinkTokenLimits {
  std::size_t target_octets = 4096;  // longer links are left as they are
  std::size_t word_octets = 8192;    // of a word that is read
};

struct LinkToken {
  LinkKind kind = LinkKind::unsubscribe;
  MessageId message;
  std::string stream;
  Address address;     // empty: several recipients, not known which
  std::string target;  // of a click: the URL
  bool operator==(const LinkToken&) const = default;
};

class LinkTokens {
 public:
  // REQUIRES one at least.
  explicit LinkTokens(std::vector<std::string> secrets) : secrets_(std::move(secrets)) {}
  // nullopt: a part is too long.
  std::optional<std::string> write(const LinkToken& token) const;
  std::optional<LinkToken> read(LinkKind kind, std::string_view word) const;
  // For "unsubscribe+WORD@…": of the only recipient of a message.
  std::string write_short(MessageId message) const;
  std::optional<MessageId> read_short(std::string_view word) const;

 private:
  std::vector<std::string> secrets_;
};

}  // namespace goniec
