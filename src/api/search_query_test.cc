// The grammar of the search box.
#include "api/search_query.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace goniec {
namespace {

const Instant now = *parse_rfc3339("2026-11-26T12:00:00Z");

std::string text_of(const SearchFilter& filter) {
  std::string out;
  const auto add = [&out](std::string_view name, std::string_view value) {
    if (!value.empty()) out += fmt::format("{}[{}]", name, value);
  };
  add("q", filter.q);
  add("to", filter.to);
  add("from", filter.from);
  add("subject", filter.subject);
  add("tag", filter.tag);
  add("stream", filter.stream);
  add("key", filter.key);
  add("provider", filter.provider);
  add("class", filter.klass);
  add("message_id", filter.message_id);
  if (filter.status) add("status", name_of(*filter.status));
  if (filter.attachments) add("attachments", *filter.attachments ? "yes" : "no");
  if (filter.sandbox) add("sandbox", *filter.sandbox ? "yes" : "no");
  if (filter.id) add("id", filter.id->text());
  if (filter.since) add("since", to_rfc3339(*filter.since));
  if (filter.until) add("until", to_rfc3339(*filter.until));
  return out;
}

TEST(search_query, names_words_and_quotes_become_a_filter) {
  const std::pair<const char*, const char*> cases[] = {
      {"", ""},
      {"  faktura   17 ", "q[faktura 17]"},
      {"to:jan@o2.pl", "to[jan@o2.pl]"},
      {"TO:jan from:shop x", "q[x]to[jan]from[shop]"},
      {"to:a to:b", "to[a b]"},
      {"subject:\"two words\" y", "q[y]subject[two words]"},
      {"\"to:x y\"", "q[to:x y]"},
      {"tag:kind=invoice", "tag[kind:invoice]"},
      {"tag:kind:invoice", "tag[kind:invoice]"},
      {"status:Bounced class:bad_mailbox", "class[bad_mailbox]status[bounced]"},
      {"provider:O2 stream:bulk key:k1", "stream[bulk]key[k1]provider[o2]"},
      {"has:attachment is:sandbox", "attachments[yes]sandbox[yes]"},
      {"id:0a1b2c3d4e5f6", "id[0A1B2C3D4E5F6]"},
      {"message-id:<1@b.pl>", "message_id[1@b.pl]"},
      {"after:2026-11-01 before:2026-11-08T12:00:00Z",
       "since[2026-11-01T00:00:00.000Z]until[2026-11-08T12:00:00.000Z]"},
      {"after:7d", "since[2026-11-19T12:00:00.000Z]"},
      {"Re: offer", "q[Re offer]"},
      {"https://o2.pl", "q[https //o2.pl]"},
      {"12:30", "q[12 30]"},
      {"\"unfinished quote", "q[unfinished quote]"},
      {":x", "q[:x]"},
  };
  for (const auto& [query, expected] : cases) {
    const auto filter = parse_search_query(query, now);
    ASSERT_TRUE(filter) << query << ": " << filter.error().message;
    EXPECT_EQ(text_of(*filter), expected) << query;
  }
}

TEST(search_query, what_is_wrong_is_named) {
  const std::pair<const char*, const char*> cases[] = {
      {"status:lost", "queued, scheduled"},
      {"statsu:bounced", "\"status:\""},
      {"class:bad", "no such class"},
      {"has:pictures", "has:attachment"},
      {"is:new", "is:sandbox"},
      {"id:7", "13 letters"},
      {"after:yesterday", "no time"},
      {"subjct:x", "\"subject:\""},
  };
  for (const auto& [query, wanted] : cases) {
    const auto filter = parse_search_query(query, now);
    ASSERT_FALSE(filter) << query;
    EXPECT_EQ(filter.error().kind, ErrorKind::usage);
    EXPECT_NE(filter.error().message.find(wanted), std::string::npos)
        << query << ": " << filter.error().message;
  }
}

}  // namespace
}  // namespace goniec
