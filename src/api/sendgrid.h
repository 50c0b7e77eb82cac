// SendGrid's POST /v3/mail/send, for programs that move here by a change of their base URL. Spoken
// at /sendgrid/v3/mail/send and at the root of the host. The key is one of ours (Bearer).
//
// Promises: 202 with X-Message-Id and no body when all personalizations are durable; each is a
// message of its own. With mail_settings.sandbox_mode 200, and nothing is sent. Nothing is sent
// either when one of them is refused by what can be checked beforehand. Errors are
// {"errors":[{"message","field","help"}]}. What is not understood is named in docs/migrate.md.
#pragma once
#include <expected>
#include <string>
#include <vector>

#include "api/call.h"
#include "api/outgoing.h"

namespace goniec {

struct SendgridLimits {
  std::size_t personalizations = 1000;
  std::size_t recipients = 1000;             // of all personalizations together
  std::size_t octets = 128u << 20;           // of all messages together: 413
  std::size_t substitution_octets = 10'000;  // names and values of a personalization
  std::size_t members = 100;                 // of headers, custom_args and substitutions, of each
};

struct SendgridError {
  unsigned status = 400;
  std::string message;
  std::string field;  // "personalizations.0.to"; "" = null
};

struct SendgridTemplate {
  std::string id;     // "": none
  std::string model;  // JSON object, of one personalization
};

struct SendgridEmail {
  OutgoingEmail email;
  SendgridTemplate form;
};

struct SendgridRequest {
  std::vector<SendgridEmail> emails;  // one a personalization
  bool sandbox = false;
};

Task<ApiReply> answer_sendgrid(ApiContext& context, ApiCall call);
ApiReply sendgrid_refusal(const ApiError& error);  // of a key that is none, or not good now
// Pure.
std::expected<SendgridRequest, SendgridError> sendgrid_request_of(const JsonValue& json);

}  // namespace goniec
