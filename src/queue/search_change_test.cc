// Events as rows and counts take them.
#include "queue/search_change.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "queue/event_data.h"

namespace goniec {
namespace {

Event event_of(EventKind kind, std::string data, std::string recipient = {}) {
  Event event;
  event.kind = kind;
  event.message = MessageId{7};
  event.at = *parse_rfc3339("2026-11-23T06:15:03Z");
  event.recipient = std::move(recipient);
  event.data = std::move(data);
  return event;
}

BounceRules some_rules() {
  BounceRule rule;
  rule.name = "full";
  rule.enhanced = {*EnhancedPattern::parse("4.2.2")};
  rule.klass = BounceClass::mailbox_full;
  rule.permanence = Permanence::temporary;
  return BounceRules({{"wp", "WP", {"wp.pl"}, {}}}, {rule});
}
const BounceRules rules = some_rules();

TEST(change_of, takes_what_received_says) {
  const auto change = change_of(
      event_of(EventKind::received,
               R"({"source":"api","from":"a@b.pl","size":1832,"message_id":"1@b.pl",)"
               R"("subject":"Faktura","stream":"bulk","tags":{"kind":"invoice"},)"
               R"("metadata":{"order":"17"},"key":"k1","attachments":true,"sandbox":true,)"
               R"("send_at":"2026-12-01T00:00:00.000Z","recipients":["x@y.pl","z@y.pl"]})"),
      rules);
  ASSERT_TRUE(change.received);
  const auto& message = *change.received;
  EXPECT_EQ(message.from, "a@b.pl");
  EXPECT_EQ(message.octets, 1832u);
  EXPECT_EQ(message.subject, "Faktura");
  EXPECT_EQ(message.stream, "bulk");
  EXPECT_EQ(message.tags, (NamedTexts{{"kind", "invoice"}}));
  EXPECT_EQ(message.metadata, (NamedTexts{{"order", "17"}}));
  EXPECT_EQ(message.recipients, (std::vector<std::string>{"x@y.pl", "z@y.pl"}));
  EXPECT_EQ(message.send_at, *parse_rfc3339("2026-12-01T00:00:00Z"));
  EXPECT_TRUE(message.attachments && message.sandbox);
}

TEST(change_of, counts_those_of_an_entry_that_still_wait) {
  Entry entry;
  entry.domain = *Domain::parse("y.pl");
  entry.recipients.resize(3);
  entry.recipients[1].state = RecipientState::delivered;
  const auto change =
      change_of(event_of(EventKind::held, entry_event_data("by hand", entry)), rules);
  EXPECT_EQ(change.domain, "y.pl");
  EXPECT_EQ(change.recipients, 2u);
  EXPECT_EQ(change_of(event_of(EventKind::held, R"({"reason":"an old one"})"), rules).recipients,
            1u);
}

TEST(change_of, takes_provider_class_and_times_of_an_outcome) {
  const auto change = change_of(
      event_of(EventKind::deferred,
               R"({"site":"mx.wp.pl[212.77.101.4]:25","phase":"rcpt","reply":"452 4.2.2 full",)"
               R"("tries":3,"delay":1.5,"next_at":"2026-11-23T07:00:00.000Z"})",
               "x@wp.pl"),
      rules);
  EXPECT_EQ(change.provider, "wp");
  EXPECT_EQ(change.klass, "mailbox_full");
  EXPECT_EQ(change.tries, 3u);
  EXPECT_EQ(change.took, std::chrono::milliseconds(1500));
  EXPECT_EQ(change.next_at, *parse_rfc3339("2026-11-23T07:00:00Z"));
}

TEST(change_of, takes_the_time_of_what_is_put_off) {
  const Instant due = *parse_rfc3339("2026-12-01T08:00:00Z");
  const auto change =
      change_of(event_of(EventKind::rescheduled, rescheduled_event_data(due)), rules);
  EXPECT_EQ(change.send_at, due);
}

TEST(change_of, takes_how_a_delivery_to_another_server_was_kept_secret) {
  using enum SearchTls::Proof;
  const auto tls = [](EventKind kind, std::string data) {
    return change_of(event_of(kind, std::move(data), "x@wp.pl"), rules).tls;
  };
  const std::string site = R"("site":"mx.wp.pl[212.77.101.4]:25")";
  EXPECT_EQ(tls(EventKind::relayed, "{" + site + "}").proof, clear);
  for (const auto& [verified, proof] : {std::pair("none", nothing), std::pair("pkix", pkix),
                                        std::pair("mta_sts", mta_sts), std::pair("dane", dane)}) {
    const auto found =
        tls(EventKind::relayed,
            fmt::format(R"({{{},"tls":{{"version":"TLSv1.3","verified":"{}"}}}})", site, verified));
    EXPECT_EQ(found.proof, proof) << verified;
    EXPECT_EQ(found.version, "TLSv1.3");
  }
  // A mailbox of our own, and what was not taken, say nothing.
  EXPECT_EQ(tls(EventKind::delivered, "{}").proof, not_said);
  EXPECT_EQ(tls(EventKind::failed, "{" + site + "}").proof, not_said);
}

TEST(change_of, reads_what_an_alias_leads_to_and_survives_damage) {
  const std::vector<Address> targets = {*Address::parse("c@d.pl"), *Address::parse("e@f.pl")};
  EXPECT_EQ(
      change_of(event_of(EventKind::expanded, expanded_event_data(targets), "a@b"), rules).targets,
      (std::vector<std::string>{"c@d.pl", "e@f.pl"}));
  for (const char* damaged :
       {"", "{", "[]", "7", R"({"recipients":3,"tags":"x","delay":"soon"})"}) {
    for (const auto kind : {EventKind::received, EventKind::delivered, EventKind::expanded})
      EXPECT_TRUE(change_of(event_of(kind, damaged), rules).targets.empty()) << damaged;
  }
}

}  // namespace
}  // namespace goniec
