// Calls that look: status, metrics, health, the timeline of a message, the event log.
//
//   GET /api/v1/status            {version, pid, uptime_s, store, listeners, queue}
//   GET /api/v1/trace?id=ID|MESSAGE-ID
//   GET /api/v1/events?after=SEQ&limit=&wait=10s   {"events": […], "next": SEQ}
//   GET /metrics                  Prometheus text 0.0.4
//   GET /health                   200, or 503 with the reason when mail is not taken
#pragma once
#include "api/call.h"

namespace goniec {

Task<ApiReply> show_status(ApiContext& context, ApiCall call);
Task<ApiReply> show_trace(ApiContext& context, ApiCall call);
Task<ApiReply> list_events(ApiContext& context, ApiCall call);
Task<ApiReply> show_metrics(ApiContext& context, ApiCall call);
Task<ApiReply> show_health(ApiContext& context, ApiCall call);

void write_queue_stats(JsonWriter& w, const QueueStats& stats,
                       const std::optional<std::vector<DepthSample>>& history = {});

}  // namespace goniec
