// Submission over the local sockets: what sendmail and `goniec send` use.
//
//   POST /api/v1/submit   body: one line of JSON, the envelope; LF; then the message
//     {"from": "a@b" | "" | absent, "recipients": [{"to", "notify", "orcpt"}], "ret", "envid",
//     "body",
//      "null_sender": true}
//   -> {"id", "reply", "code"}; an SMTP refusal comes as an error reply with "reply"
//
// The caller is known by peer credentials: its submitter is "uid=33". root, the server's own user
// and [local] trusted_users may name any sender; of others the sender is <their name>@<our domain>,
// whatever they asked, and that is logged. Names without a domain are completed by our domain. Line
// ends of any kind become CRLF, NUL goes. A recipient that does not exist here refuses the whole
// message, so that the program that sent it hears of it at once.
#pragma once
#include "api/call.h"

namespace goniec {

Task<ApiReply> submit_message(ApiContext& context, ApiCall call);

// Line ends of any kind (CRLF, LF, CR) to CRLF, NUL dropped, CRLF at the end.
std::string normalise_lines(std::string_view text);

}  // namespace goniec
