// Everything, a line each: for spreadsheets, other databases, a person who asks what is known.
//
//   GET /api/v1/export/emails?q=&since=&until=&…      as GET /api/v1/emails, newest first
//   GET /api/v1/export/events?type=&since=&until=&…   as GET /api/v1/events, oldest first
//     &format=ndjson|csv &after= &limit=
//
// ndjson: one JSON object a line, as the lists have them. csv: a header and chosen columns (RFC
// 4180), with what a spreadsheet would take for a formula made harmless. At most `limit` lines (one
// to 1000, default 1000), fewer only at the end or when they took too long to find. While there may
// be more, the header Goniec-Next says so: its value is the next `after`.
#pragma once
#include "api/call.h"

namespace goniec {

enum class ExportKind { emails, events };
std::optional<ExportKind> export_kind_of(std::string_view name);

inline constexpr const char* export_next_header = "Goniec-Next";

Task<ApiReply> export_lines(ApiContext& context, ApiCall call);

std::string csv_header_of(ExportKind kind);                         // with CRLF
std::string csv_line_of(ExportKind kind, const JsonValue& object);  // with CRLF

}  // namespace goniec
