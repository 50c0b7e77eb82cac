// Calls about sending domains, for programs and the dashboard, in Resend's shape. The admin socket
// keeps the older calls of api/manage.h for the command line.
//
//   GET    /api/v1/domains                    a list; what DNS has as far as it was asked lately
//   POST   /api/v1/domains                    {"name"}: a local domain, with keys to sign by; 201
//   GET    /api/v1/domains/{name}             with its records; DNS is asked when that is long ago
//   DELETE /api/v1/domains/{name}
//   POST   /api/v1/domains/{name}/verify      asks DNS now
//   GET    /api/v1/domains/{name}/dns?format=json|zone|table&check=
// A domain's id is its name. "verified": SPF, DKIM and DMARC are there; "pending": one is missing;
// "failed": one is wrong. Nothing is refused for it: the advice is only told.
#pragma once
#include "api/call.h"

namespace goniec {

Task<ApiReply> list_sending_domains(ApiContext& context, ApiCall call);
Task<ApiReply> create_sending_domain(ApiContext& context, ApiCall call);
Task<ApiReply> show_sending_domain(ApiContext& context, ApiCall call);
Task<ApiReply> delete_sending_domain(ApiContext& context, ApiCall call);
Task<ApiReply> verify_sending_domain(ApiContext& context, ApiCall call);
Task<ApiReply> show_domain_dns(ApiContext& context, ApiCall call);

// "verified", "pending", "failed"; "not_started": nothing was asked.
std::string_view domain_status_of(const DnsAdvice* advice);

}  // namespace goniec
