// What EHLO offers, and the parameters of MAIL and RCPT that those offers bring (RFC 1870 SIZE,
// 6152 8BITMIME, 6531 SMTPUTF8, 3461 DSN, 4954 AUTH, 9422 LIMITS).
//
// Promises: a parameter is understood exactly when it was offered; a value is checked here and kept
// raw (ENVID and ORCPT are never decoded into a line format). Refuses: unknown parameters 555 5.5.4
// by name, bad values 501 5.5.4, too large a SIZE 552 5.3.4, a non-ASCII path without SMTPUTF8 553
// 5.6.7.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mail/journey.h"
#include "proto/smtp/command.h"

namespace goniec::smtp {

struct Offers {
  std::string hostname;
  std::uint64_t message_octets = 0;
  std::size_t transactions = 0, recipients = 0;
  bool starttls = false;
  bool requiretls = false;              // RFC 8689 §2: in TLS alone
  std::vector<std::string> mechanisms;  // empty: no AUTH
};
Reply ehlo_reply(const Offers& offers);  // RFC 5321 §4.1.1.1; lines of at most 512 octets

struct ParameterRules {
  bool extended = false;  // EHLO or LHLO was said: without it no parameter is known
  bool login = false;     // AUTH was offered: MAIL AUTH= is known
  std::uint64_t message_octets = 0;
  bool requiretls = false;  // REQUIRETLS was offered
};

Parsed<Sender> parse_mail(std::string_view arguments,
                          const ParameterRules& rules);  // "FROM:<a@b> …"

struct RecipientArguments {
  Recipient recipient;
  bool postmaster = false;  // <postmaster> without domain
};
Parsed<RecipientArguments> parse_rcpt(std::string_view arguments, const ParameterRules& rules,
                                      bool smtputf8);  // "TO:<a@b> …"

}  // namespace goniec::smtp
