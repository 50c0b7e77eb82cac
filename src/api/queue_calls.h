// Calls on the queue: list, statistics, and changes by hand.
//
//   GET  /api/v1/queue?id=&to=&from=&domain=&provider=&stream=&older_than=1h&state=&after=&limit=
//     {"queue": [message…], "next": "ID.n"}   next: pass it as `after` for the following page; ""
//     at the end
//   POST /api/v1/queue/retry|hold|release|bounce|delete
//     {"ids": […], "to", "from", "domain", "provider", "stream", "older_than", "all", "reason",
//     "dry_run"}
//     {"changes": [{"id", "domain", "recipients": […], "done", "reason"}], "dry_run"}
// A message is {id, state, from, size, received_at, stream, recipients: [{to, domain, site, state,
// tries, next_at, reply}]}. A change without any filter must say "all": true. On the submit socket
// the list is the caller's own (root and trusted users: everything).
#pragma once
#include "api/call.h"

namespace goniec {

Task<ApiReply> list_queue(ApiContext& context, ApiCall call);
Task<ApiReply> show_queue_stats(ApiContext& context, ApiCall call);
Task<ApiReply> change_queue(ApiContext& context, ApiCall call);  // call.argument: the action

// incoming | active | deferred | held | scheduled
std::string_view queue_state_of(const Message& message, const Entry& entry, Instant now);

}  // namespace goniec
