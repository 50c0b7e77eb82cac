// The one way in which every shape of the API sends: the native one, and those that other services'
// clients speak. A shape parses its own words into an OutgoingEmail and calls send_email(); what
// makes a message, and what refuses one, stands here once.
//
//   body of a shape -> OutgoingEmail -> header + MIME parts -> Draft -> durable -> SentEmail
//
// Text parts become multipart/alternative, inline attachments sit beside their HTML in
// multipart/related, the others in multipart/mixed. Bcc is in the envelope only. Date and
// Message-ID are added at intake when they are not given; line ends become CRLF. `raw` is sent as
// it is, but for what intake does to every submission.
//
// Errors name the member that is to blame by its path in OutgoingEmail, which is that of the native
// body: "from", "to[1]", "headers.X-Y", "attachments[0].content_type". Other shapes translate.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/call.h"
#include "mail/address.h"
#include "mail/send_options.h"

namespace goniec {

struct OutgoingLimits {
  std::size_t recipients = 1000;  // to, cc and bcc together
  std::size_t header_value_octets = 8192;
  std::size_t headers = 100;
  std::size_t attachments = 500;
  std::size_t subject_octets = 2000;
};

// The first is RFC 5322's mailbox as people write it: `Jan Żuk <jan@wp.pl>` or the bare address.
Result<HeaderMailbox> parse_mailbox(std::string_view text);
// "a@b, C D <c@d>": what cannot be read is named. Empty text: none.
Result<std::vector<HeaderMailbox>> parse_mailboxes(std::string_view text);

struct OutgoingAttachment {
  std::string name;
  std::string content_type;  // "": by the end of the name
  std::string content_id;    // without <>
  std::string octets;
  bool is_inline = false;  // shown by the HTML, by cid:
};

struct EnvelopeOverride {
  std::optional<Address> from;  // MAIL FROM; not given: the address of From. Empty: <>
  NotifyOptions notify;
  DsnReturn ret = DsnReturn::unspecified;
  std::string envelope_id;
  std::vector<Address> only;  // of to, cc and bcc; empty: all of them
};

struct OutgoingEmail {
  HeaderMailbox from;  // display names in UTF-8
  std::vector<HeaderMailbox> to, cc, bcc, reply_to;
  std::string subject;
  std::optional<std::string> html, text;                     // UTF-8
  std::vector<std::pair<std::string, std::string>> headers;  // UTF-8
  std::vector<OutgoingAttachment> attachments;
  // A whole message instead: then subject, html, text, headers, attachments and reply_to are not
  // looked at; from, to, cc and bcc are its envelope.
  std::string raw;
  EnvelopeOverride envelope;
  SendOptions options;
};

struct SentEmail {
  MessageId id;
  Instant at{};
  std::string reply;  // "250 2.0.0 Ok: queued as …"
  // Recipients that were left out (accounts/suppressions.h): an event each.
  std::vector<LeftOut> suppressed = {};
  std::vector<MessageId> others = {};  // of bulk mail that went apart
};

struct SendDoor {
  Endpoint remote;  // for the timeline; empty: a socket
  bool secure = false;
  MessageId parent;  // of which this is another sending
  // Objects that are to be durable with a part of it (parts_of), and with it alone; asked once its
  // id is known.
  std::function<std::vector<ObjectPut>(std::size_t part, MessageId)> objects;
  std::vector<std::optional<MessageId>> known;  // parts that were sent before; empty: none
};

// How many messages it becomes: one for each recipient of what goes apart, else 1.
std::size_t parts_of(const ApiContext& context, const Principal& principal,
                     const OutgoingEmail& email);

// To, cc and bcc, each address once.
std::vector<Address> recipients_of(const OutgoingEmail& email);

// Bulk mail to several goes as a message each, one after another, so that each recipient has a way
// to leave of his own (intake/bulk.h); its header stays as it was written. Each is durable on its
// own, with what `door.objects` gives for it: after a crash in between, the rest can be sent.
// Durable when it ends well. Refused with the field: an address that is none, a sender that the
// caller may not use (403), a recipient that does not exist here, limits (413, 422, 429); 503 when
// mail cannot be taken now. Composing a large message is done off the loop.
Task<ApiResult<SentEmail>> send_email(ApiContext& context, Principal principal, OutgoingEmail email,
                                      SendDoor door);

// The checks of send_email that need no store: whoever sends many lets all pass before the first.
ApiResult<> check_email(const ApiContext& context, const Principal& principal,
                        const OutgoingEmail& email);

// Pure: the message as it is written into a Draft. `seed` makes the boundaries.
std::string compose_email(const OutgoingEmail& email, std::string_view seed);
// "image/png" of "logo.png"; "application/octet-stream" when nothing is known.
std::string_view content_type_of(std::string_view file_name);

}  // namespace goniec
