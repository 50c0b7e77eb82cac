// The native API on the web: who may come in, what a message becomes, once and no more, and how it
// is changed while it waits.
#include "api/emails.h"

#include <gtest/gtest.h>

#include "api/api_for_tests.h"
#include "api/email_story.h"
#include "api/postmark.h"
#include "base/digest.h"

namespace goniec {
namespace {

constexpr std::string_view letter =
    R"({"from":"Sklep <sklep@example.pl>","to":"jan@far.pl","subject":"Hello","text":"hi"})";

class Emails : public testing::Test {
 protected:
  ApiReply post(const std::string& path, std::string_view body,
                test::TestApi::Headers headers = {}) {
    return api_.web("POST", path, std::string(body), key_, std::move(headers));
  }
  std::string sent(std::string_view body = letter) {
    const auto reply = post("/api/v1/emails", body);
    EXPECT_EQ(reply.status, 200u) << reply.body;
    return api_.json(reply).text_at("id");
  }
  JsonValue get(const std::string& path) { return api_.json(api_.web("GET", path, "", key_)); }
  std::size_t messages() {
    return api_.house.wait(api_.queue.list(api_.house.shard, QueueFilter{}))->size();
  }

  test::TestApi api_;
  std::string key_ = api_.make_key({.name = "all", .scopes = KeyScopes::all()});
};

TEST_F(Emails, only_a_key_with_the_scope_comes_in) {
  const auto sender = api_.make_key({.name = "s", .scopes = {.send = true}});
  const auto reader = api_.make_key({.name = "r", .scopes = {.read = true}});
  const auto elsewhere =
      api_.make_key({.scopes = KeyScopes::all(), .networks = {*IpNetwork::parse("10.0.0.0/8")}});
  const struct {
    std::string_view method, path, body, key;
    unsigned status;
    std::string_view name;
  } cases[] = {
      {"POST", "/api/v1/emails", letter, "", 401, "missing_api_key"},
      {"POST", "/api/v1/emails", letter, "pk_live_wrong", 403, "invalid_api_key"},
      {"POST", "/api/v1/emails", letter, elsewhere, 403, "restricted_api_key"},
      {"POST", "/api/v1/emails", letter, reader, 403, "restricted_api_key"},
      {"POST", "/api/v1/emails", letter, sender, 200, ""},
      {"POST", "/emails", letter, sender, 200, ""},  // as Resend's clients call it
      {"POST", "/emails/", letter, sender, 200, ""},
      {"GET", "/api/v1/api-keys", "", sender, 403, "restricted_api_key"},
      {"GET", "/api/v1/queue", "", reader, 200, ""},
      {"PUT", "/api/v1/emails", "", sender, 405, ""},
      {"GET", "/api/v1/nothing", "", sender, 404, "not_found"},
      {"GET", "/api/v1/users", "", key_, 404, "not_found"},  // not on the web
      {"POST", "/api/v1/reload", "", key_, 404, "not_found"},
  };
  for (const auto& each : cases) {
    const auto reply = api_.web(std::string(each.method), std::string(each.path),
                                std::string(each.body), each.key);
    EXPECT_EQ(reply.status, each.status) << each.path << " " << reply.body;
    if (!each.name.empty()) EXPECT_EQ(api_.json(reply).text_at("name"), each.name) << each.path;
  }
  EXPECT_EQ(api_.web("POST", "/api/v1/emails", "", "").headers.at(0).first, "WWW-Authenticate");
}

TEST_F(Emails, wrong_keys_are_slowed_and_right_ones_are_not) {
  for (int tries = 0; tries < 3; ++tries)
    EXPECT_EQ(api_.web("GET", "/api/v1/queue", "", "pk_live_wrong").status, 403u);
  const auto slowed = api_.web("GET", "/api/v1/queue", "", "pk_live_wrong");
  EXPECT_EQ(slowed.status, 429u);
  EXPECT_EQ(api_.json(slowed).text_at("name"), "rate_limit_exceeded");
  EXPECT_EQ(api_.web("GET", "/api/v1/queue", "", key_).status, 200u);
}

TEST_F(Emails, a_strangers_body_is_refused_before_it_is_read) {
  const auto screen = [&](std::string_view key, const std::string& path) {
    return screen_call(api_.context, api_.web_call("POST", path, "", key));
  };
  EXPECT_EQ(screen("", "/api/v1/emails").refusal->status, 401u);
  EXPECT_EQ(screen("pk_live_wrong", "/emails").refusal->status, 403u);
  EXPECT_EQ(screen(key_, "/api/v1/nothing").refusal->status, 404u);
  EXPECT_FALSE(screen(key_, "/api/v1/emails").refusal);
  EXPECT_TRUE(screen(key_, "/api/v1/emails").known);
}

TEST_F(Emails, a_message_is_queued_with_its_options_and_told) {
  const auto id = sent(
      R"({"from":"Sklep <sklep@example.pl>","to":["jan@far.pl"],"cc":"b@far.pl","bcc":["c@near.pl"],
          "subject":"Zamówienie","html":"<p>ż</p>","text":"ż","tags":[{"name":"kind","value":"a"}],
          "metadata":{"order":17},"stream":"bulk","headers":{"X-Y":"z"},
          "attachments":[{"filename":"a.txt","content":"YQ=="}]})");
  const auto email = get("/api/v1/emails/" + id);
  EXPECT_EQ(email.text_at("id"), id);
  EXPECT_EQ(email.text_at("from"), "sklep@example.pl");
  EXPECT_EQ(email.text_at("subject"), "Zamówienie");
  EXPECT_EQ(email.text_at("stream"), "bulk");
  EXPECT_EQ(email.at("metadata")->dump(), R"({"order":"17"})");
  EXPECT_EQ(email.at("tags")->dump(), R"([{"name":"kind","value":"a"}])");
  EXPECT_EQ(email.at("to")->dump(), R"(["jan@far.pl"])");
  EXPECT_EQ(email.at("cc")->dump(), R"(["b@far.pl"])");
  EXPECT_EQ(email.at("bcc")->dump(), R"(["c@near.pl"])");
  EXPECT_EQ(email.text_at("html"), "<p>ż</p>\r\n");
  EXPECT_EQ(email.text_at("last_event"), "queued");
  EXPECT_EQ(email.at("recipients")->items().size(), 3u);
  EXPECT_TRUE(email.boolean_at("has_attachment"));
  // By the queue id too, and by its parts.
  EXPECT_EQ(get("/api/v1/emails/" + email.text_at("queue_id")).text_at("id"), id);
  const auto raw = api_.web("GET", "/api/v1/emails/" + id + "/raw", "", key_);
  EXPECT_EQ(raw.content_type, "message/rfc822");
  EXPECT_NE(raw.body.find("Received: by mail.example.pl (Goniec, by HTTP)"), std::string::npos);
  EXPECT_EQ(raw.body.find("192.0.2.7"), std::string::npos) << "the client's address is nobody's";
  EXPECT_EQ(raw.body.find("near.pl"), std::string::npos);
  EXPECT_NE(raw.body.find("\r\nX-Y: z\r\n"), std::string::npos);
  EXPECT_EQ(get("/api/v1/emails/" + id + "/content").at("parts")->items().size(), 3u);
  EXPECT_EQ(get("/api/v1/emails/" + id + "/trace").text_at("id"), email.text_at("queue_id"));
  EXPECT_EQ(get("/api/v1/emails/" + id + "/transcript").at("attempts")->items().size(), 0u);
  EXPECT_EQ(api_.web("GET", "/api/v1/emails/019aaaaa-0000-7000-8000-000000000000", "", key_).status,
            404u);
}

TEST_F(Emails, a_refusal_names_the_member) {
  const struct {
    std::string_view body, field, name;
  } cases[] = {
      {R"({"from":"a@example.pl","to":"b@far.pl","txet":"x"})", "txet", "validation_error"},
      {R"({"to":"b@far.pl","text":"x"})", "from", "missing_required_field"},
      {R"({"from":"a@example.pl","text":"x"})", "to", "missing_required_field"},
      {R"({"from":"foo","to":"b@far.pl","text":"x"})", "from", "invalid_from_address"},
      {R"({"from":"a@example.pl","to":["b@far.pl","foo"],"text":"x"})", "to[1]",
       "validation_error"},
      {R"({"from":"a@example.pl","to":"b@far.pl","text":1})", "text", "validation_error"},
      {R"({"from":"a@example.pl","to":"b@far.pl"})", "html", "missing_required_field"},
      {R"({"from":"a@example.pl","to":"b@far.pl","text":"x","headers":{"a b":"c"}})", "headers.a b",
       "validation_error"},
      {R"({"from":"a@example.pl","to":"b@far.pl","text":"x","attachments":[{"filename":"a"}]})",
       "attachments[0].content", "invalid_attachment"},
      {R"({"from":"a@example.pl","to":"b@far.pl","text":"x","attachments":[{"filename":"a",
           "path":"http://x"}]})",
       "attachments[0].path", "invalid_attachment"},
      {R"({"from":"a@example.pl","to":"b@far.pl","text":"x","attachments":[{"filename":"a",
           "content":"???"}]})",
       "attachments[0].content", "invalid_attachment"},
      {R"({"from":"a@example.pl","to":"b@far.pl","text":"x","tags":[{"name":"a","valeu":"b"}]})",
       "tags[0].valeu", "validation_error"},
      {R"({"from":"a@example.pl","to":"b@far.pl","text":"x","scheduled_at":"tomorrow"})",
       "scheduled_at", "validation_error"},
      {R"({"from":"a@example.pl","to":"b@far.pl","text":"x","envelope":{"dsn":{"notify":"x"}}})",
       "envelope.dsn.notify", "validation_error"},
      {R"({"from":"a@example.pl","to":"b@far.pl","raw":"YQ==","text":"x"})", "text",
       "validation_error"},
      {R"({"from":"a@example.pl","to":"nobody@example.pl","text":"x"})", "to[0]",
       "validation_error"},
      {R"({"from":"a@elsewhere.pl","to":"b@far.pl","text":"x"})", "from", "validation_error"},
  };
  for (const auto& each : cases) {
    const auto reply = post("/api/v1/emails", each.body);
    EXPECT_TRUE(reply.status == 422 || reply.status == 403) << each.body << reply.body;
    EXPECT_EQ(api_.json(reply).text_at("field"), each.field) << each.body;
    EXPECT_EQ(api_.json(reply).text_at("name"), each.name) << each.body;
  }
  EXPECT_EQ(post("/api/v1/emails", "{").status, 422u);
  EXPECT_EQ(messages(), 0u);
  EXPECT_NE(post("/api/v1/emails", cases[0].body).body.find("did you mean \\\"text\\\"?"),
            std::string::npos);
}

TEST_F(Emails, the_same_call_again_is_answered_and_not_done) {
  const test::TestApi::Headers once = {{"idempotency-key", "order-17"}};
  const auto first = post("/api/v1/emails", letter, once);
  ASSERT_EQ(first.status, 200u) << first.body;
  EXPECT_TRUE(first.headers.empty());
  const auto again = post("/api/v1/emails", letter, once);
  EXPECT_EQ(again.body, first.body);
  EXPECT_EQ(again.headers.at(0),
            (std::pair<std::string, std::string>("Idempotent-Replayed", "true")));
  EXPECT_EQ(messages(), 1u);
  const auto other =
      post("/api/v1/emails", R"({"from":"a@example.pl","to":"b@far.pl","text":"other"})", once);
  EXPECT_EQ(other.status, 409u);
  EXPECT_EQ(api_.json(other).text_at("name"), "invalid_idempotent_request");
  // Of another key, and at another call, it is another.
  const auto stranger = api_.make_key({.scopes = {.send = true}});
  EXPECT_EQ(api_.web("POST", "/api/v1/emails", std::string(letter), stranger, once).status, 200u);
  EXPECT_EQ(post("/api/v1/emails/batch", fmt::format("[{}]", letter), once).status, 200u);
  EXPECT_EQ(messages(), 3u);
  EXPECT_EQ(api_.json(post("/api/v1/emails", letter, {{"idempotency-key", std::string(257, 'x')}}))
                .text_at("name"),
            "invalid_idempotency_key");
}

TEST_F(Emails, the_same_call_at_once_is_refused) {
  const test::TestApi::Headers once = {{"idempotency-key", "k"}};
  auto claim = api_.idempotency.claim(
      idempotency_name(api_.api_keys.find(key_)->submitter(), "/api/v1/emails", "k"));
  ASSERT_TRUE(claim);
  const auto refused = post("/api/v1/emails", letter, once);
  EXPECT_EQ(refused.status, 409u);
  EXPECT_EQ(api_.json(refused).text_at("name"), "concurrent_idempotent_requests");
  claim = {};
  EXPECT_EQ(post("/api/v1/emails", letter, once).status, 200u);
}

TEST_F(Emails, a_refused_message_leaves_its_key_unused) {
  const test::TestApi::Headers once = {{"idempotency-key", "k"}};
  EXPECT_EQ(post("/api/v1/emails", R"({"from":"a@example.pl","to":"foo","text":"x"})", once).status,
            422u);
  EXPECT_EQ(post("/api/v1/emails", letter, once).status, 200u);
}

TEST_F(Emails, a_batch_is_checked_whole_and_sent_in_order) {
  const auto bad = post(
      "/api/v1/emails/batch",
      fmt::format(R"([{},{{"from":"a@example.pl","to":"nobody@example.pl","text":"x"}}])", letter));
  EXPECT_EQ(bad.status, 422u);
  EXPECT_EQ(api_.json(bad).text_at("field"), "[1].to[0]");
  EXPECT_EQ(messages(), 0u);
  std::string batch = "[";
  for (int i = 0; i < 100; ++i) batch += (i ? "," : "") + std::string(letter);
  const auto reply = post("/api/v1/emails/batch", batch + "]", {{"idempotency-key", "b"}});
  ASSERT_EQ(reply.status, 200u) << reply.body;
  EXPECT_EQ(api_.json(reply).at("data")->items().size(), 100u);
  EXPECT_EQ(messages(), 100u);
  EXPECT_EQ(post("/api/v1/emails/batch", batch + "]", {{"idempotency-key", "b"}}).body, reply.body);
  EXPECT_EQ(messages(), 100u);
  EXPECT_EQ(post("/api/v1/emails/batch", batch + "," + std::string(letter) + "]").status, 422u);
  EXPECT_EQ(post("/api/v1/emails/batch", "[]").status, 422u);
}

TEST_F(Emails, what_is_put_off_is_put_off_again_or_canceled) {
  const Instant now = api_.house.shard.clock().now();
  const auto at = to_rfc3339(now + std::chrono::hours(24));
  const auto id = sent(fmt::format(
      R"({{"from":"a@example.pl","to":["b@far.pl","c@near.pl"],"text":"x","scheduled_at":"{}"}})",
      at));
  EXPECT_TRUE(api_.carrier.ready.empty());
  auto email = get("/api/v1/emails/" + id);
  EXPECT_EQ(email.text_at("scheduled_at"), at);
  EXPECT_EQ(email.text_at("status"), "scheduled");
  EXPECT_EQ(email.text_at("last_event"), "scheduled");
  const auto later = to_rfc3339(now + std::chrono::days(30));
  const auto moved = api_.web("PATCH", "/api/v1/emails/" + id,
                              fmt::format(R"({{"scheduled_at":"{}"}})", later), key_);
  EXPECT_EQ(moved.status, 200u) << moved.body;
  EXPECT_EQ(api_.json(moved).integer_at("changed"), 2);
  email = get("/api/v1/emails/" + id);
  EXPECT_EQ(email.text_at("scheduled_at"), later);
  const auto items = api_.house.wait(api_.queue.list(api_.house.shard, QueueFilter{}));
  for (const auto& item : *items) EXPECT_GT(item.entry.expires, item.entry.due);
  const auto stranger = api_.make_key({.scopes = {.send = true}});
  EXPECT_EQ(api_.web("POST", "/api/v1/emails/" + id + "/cancel", "", stranger).status, 404u);
  EXPECT_EQ(post("/api/v1/emails/" + id + "/cancel", "").status, 200u);
  EXPECT_EQ(get("/api/v1/emails/" + id).text_at("status"), "canceled");
  EXPECT_EQ(messages(), 0u);
  EXPECT_EQ(post("/api/v1/emails/" + id + "/cancel", "").status, 409u);
}

TEST_F(Emails, what_waits_is_tried_again_and_sent_again) {
  const auto later = to_rfc3339(api_.house.shard.clock().now() + std::chrono::hours(1));
  const auto id = sent(fmt::format(
      R"({{"from":"a@example.pl","to":"jan@far.pl","text":"x","scheduled_at":"{}"}})", later));
  EXPECT_EQ(post("/api/v1/emails/" + id + "/retry", "").status, 200u);
  const auto again = post("/api/v1/emails/" + id + "/resend", R"({"to":["d@far.pl"]})");
  ASSERT_EQ(again.status, 200u) << again.body;
  const auto second = api_.json(again).text_at("id");
  EXPECT_NE(second, id);
  const auto first_email = get("/api/v1/emails/" + id), email = get("/api/v1/emails/" + second);
  EXPECT_NE(email.text_at("message_id"), first_email.text_at("message_id"));
  EXPECT_EQ(email.text_at("text"), first_email.text_at("text"));
  EXPECT_EQ(email.at("recipients")->items().at(0).text_at("email"), "d@far.pl");
}

TEST_F(Emails, keys_are_made_listed_and_revoked_within_the_rights_of_who_asks) {
  const auto made = post("/api-keys", R"({"name":"shop","permission":"sending_access"})");
  ASSERT_EQ(made.status, 201u) << made.body;
  const auto token = api_.json(made).text_at("token");
  EXPECT_EQ(api_.web("POST", "/emails", std::string(letter), token).status, 200u);
  const auto list = api_.web("GET", "/api/v1/api-keys", "", key_);
  EXPECT_EQ(list.body.find(token), std::string::npos);
  EXPECT_NE(list.body.find(R"("last_used_from":"192.0.2.7")"), std::string::npos);
  const auto id = api_.json(made).text_at("id");
  EXPECT_EQ(api_.web("DELETE", "/api/v1/api-keys/" + id, "", key_).status, 200u);
  EXPECT_EQ(api_.web("POST", "/emails", std::string(letter), token).status, 403u);
  EXPECT_EQ(api_.web("DELETE", "/api/v1/api-keys/" + id, "", key_).status, 404u);
  const auto bound =
      api_.make_key({.scopes = {.manage = true}, .domain = *Domain::parse("example.pl")});
  EXPECT_EQ(api_.web("POST", "/api/v1/api-keys",
                     R"({"name":"x","scopes":["send"],"domain":"example.pl"})", bound)
                .status,
            403u);
  EXPECT_EQ(
      api_.web("POST", "/api/v1/api-keys", R"({"name":"x","scopes":["manage"]})", bound).status,
      403u);
  EXPECT_EQ(post("/api/v1/api-keys", R"({"name":"x","scopes":["fly"]})").status, 422u);
  EXPECT_EQ(post("/api/v1/api-keys", R"({"name":"x","domain":"none.pl"})").status, 422u);
}

TEST(EmailStory, a_message_is_as_settled_as_its_least_settled_recipient) {
  EmailStory story;
  story.recipients = {{.address = "a", .status = EmailStatus::delivered},
                      {.address = "b", .status = EmailStatus::deferred}};
  EXPECT_EQ(story.status(), EmailStatus::deferred);
  story.recipients[1].status = EmailStatus::bounced;
  EXPECT_EQ(story.status(), EmailStatus::bounced);
}

TEST_F(Emails, recipients_that_were_left_out_are_named_also_when_the_call_is_repeated) {
  api_.with_streams();
  Suppression entry{.stream = "transactional", .address = test::address("b@far.pl")};
  std::vector<Suppression> batch{entry};
  ASSERT_TRUE(api_.house.wait(api_.suppressions.add(api_.house.shard, std::move(batch))));
  const test::TestApi::Headers once = {{"idempotency-key", "order-18"}};
  const std::string_view body =
      R"({"from":"a@example.pl","to":["jan@far.pl","b@far.pl"],"text":"x"})";
  for (int times = 0; times < 2; ++times) {
    const auto reply = api_.json(post("/api/v1/emails", body, once));
    ASSERT_TRUE(reply.at("suppressed")) << reply.dump();
    EXPECT_EQ(reply.at("suppressed")->dump(), R"(["b@far.pl"])");
  }
  EXPECT_FALSE(api_.json(post("/api/v1/emails", letter)).at("suppressed"));
}

TEST_F(Emails, bulk_mail_to_several_goes_as_a_message_to_each_with_its_own_way_out) {
  api_.with_streams();
  const auto reply = api_.json(post(
      "/api/v1/emails",
      R"({"from":"a@example.pl","to":["jan@far.pl","b@far.pl"],"bcc":"c@far.pl","stream":"bulk",
          "subject":"News","text":"x"})"));
  ASSERT_TRUE(reply.at("ids")) << reply.dump();
  const auto ids = reply.at("ids")->items();
  ASSERT_EQ(ids.size(), 3u);
  EXPECT_EQ(ids[0].text(), reply.text_at("id"));
  std::vector<std::string> ways;
  const std::string_view recipients[] = {"jan@far.pl", "b@far.pl", "c@far.pl"};
  for (std::size_t at = 0; at < ids.size(); ++at) {
    const std::string path = "/api/v1/emails/" + *ids[at].text();
    const auto told = get(path).at("recipients")->items();
    ASSERT_EQ(told.size(), 1u);
    EXPECT_EQ(told[0].text_at("email"), recipients[at]);
    const auto raw = api_.web("GET", path + "/raw", "", key_).body;
    EXPECT_NE(raw.find("To: jan@far.pl, b@far.pl"), std::string::npos) << raw;
    const auto begin = raw.find("List-Unsubscribe: <");
    ASSERT_NE(begin, std::string::npos);
    ways.push_back(raw.substr(begin, raw.find('>', begin) - begin));
  }
  EXPECT_NE(ways[0], ways[1]);
  EXPECT_NE(ways[1], ways[2]);
  const auto one = api_.json(post("/api/v1/emails", R"({"from":"a@example.pl","stream":"bulk",
      "to":["jan@far.pl","b@far.pl"],"text":"x","headers":{"List-Unsubscribe":"<https://x/>"}})"));
  EXPECT_FALSE(one.at("ids")) << "its sender gave a way out";
}

TEST_F(Emails, of_bulk_mail_that_was_half_sent_when_the_server_died_the_rest_is_sent) {
  api_.with_streams();
  const std::string news =
      R"({"from":"a@example.pl","to":["jan@far.pl","b@far.pl"],"bcc":"c@far.pl","stream":"bulk","text":"x"})";
  const auto first = api_.json(post("/api/v1/emails", letter)).text_at("id");
  const auto owner = api_.api_keys.find(key_)->submitter();
  const auto put = api_.house.wait(api_.house.committer.put_object(
      api_.house.shard, to_object(idempotency_name(owner, "/api/v1/emails", "k"),
                                  {std::string(view(sha256(news))), *email_id_of(first),
                                   api_.house.shard.clock().now() + std::chrono::hours(1)})));
  ASSERT_TRUE(put.has_value());
  const auto reply = post("/api/v1/emails", news, {{"idempotency-key", "k"}});
  ASSERT_EQ(reply.status, 200u) << reply.body;
  const auto ids = api_.json(reply).at("ids")->items();
  ASSERT_EQ(ids.size(), 3u);
  EXPECT_EQ(ids[0].text(), first);
  EXPECT_EQ(messages(), 3u) << "the letter, which stands for the first, and two more";
  const auto again = post("/api/v1/emails", news, {{"idempotency-key", "k"}});
  EXPECT_EQ(again.body, reply.body);
  EXPECT_EQ(messages(), 3u);
}

TEST_F(Emails, a_key_that_is_bound_sees_and_changes_its_own_mail_alone) {
  const auto id = sent();
  const auto elsewhere =
      api_.make_key({.scopes = KeyScopes::all(), .domain = *Domain::parse("other.pl")});
  const auto bulk = api_.make_key({.scopes = KeyScopes::all(), .stream = "bulk"});
  const auto own = api_.make_key({.scopes = KeyScopes::all(), .domain = *Domain::parse("pl")});
  const std::pair<std::string, bool> keys[] = {{elsewhere, false}, {bulk, false}, {own, true}};
  for (const auto& [key, may] : keys) {
    const auto postmark = [&](const std::string& path) {
      ApiCall call = api_.web_call("GET", path, "", "", {{"x-postmark-server-token", key}});
      return api_.house.wait(answer_postmark(api_.context, std::move(call))).status;
    };
    EXPECT_EQ(api_.web("GET", "/api/v1/trace?id=" + id, "", key).status, may ? 200u : 404u);
    EXPECT_EQ(api_.json(api_.web("GET", "/api/v1/queue", "", key)).at("queue")->items().size(),
              may ? 1u : 0u);
    EXPECT_EQ(api_.web("GET", "/api/v1/queue?id=" + id, "", key).status, may ? 200u : 404u);
    EXPECT_EQ(postmark("/messages/outbound/" + id + "/details"), may ? 200u : 422u);
    EXPECT_EQ(postmark("/messages/outbound/" + id + "/dump"), may ? 200u : 422u);
    EXPECT_EQ(api_.web("POST", "/api/v1/emails/" + id + "/retry", "{}", key).status,
              may ? 200u : 404u);
  }
  const auto reader = api_.make_key({.scopes = {.send = true, .read = true}});
  for (const std::string_view call : {"/retry", "/resend", "/cancel"}) {
    const auto path = fmt::format("/api/v1/emails/{}{}", id, call);
    EXPECT_EQ(api_.web("POST", path, "{}", reader).status, 404u) << "it reads, and sent it not";
  }
}

TEST_F(Emails, a_priority_is_that_of_its_entries_and_goes_out_with_nobody) {
  api_.with_streams();
  const struct {
    std::string_view more;
    std::uint8_t priority;
  } cases[] = {{"", 0},
               {R"(,"priority":"high")", 1},
               {R"(,"stream":"bulk")", 2},
               {R"(,"stream":"bulk","priority":"normal")", 0},
               {R"(,"stream":"bulk","priority":"high")", 1}};
  for (const auto& each : cases) {
    const auto id =
        sent(fmt::format(R"({{"from":"a@example.pl","to":"jan@far.pl","text":"x"{}}})", each.more));
    QueueFilter filter;
    filter.ids = {*message_id_of_uuid(id)};
    const auto items = api_.house.wait(api_.queue.list(api_.house.shard, filter));
    ASSERT_EQ(items->size(), 1u);
    EXPECT_EQ(items->at(0).entry.priority, each.priority) << each.more;
    const auto raw = api_.web("GET", "/api/v1/emails/" + id + "/raw", "", key_).body;
    EXPECT_EQ(raw.find("Queue-Priority"), std::string::npos);
  }
  EXPECT_EQ(api_.json(post("/api/v1/emails",
                           R"({"from":"a@example.pl","to":"b@far.pl","text":"x","priority":"no"})"))
                .text_at("field"),
            "priority");
}

TEST_F(Emails, a_refusal_is_explained_by_its_text_and_by_the_message) {
  BounceRule gone;
  gone.name = "gone";
  gone.enhanced = {*EnhancedPattern::parse("5.1.1")};
  gone.klass = BounceClass::bad_mailbox;
  const auto rules =
      std::make_shared<const BounceRules>(std::vector<BounceProvider>(), std::vector{gone});
  api_.context.bounces = [rules] { return rules; };
  const auto explain = [this](const std::string& query, test::TestApi::Headers headers = {}) {
    return api_.web("GET", "/api/v1/explain?" + query, "", key_, std::move(headers));
  };
  const auto told = api_.json(explain("reply=550%205.1.1%20no%20such%20user&lang=pl"));
  EXPECT_EQ(told.text_at("class"), "bad_mailbox");
  EXPECT_EQ(told.text_at("type"), "permanent");
  EXPECT_EQ(told.text_at("language"), "pl");
  EXPECT_TRUE(told.boolean_at("suppresses"));
  const auto english = api_.json(explain("reply=550%205.1.1"));
  EXPECT_EQ(english.text_at("language"), "en");
  EXPECT_NE(english.text_at("fix"), told.text_at("fix"));
  EXPECT_EQ(api_.json(explain("reply=550", {{"accept-language", "pl"}})).text_at("language"), "pl");
  EXPECT_EQ(api_.json(explain("reply=")).text_at("field"), "reply");
  EXPECT_EQ(api_.json(explain("reply=550&lang=de")).text_at("field"), "lang");
  const auto id = sent();
  api_.carrier.give_all_back();
  ASSERT_EQ(post("/api/v1/emails/" + id + "/cancel", "{}").status, 200u);
  FactsRequest facts;
  Event failed;
  failed.kind = EventKind::failed;
  failed.message = *message_id_of_uuid(id);
  failed.recipient = "jan@far.pl";
  failed.data = R"({"reply":"550 5.1.1 gone","phase":"rcpt","site":"mx.far.pl[192.0.2.1]:25"})";
  facts.events.push_back(failed);
  ASSERT_TRUE(api_.house.wait(api_.house.committer.record(api_.house.shard, std::move(facts))));
  const auto list = api_.json(explain("id=" + id)).at("data")->items();
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].text_at("email"), "jan@far.pl");
  EXPECT_EQ(list[0].text_at("class"), "bad_mailbox");
  EXPECT_EQ(explain("id=" + get("/api/v1/emails/" + id).text_at("queue_id")).status, 200u);
  EXPECT_EQ(explain("id=019aaaaa-0000-7000-8000-000000000000").status, 404u);
  EXPECT_EQ(explain("id=%3Cnobody%40far.pl%3E").status, 404u);
}

}  // namespace
}  // namespace goniec
