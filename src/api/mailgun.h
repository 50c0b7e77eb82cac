// Mailgun's POST /v3/{domain}/messages and …/messages.mime, for programs that move here by a
// change of their base URL. Spoken at /mailgun/v3/… and at the root of the host. The key is one of
// ours, the password of Basic (user "api").
//
// Promises: 200 {"id":"<…>","message":"Queued. Thank you."} when the message is durable; with
// recipient-variables there is a message for each recipient, and its variables stand in its
// subject, text and HTML. With o:testmode it is checked and goes nowhere. Errors are
// {"message":"…"}. What is not understood is named in docs/migrate.md.
#pragma once
#include <expected>
#include <string>
#include <vector>

#include "api/call.h"
#include "api/form_data.h"
#include "api/outgoing.h"

namespace goniec {

struct MailgunLimits {
  std::size_t recipients = 1000;
  std::size_t tags = 10;
  std::size_t octets = 128u << 20;  // of all messages of one request together: 413
};

struct MailgunError {
  unsigned status = 400;
  std::string message;
};

struct MailgunRequest {
  std::vector<OutgoingEmail> emails;  // one, or one a recipient
  std::string form;                   // template; "": none
  std::string model = "{}";           // t:variables
  std::string language;               // t:version, a variant of ours
  bool test = false;
};

enum class MailgunContent { parts, mime };

Task<ApiReply> answer_mailgun(ApiContext& context, ApiCall call);
ApiReply mailgun_refusal(const ApiError& error);  // of a key that is none, or not good now
// Pure. `domain` is that of the path: the author's address must be of it.
std::expected<MailgunRequest, MailgunError> mailgun_request_of(std::vector<FormField> fields,
                                                               const Domain& domain,
                                                               MailgunContent content);

}  // namespace goniec
