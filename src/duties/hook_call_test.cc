// What webhooks of Postmark's format carry: its words for our facts.
#include "duties/hook_call.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace goniec {
namespace {

HookEvent event_of(EventKind kind, std::string data) {
  HookEvent made;
  made.event.kind = kind;
  made.event.sequence = 7;
  made.event.message = MessageId{1ull << 40};
  made.event.recipient = "anna@wp.pl";
  made.event.data = std::move(data);
  made.message.from = "shop@example.pl";
  made.message.subject = "Hi";
  made.message.stream = "bulk";
  made.message.tags = {{"kind", "a"}, {"tag", "invoice"}};
  made.message.metadata = {{"order", "17"}};
  return made;
}

std::optional<JsonValue> told(const HookEvent& event, bool first_opens_only = false) {
  Webhook webhook;
  webhook.format = WebhookFormat::postmark;
  webhook.first_opens_only = first_opens_only;
  const auto body = hook_body(webhook, {event}, Instant{});
  if (!body) return std::nullopt;
  return *JsonValue::parse(*body);
}

TEST(PostmarkHook, each_outcome_has_its_record_and_its_type_of_bounce) {
  const struct {
    EventKind kind;
    std::string_view data, record, type;
    std::int64_t code;
    bool inactive;
  } cases[] = {
      {EventKind::delivered, R"({"reply":"250 ok"})", "Delivery", "", 0, false},
      {EventKind::failed, R"({"class":"bad_mailbox"})", "Bounce", "HardBounce", 1, true},
      {EventKind::failed, R"({"class":"bad_domain"})", "Bounce", "HardBounce", 1, false},
      {EventKind::failed, R"({"class":"mailbox_full"})", "Bounce", "SoftBounce", 4096, false},
      {EventKind::failed, R"({"class":"ip_blocklisted"})", "Bounce", "Blocked", 100006, false},
      {EventKind::failed, R"({"class":"auth_policy"})", "Bounce", "DMARCPolicy", 100009, false},
      {EventKind::failed, R"({"class":"other"})", "Bounce", "Unknown", 2048, false},
      {EventKind::deferred, R"({"class":"bad_mailbox"})", "Bounce", "Transient", 2, false},
      {EventKind::expired, R"({"class":"connection"})", "Bounce", "SoftBounce", 4096, false},
      {EventKind::complained, R"({"type":"abuse"})", "SpamComplaint", "SpamComplaint", 100001,
       true},
  };
  for (const auto& each : cases) {
    const auto body = told(event_of(each.kind, std::string(each.data)));
    ASSERT_TRUE(body) << each.data;
    EXPECT_EQ(body->text_at("RecordType"), each.record) << each.data;
    EXPECT_EQ(body->text_at("Type"), each.type) << each.data;
    EXPECT_EQ(body->integer_at("TypeCode"), each.code) << each.data;
    EXPECT_EQ(body->boolean_at("Inactive"), each.inactive) << each.data;
    EXPECT_EQ(body->text_at("MessageStream"), "broadcast");
    EXPECT_EQ(body->text_at("Tag"), "invoice");
    EXPECT_EQ(body->at("Metadata")->dump(), R"({"order":"17"})");
  }
  EXPECT_FALSE(told(event_of(EventKind::held, "{}")));
}

TEST(PostmarkHook, visits_tell_the_link_and_the_first_opening) {
  const auto click = told(event_of(EventKind::clicked, R"({"link":"https://x/?a=1","ip":"::1"})"));
  EXPECT_EQ(click->text_at("OriginalLink"), "https://x/?a=1");
  EXPECT_EQ(click->at("Geo")->text_at("IP"), "::1");
  const auto first = event_of(EventKind::opened, R"({"first":true})");
  const auto second = event_of(EventKind::opened, "{}");
  EXPECT_TRUE(told(first)->boolean_at("FirstOpen"));
  EXPECT_FALSE(told(second)->boolean_at("FirstOpen", true));
  EXPECT_TRUE(told(first, true));
  EXPECT_FALSE(told(second, true));
}

TEST(PostmarkHook, a_change_of_a_suppression_says_who_and_why) {
  auto added = event_of(EventKind::suppression_added,
                        R"({"stream":"transactional","reason":"complained","origin":"dsn"})");
  added.message = {};
  const auto body = told(added);
  EXPECT_EQ(body->text_at("MessageStream"), "outbound");
  EXPECT_EQ(body->text_at("SuppressionReason"), "SpamComplaint");
  EXPECT_EQ(body->text_at("Origin"), "Recipient");
  EXPECT_TRUE(body->boolean_at("SuppressSending"));
  const auto removed = told(event_of(EventKind::suppression_removed, R"({"origin":"cli"})"));
  EXPECT_EQ(removed->text_at("Origin"), "Customer");
  EXPECT_TRUE(removed->at("SuppressionReason")->is_null());
  EXPECT_FALSE(removed->boolean_at("SuppressSending", true));
}

}  // namespace
}  // namespace goniec
