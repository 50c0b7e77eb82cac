// Trace fields that we put before a message: Received (RFC 5321 §4.4, RFC 3848), Return-Path and
// Delivered-To at final delivery. Folded at 78 columns where possible, CRLF-ended. No text of a
// peer gets in unescaped: helo and names are printed through `printable`, never with CR or LF.
#pragma once
#include <optional>
#include <string>

#include "mail/journey.h"

namespace goniec {

struct ReceivedFacts {
  Caller caller;
  Transaction transaction;
  std::string hostname;  // ours
  MessageId id;
  Instant at{};
};
// "Received: from helo (remote [ip]) by host with ESMTPSA id ID for <to>; date". `for` only when
// there is exactly one recipient. `with` by RFC 3848 and RFC 6531 (UTF8SMTPSA…), LMTP by RFC 3848.
// The login name is not shown.
std::string received_field(const ReceivedFacts& facts);
std::string received_field_local(std::string_view hostname, unsigned uid, MessageId id,
                                 Instant at);  // sendmail
// The API. Not from where: who reads the mail need not know where the sender's program runs.
std::string received_field_api(std::string_view hostname, MessageId id, Instant at);
std::string return_path_field(const Address& sender);
std::string delivered_to_field(const Address& recipient);
// The mark of mail that a check sends to the folder Junk, with the rule. It counts only in a
// prepend, which is ours; in a header it is a stranger's word.
std::string junk_field(std::string_view rule);
bool is_marked_junk(std::string_view prepend);

}  // namespace goniec
