// Postmark's statistics out of the search projection (store/search.h), and its one server.
//
// Counted is by event, in days of UTC. What Goniec does not know (platforms, mail clients, reading
// times, places) is an empty answer of the right form. GET /server tells this server's settings;
// PUT changes TrackOpens and TrackLinks of the transactional stream and nothing else.
#pragma once
#include "api/postmark.h"

namespace goniec {

Task<ApiReply> postmark_overview(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_count_sends(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_count_bounces(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_count_complaints(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_count_opens(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_count_clicks(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_count_nothing(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_show_server(ApiContext& context, PostmarkCall call);
Task<ApiReply> postmark_edit_server(ApiContext& context, PostmarkCall call);

}  // namespace goniec
