// What bulk mail gets on its way out, so that who reads it can leave (RFC 2369, RFC 8058): a link
// that works with one click, and an address to write to.
//
//   List-Unsubscribe: <https://mail.example.pl/u/WORD>,
//    <mailto:unsubscribe+SHORTWORD@example.pl>
//   List-Unsubscribe-Post: List-Unsubscribe=One-Click
//
// The words are signed (trust/link_token.h) and name message, stream and recipient; so a message
// has one recipient. A sender who gave a List-Unsubscribe of his own is left alone. Both fields are
// signed by DKIM as all of trust/dkim_signer.h's list, which is what RFC 8058 §4 asks for.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "accounts/directory.h"
#include "accounts/links.h"
#include "accounts/streams.h"
#include "accounts/suppressions.h"
#include "mail/header.h"

namespace goniec {

// "unsubscribe+WORD@…": what stands before the word.
inline constexpr std::string_view unsubscribe_local = "unsubscribe+";

// What intake knows of streams. A null pointer: that is not done.
struct StreamDoors {
  const Streams* streams = nullptr;
  Suppressions* suppressions = nullptr;
  Links* links = nullptr;
  std::string web_url;  // "https://mail.example.pl", without a slash at its end
  Domain sandbox;       // whose receiver takes what must not leave (docs/sandbox.md); empty: none
};

struct UnsubscribeFacts {
  MessageId message;
  std::string stream;
  Address recipient;
  std::string web_url;
  Domain mail_domain;  // one that this house takes mail for
};
// Both fields, CRLF-ended. "": the word would be too long.
std::string unsubscribe_fields(const LinkTokens& tokens, const UnsubscribeFacts& facts);
bool has_unsubscribe(const HeaderBlock& header);

// The message that an address "unsubscribe+WORD@…" is about; nullopt: it is none of ours.
std::optional<MessageId> unsubscribed_message(const Links& links, const Address& address);
// So, and mail for its domain is taken here, and it is nobody's name.
bool takes_unsubscribe(const Links& links, const Directory& directory, std::string_view hostname,
                       const Address& address);

}  // namespace goniec
