// Events as webhooks and the API show them.
#include "queue/event_view.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace goniec {
namespace {

Event event_of(EventKind kind, std::string data, std::string recipient = "jan@o2.pl") {
  Event event;
  event.sequence = 42;
  event.kind = kind;
  event.message = *MessageId::parse("0A1B2C3D4E5F6");
  event.at = *parse_rfc3339("2026-11-23T06:15:03.120Z");
  event.recipient = std::move(recipient);
  event.data = std::move(data);
  return event;
}

const Event received = event_of(
    EventKind::received,
    R"({"source":"api","from":"sklep@example.pl","message_id":"1@example.pl","subject":"Faktura",)"
    R"("stream":"transactional","tags":{"kind":"invoice"},"metadata":{"order":"17"},)"
    R"("recipients":["jan@o2.pl","ola@wp.pl"]})",
    "");

BounceRules some_rules() {
  BounceRule rule;
  rule.name = "unknown";
  rule.enhanced = {*EnhancedPattern::parse("5.1.1")};
  rule.klass = BounceClass::bad_mailbox;
  rule.permanence = Permanence::permanent;
  return BounceRules({{"o2", "o2", {"o2.pl"}, {}}}, {rule});
}
const BounceRules rules = some_rules();

TEST(event_view, a_bounce_has_the_shape_that_webhooks_promise) {
  const auto failed = event_of(
      EventKind::failed,
      R"({"site":"mx.o2.pl[193.17.41.99]:25","phase":"rcpt","reply":"550 5.1.1 User unknown",)"
      R"("dsn":"5.1.1","tries":3,"delay":7.5,"tls":{"version":"TLSv1.3","verified":"dane"}})");
  const auto text = event_json(failed, event_message_of(received), &rules);
  const auto json = JsonValue::parse(text);
  ASSERT_TRUE(json) << text;
  EXPECT_EQ(json->text_at("type"), "email.bounced");
  EXPECT_EQ(json->text_at("id"), event_id_of(42));
  EXPECT_EQ(json->text_at("created_at"), "2026-11-23T06:15:03.120Z");
  const auto data = *json->at("data");
  EXPECT_EQ(data.text_at("email_id"), uuid_of(failed.message));
  EXPECT_EQ(data.text_at("queue_id"), "0A1B2C3D4E5F6");
  EXPECT_EQ(data.text_at("message_id"), "<1@example.pl>");
  EXPECT_EQ(data.at("to")->dump(), R"(["jan@o2.pl"])");
  EXPECT_EQ(data.at("tags")->dump(), R"({"kind":"invoice"})");
  EXPECT_EQ(data.at("metadata")->dump(), R"({"order":"17"})");
  EXPECT_EQ(data.integer_at("attempt"), 3);
  EXPECT_TRUE(data.at("next_attempt_at")->is_null());
  EXPECT_EQ(data.at("smtp")->dump(),
            R"({"code":550,"enhanced":"5.1.1","text":"User unknown","stage":"rcpt"})");
  EXPECT_EQ(
      data.at("remote")->dump(),
      R"({"host":"mx.o2.pl","ip":"193.17.41.99","provider":"o2","tls":"TLSv1.3","verified":"dane"})");
  EXPECT_EQ(data.at("bounce")->text_at("type"), "Permanent");
  EXPECT_EQ(data.at("bounce")->text_at("class"), "bad_mailbox");
}

TEST(event_view, the_class_that_the_queue_wrote_counts_and_needs_no_rules) {
  const auto deferred = event_of(EventKind::deferred,
                                 R"({"reply":"452 full","class":"mailbox_full","permanent":false,)"
                                 R"("hint":"bounce.mailbox_full","provider":"wp"})");
  const auto data = *JsonValue::parse(event_json(deferred, {}))->at("data");
  EXPECT_EQ(data.at("bounce")->dump(),
            R"({"type":"Transient","class":"mailbox_full","hint":"bounce.mailbox_full"})");
}

TEST(event_view, each_kind_has_its_type_or_is_told_to_nobody) {
  const std::tuple<EventKind, const char*, const char*> cases[] = {
      {EventKind::received, R"({"source":"api"})", "email.received_for_delivery"},
      {EventKind::received, R"({"source":"smtp"})", "email.received"},
      {EventKind::received, R"({"source":"api","send_at":"2026-12-01T00:00:00Z"})",
       "email.scheduled"},
      {EventKind::relayed, "{}", "email.delivered"},
      {EventKind::deferred, "", "email.delivery_delayed"},
      {EventKind::expired, "{}", "email.bounced"},
      {EventKind::held, "{}", "email.held"},
      {EventKind::retried, "{}", ""},
      {EventKind::dsn_sent, "broken", ""},
      {EventKind::clicked, "{}", "email.clicked"},
      {EventKind::object_changed, R"({"object":"domain","action":"created"})", "domain.created"},
  };
  for (const auto& [kind, data, type] : cases)
    EXPECT_EQ(event_type_of(event_of(kind, data)), type) << name_of(kind) << data;
}

TEST(event_view, events_about_no_message_are_their_facts) {
  auto event = event_of(EventKind::suppression_added, R"({"address":"a@b.pl"})");
  event.message = {};
  const auto json = JsonValue::parse(event_json(event, {}, &rules));
  EXPECT_EQ(json->at("data")->dump(), R"({"address":"a@b.pl"})");
  EXPECT_EQ(json->text_at("type"), "suppression.added");
}

TEST(event_view, damaged_data_makes_an_event_without_facts) {
  const auto text = event_json(event_of(EventKind::delivered, "{\"broken"), {}, &rules);
  const auto json = JsonValue::parse(text);
  ASSERT_TRUE(json) << text;
  EXPECT_EQ(json->text_at("type"), "email.delivered");
}

TEST(event_view, sites_come_apart) {
  const std::tuple<const char*, const char*, const char*> cases[] = {
      {"mx.wp.pl[212.77.101.4]:25", "mx.wp.pl", "212.77.101.4"},
      {"mx.x[2001:db8::1]:25", "mx.x", "2001:db8::1"},
      {"mailbox", "mailbox", ""},
      {"broken[1", "broken[1", ""},
      {"", "", ""},
  };
  for (const auto& [site, host, ip] : cases) {
    EXPECT_EQ(parts_of_site(site).host, host);
    EXPECT_EQ(parts_of_site(site).ip, ip);
  }
}

}  // namespace
}  // namespace goniec
