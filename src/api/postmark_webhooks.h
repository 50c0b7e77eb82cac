// Webhooks in Postmark's shape over ours (accounts/webhooks): those of the format "postmark".
//
//   Triggers.Open                email.opened (PostFirstOpenOnly: the first of a recipient)
//   Triggers.Click               email.clicked
//   Triggers.Delivery            email.delivered
//   Triggers.Bounce              email.bounced, email.delivery_delayed
//   Triggers.SpamComplaint       email.complained
//   Triggers.SubscriptionChange  suppression.added, suppression.removed
//
// The ID is the webhook's number. A webhook is of one stream, as there. IncludeContent is taken and
// shown as off: content of mail leaves by no webhook. What they carry beside Postmark's members is
// our signature (duties/hook_call.h).
#pragma once
#include "api/postmark.h"

namespace goniec {

Task<ApiReply> postmark_list_webhooks(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_create_webhook(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_show_webhook(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_edit_webhook(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_delete_webhook(ApiContext& context, PostmarkCall call);

}  // namespace goniec
