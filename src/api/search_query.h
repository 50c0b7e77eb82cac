// What is searched for, in words: the search box, `q` of GET /api/v1/emails, `goniec export`.
//
//   faktura 17                    words of sender, recipients or subject; all must be there
//   fakt*                         begins with
//   to:jan@o2.pl from:shop subject:"two words" tag:kind:invoice stream:bulk key:key_…
//   metadata:order:17
//   status:bounced class:bad_mailbox provider:o2 has:attachment is:sandbox
//   id:A1B2C3D4E5F60 (queue id or UUID) message-id:<1@example.pl>
//   after:2026-11-01 before:2026-11-08T12:00:00Z after:7d
//
// Case does not matter, nor do accents. after: is from that time on, before: up to it, not with it;
// a duration is back from now. A name that is nearly one of these is an error that says so; any
// other word with a colon ("Re:") is a word.
#pragma once
#include <string_view>

#include "store/search.h"

namespace goniec {

// usage: which part is wrong, and what it may be.
Result<SearchFilter> parse_search_query(std::string_view query, Instant now,
                                        SearchFilter filter = {});
// One of the names above. The parameters of GET /api/v1/emails are read by it too.
Result<void> add_search_term(SearchFilter& filter, std::string_view name, std::string_view value,
                             Instant now);
// RFC 3339, a day, or a duration back from now ("7d").
Result<Instant> parse_time(std::string_view text, Instant now);
// A UUID or a queue id, as people and programs paste them.
std::optional<MessageId> parse_email_id(std::string_view text);

}  // namespace goniec
