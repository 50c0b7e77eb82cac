// Postmark's sending calls: /email, /email/batch, /email/withTemplate, /email/batchWithTemplates;
// /email/bulk is in postmark_bulk.h.
// Promises: what is answered with ErrorCode 0 is durable. A batch is HTTP 200 with an answer for
// each message, in order, also when some are refused. With the token POSTMARK_API_TEST a message is
// checked and goes nowhere.
#pragma once
#include "api/postmark.h"

namespace goniec {

Task<ApiReply> postmark_send(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_send_batch(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_send_template(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_send_template_batch(ApiContext& context, PostmarkCall call);

// ---------------------------------------------------------------- one message, for all of them
struct PostmarkAnswer {
  PostmarkError error;  // code 0: accepted
  std::string to, cc, bcc;
  Instant at{};
  std::string id;  // "": refused
};
Task<PostmarkAnswer> postmark_deliver(ApiContext& context, const PostmarkCall& call,
                                      OutgoingEmail email);
// A message whose content is that of a template, filled with its model.
PostmarkResult<OutgoingEmail> postmark_filled_email(const ApiContext& context,
                                                    const JsonValue& json);

}  // namespace goniec
