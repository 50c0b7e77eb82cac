// Calls that fill the search projection anew and that erase a person.
//
//   GET  /api/v1/search            {"available","lag_events","lag_seconds","events_taken"}
//   POST /api/v1/search/rebuild    {}: soon, from the first event of the log
//   POST /api/v1/erase             {"address","dry_run","mailbox"}
//     -> {"address","pseudonym","events","messages","letters","queued","dry_run"}
#pragma once
#include "api/call.h"

namespace goniec {

// Events of the log that lists and statistics do not show yet. It is asked of the log itself: the
// gauges say what the projector saw when it last looked, and one that gets no time looks late.
Task<Result<std::uint64_t>> search_lag(ApiContext& context);

Task<ApiReply> show_search(ApiContext& context, ApiCall call);
Task<ApiReply> rebuild_search(ApiContext& context, ApiCall call);
Task<ApiReply> erase_address(ApiContext& context, ApiCall call);

}  // namespace goniec
