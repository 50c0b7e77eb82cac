// Postmark's views of what was sent: messages, their events, bounces, and how many of each.
//
// Messages and numbers come from the search projection (store/search.h), events from the log. The
// ID of a bounce is the sequence of its event. Types of bounces are ours (mail/bounce.h) renamed
// (accounts/postmark_words.h).
// TotalCount of a list that goes on behind the page is what was looked at and one more.
#pragma once
#include "api/postmark.h"

namespace goniec {

Task<ApiReply> postmark_list_messages(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_show_message(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_dump_message(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_list_opens(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_list_clicks(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_list_bounces(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_show_bounce(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_dump_bounce(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_activate_bounce(ApiContext& context, PostmarkCall call);
// Mail that comes in is in mailboxes here: there is none in Postmark's sense.
Task<ApiReply> postmark_list_inbound(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_no_inbound(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_list_inbound_rules(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_no_inbound_rule(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_delivery_stats(ApiContext& context, PostmarkCall call);

}  // namespace goniec
