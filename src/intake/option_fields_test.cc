// Options in the header: which fields are read, what they say, and that they are gone.
#include "intake/option_fields.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace goniec {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

struct Read {
  TakenOptions taken;
  SendOptions options;
};
Read read(std::string_view fields, SendOptions given = {}) {
  Read out;
  out.options = std::move(given);
  out.taken =
      take_option_fields(fmt::format("From: a@b.pl\r\n{}Subject: x\r\n\r\n", fields), out.options);
  return out;
}
constexpr std::string_view rest = "From: a@b.pl\r\nSubject: x\r\n\r\n";

TEST(OptionFields, every_field_of_ours_is_read_and_gone) {
  const auto [taken, options] = read(
      "X-Stream: bulk\r\nx-tag: kind=invoice,\r\n spring\r\nX-Tag: second=2\r\n"
      "X-Metadata-Order: 17\r\nX-Track: opens\r\nX-Send-At: 2026-12-24T18:00:00Z\r\n"
      "X-Pool: main\r\nX-Queue-Priority: High\r\nX-Idempotency-Key: order-17\r\n");
  EXPECT_FALSE(taken.refusal);
  EXPECT_EQ(taken.header, rest);
  EXPECT_EQ(options.stream, "bulk");
  EXPECT_EQ(options.tags, (Pairs{{"kind", "invoice"}, {"tag", "spring"}, {"second", "2"}}));
  EXPECT_EQ(options.metadata, (Pairs{{"order", "17"}}));
  EXPECT_EQ(options.track_opens, true);
  EXPECT_EQ(options.track_clicks, false);
  EXPECT_EQ(to_rfc3339(options.send_at), "2026-12-24T18:00:00.000Z");
  EXPECT_EQ(options.pool, "main");
  EXPECT_EQ(taken.idempotency_key, "order-17");
  EXPECT_EQ(taken.priority, MailPriority::high);
}

TEST(OptionFields, the_fields_of_other_services_are_read_too) {
  struct Case {
    std::string_view fields;
    Pairs tags, metadata;
  };
  for (const auto& each : std::vector<Case>{
           {"X-PM-Tag: welcome\r\nX-PM-Metadata-User: 5\r\n",
            {{"tag", "welcome"}},
            {{"user", "5"}}},
           {"X-SMTPAPI: {\"category\":[\"a\",\"b\"],\"unique_args\":{\"Id\":7,\"n\":\"x\"}}\r\n",
            {{"category", "a"}, {"category", "b"}},
            {{"Id", "7"}, {"n", "x"}}},
           {"X-SMTPAPI: {\"category\":\"a\"}\r\n", {{"category", "a"}}, {}},
           {"X-Mailgun-Tag: t\r\nX-Mailgun-Variables: {\"my\":{\"a\":1}}\r\n",
            {{"tag", "t"}},
            {{"my", "{\"a\":1}"}}},
           {"X-SES-MESSAGE-TAGS: k=v, l=w\r\nX-SES-CONFIGURATION-SET: c\r\n",
            {{"k", "v"}, {"l", "w"}},
            {}},
           {"X-SMTPAPI: broken\r\nX-Mailgun-Variables: [\r\n", {}, {}},
       }) {
    const auto [taken, options] = read(each.fields);
    EXPECT_EQ(taken.header, rest) << each.fields;
    EXPECT_FALSE(taken.refusal) << each.fields;
    EXPECT_EQ(options.tags, each.tags) << each.fields;
    EXPECT_EQ(options.metadata, each.metadata) << each.fields;
  }
  EXPECT_EQ(read("X-PM-Message-Stream: broadcast\r\n").options.stream, "broadcast");
  EXPECT_EQ(read("X-PM-Message-Stream: outbound\r\n").options.stream, "");
  EXPECT_EQ(read("X-PM-TrackOpens: true\r\n").options.track_opens, true);
  EXPECT_EQ(read("X-PM-TrackLinks: None\r\n").options.track_clicks, false);
  EXPECT_EQ(read("X-Mailgun-Track: yes\r\n").options.track_clicks, true);
  EXPECT_EQ(read("X-SMTPAPI: {\"send_at\":1790000000}\r\n").options.send_at,
            Instant(std::chrono::seconds(1790000000)));
}

TEST(OptionFields, what_was_given_otherwise_stands) {
  SendOptions given;
  given.stream = "transactional";
  given.tags = {{"kind", "a"}};
  given.track_opens = false;
  given.send_at = Instant(std::chrono::seconds(5));
  const auto [taken, options] = read(
      "X-Stream: bulk\r\nX-Tag: kind=b, other=c\r\nX-Track: opens,clicks\r\n"
      "X-Send-At: 1790000000\r\n",
      given);
  EXPECT_EQ(taken.header, rest);
  EXPECT_EQ(options.stream, "transactional");
  EXPECT_EQ(options.tags, (Pairs{{"kind", "a"}, {"other", "c"}}));
  EXPECT_EQ(options.track_opens, false);
  EXPECT_EQ(options.track_clicks, true);
  EXPECT_EQ(options.send_at, given.send_at);
}

TEST(OptionFields, a_field_of_ours_that_cannot_be_read_refuses_the_message) {
  for (const auto* fields :
       {"X-Send-At: tomorrow\r\n", "X-Track: everything\r\n", "X-Idempotency-Key:\r\n",
        "X-Queue-Priority: 1\r\n", "X-Send-At: 99999999999999\r\n"}) {
    const auto [taken, options] = read(fields);
    ASSERT_TRUE(taken.refusal) << fields;
    EXPECT_EQ(taken.refusal->code, 550);
    EXPECT_EQ(taken.rule, "content.options");
  }
}

TEST(OptionFields, other_fields_stay_octet_for_octet) {
  const std::string fields = "X-Mailer: a  b\r\nX-Tagged: no\r\nX-Metadata-: no\r\n X: y\r\n";
  EXPECT_EQ(read(fields).taken.header, fmt::format("From: a@b.pl\r\n{}Subject: x\r\n\r\n", fields));
}

}  // namespace
}  // namespace goniec
