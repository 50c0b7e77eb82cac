// Mail that came back later: a delivery report (RFC 3464), or the text of a server that writes
// none. Pure: octets of a mail in, each recipient with what was said of it out; mail/bounce.h
// judges that as if it had been an answer in a session.
//
// A report's fields are believed first; where a recipient has no diagnosis, or where there are no
// fields, the text for people is read: it is cut where the returned message begins, a line that
// begins with an address (or names one behind RCPT TO) opens that recipient's passage, and what
// stands before the first one belongs to all. Nothing here knows a product by name.
//
// Promises: linear in the octets that are looked at, which are bounded; never fails. That a mail
// is taken for a report proves nothing: anybody can write one. Who acts on it must first find its
// own message in it.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "mail/bounce.h"
#include "mail/reply.h"

namespace goniec {

inline constexpr std::size_t returned_mail_octets = 1u << 20;  // looked at
inline constexpr std::size_t returned_recipients = 100;        // of a mail

struct ReturnedRecipient {
  std::string address;   // as written; "" when the mail does not tell
  std::string original;  // Original-Recipient, where the fields tell it
  std::string action;    // "failed", "delayed", "delivered", "relayed", "expanded"; "" not told
  std::string host;      // that said it; ""
  std::string phase;     // "rcpt", "dot"… as far as the text tells; ""
  Reply reply;           // its code, enhanced code and text; code 0: none is told
  std::string around;    // what the report says of it to people, where its fields say nothing
  bool ended_well() const {
    return action == "delivered" || action == "relayed" || action == "expanded" ||
           action == "deliverable";
  }
};

enum class ReturnedKind { other_mail, delivery_report, auto_reply, complaint };
std::string_view name_of(ReturnedKind kind);  // "delivery_report"

struct ReturnedMail {
  ReturnedKind kind = ReturnedKind::other_mail;
  std::string reporter;  // Reporting-MTA, without its type; ""
  std::vector<ReturnedRecipient> recipients;
  std::string returned_header;  // of the message that came back; "" when it is not there
  std::string message_id;       // of that, without <>
};

ReturnedMail read_returned_mail(std::string_view mail);

// The report-type of multipart/report ("delivery-status", "feedback-report"), lower case; "": this
// header is of no report.
std::string report_type_of(std::string_view header);

// The verdict on one recipient, as in a session.
BounceVerdict classify_returned(const BounceRules& rules, const ReturnedRecipient& recipient);

}  // namespace goniec
