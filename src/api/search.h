// Calls on the search projection: messages found, counts of what became of them.
//
//   GET /api/v1/emails?q=&to=&from=&subject=&message_id=&tag=&metadata=&stream=&status=&class=
//       &provider=&key=&sandbox=&since=&until=&limit=50&after=
//     {"object":"list","data":[summary…],"has_more":bool,"next":id|null,"lag_events":N}
//   GET /api/v1/stats?group_by=day,provider&metric=&since=7d&until=&stream=&domain=&…&format=csv
//     {"object":"stats","since","until","group_by":[…],"data":[row…]}
//
// `q` is the grammar of search_query.h; parameters and `q` must all hold. Lists follow one another
// by `after` = the `next` before. What fits little of much mail ends a page after a tenth of a
// second of work: the page is short then, even empty, and still says has_more. 503 when the
// projection cannot be read. A call with a key that is bound to a domain or stream sees these
// alone.
#pragma once
#include "api/call.h"
#include "store/search.h"

namespace goniec {

Task<ApiReply> list_emails(ApiContext& context, ApiCall call);
Task<ApiReply> show_stats(ApiContext& context, ApiCall call);

// What a call with a bound key may see: mail of this sender's domain (and below it), this stream.
struct KeyBounds {
  std::string domain, stream;  // "": any
};
KeyBounds bounds_of(const ApiCall& call);

// A message as lists show it (openapi.yaml, EmailSummary).
void write_summary(JsonWriter& w, const SearchRow& row);
// What of a call is a filter; usage: which parameter is wrong.
Result<SearchFilter> search_filter_of(const ApiCall& call, Instant now);
// One field of CSV (RFC 4180 §2): quoted when it must be, and never a formula (`=`, `+`, `-`, `@`
// at the beginning get a ' before them, as spreadsheets understand it).
std::string csv_field(std::string_view text);

}  // namespace goniec
