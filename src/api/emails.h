// Calls about single messages: sending them, looking at one, changing what still waits. The list
// and the search are in api/search.
//
//   POST  /api/v1/emails              one message -> {"id": UUID}
//   POST  /api/v1/emails/batch        [message…], at most 100 -> {"data":[{"id"}…]}
//   GET   /api/v1/emails/{id}         the message and its story
//   PATCH /api/v1/emails/{id}         {"scheduled_at"}: at another time
//   POST  /api/v1/emails/{id}/cancel | retry | resend
//   GET   /api/v1/emails/{id}/events | trace | transcript | headers | content | raw
//
// {id}: UUID or queue id. The members of a message are those of openapi.yaml's SendEmail; one that
// is not known is refused and named.
// With `Idempotency-Key` a call is made once (intake/idempotency.h): the same body again gives the
// same answer with `Idempotent-Replayed: true`, another body 409 invalid_idempotent_request, one
// that is still under way 409 concurrent_idempotent_requests. Each message of a batch, and of
// bulk mail each that it became, has a record of its own: if the server died in its middle, the
// repetition sends the rest. A key that has not the scope read sees of a message only what it
// sent itself.
#pragma once
#include "api/outgoing.h"

namespace goniec {

Task<ApiReply> send_one(ApiContext& context, ApiCall call);
Task<ApiReply> send_batch(ApiContext& context, ApiCall call);
Task<ApiReply> reschedule_email(ApiContext& context, ApiCall call);
Task<ApiReply> cancel_email(ApiContext& context, ApiCall call);
Task<ApiReply> retry_email(ApiContext& context, ApiCall call);
Task<ApiReply> resend_email(ApiContext& context, ApiCall call);

// A message of the native shape. `path`: of the object in the body, "" at the top.
// `templates` null: a template is refused.
ApiResult<OutgoingEmail> native_email_of(const JsonValue& object, std::string_view path = {},
                                         const Templates* templates = nullptr);
// UUID, or queue id in any case.
ApiResult<MessageId> email_id_of(std::string_view text);

// What a shape that sends several messages in one call needs: all are checked before the first is
// sent, and the Idempotency-Key of the call is obeyed.
struct SentAll {
  std::vector<MessageId> ids;                      // in order
  std::vector<std::vector<std::string>> left_out;  // of each: recipients that are suppressed
  std::vector<std::vector<MessageId>> others;      // of each that went apart (api/outgoing.h)
  bool replayed = false;
};
Task<ApiResult<SentAll>> send_all(ApiContext& context, const ApiCall& call,
                                  std::vector<OutgoingEmail> emails, MessageId parent = {});

}  // namespace goniec
