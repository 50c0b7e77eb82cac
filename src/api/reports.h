// Calls that show the reports that were received.
//
//   GET /api/v1/reports/dmarc?domain=           [{domain, reporter, report_id, begin_at, …}]
//   GET /api/v1/reports/dmarc/sources?domain=   [{source, name, messages, passed, dkim_aligned, …}]
//   GET /api/v1/reports/tls?domain=             [{domain, policy, reporter, successful, failed, …}]
//   POST /api/v1/reports/send                   {"sent": N}: what is pending about others, now
//
// The name of a source is that of its PTR record when it leads back to the address; the busiest are
// looked up, and only for a few seconds: "" where nothing is known.
#pragma once
#include "api/call.h"

namespace goniec {

Task<ApiReply> list_dmarc_reports(ApiContext& context, ApiCall call);
Task<ApiReply> list_dmarc_sources(ApiContext& context, ApiCall call);
Task<ApiReply> list_tls_reports(ApiContext& context, ApiCall call);
Task<ApiReply> send_reports(ApiContext& context, ApiCall call);

}  // namespace goniec
