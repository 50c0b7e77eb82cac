// Other services' messages as ours, the words of their refusals, and which shape a call speaks.
#include "api/compat.h"

#include <gtest/gtest.h>

#include "api/mailgun.h"
#include "api/postmark.h"
#include "api/sendgrid.h"
#include "base/text.h"

namespace goniec {
namespace {

JsonValue json(std::string_view text) {
  auto parsed = JsonValue::parse(text);
  CHECK(parsed.has_value());
  return *parsed;
}

std::string list_text(const std::vector<HeaderMailbox>& list) {
  std::string out;
  for (const auto& each : list)
    out += fmt::format("{}<{}>", each.display_name, each.address.text());
  return out;
}

// ---------------------------------------------------------------- postmark
std::string refusal_of(std::string_view body) {
  const auto email = postmark_email_of(json(body), PostmarkContent::given);
  return email ? "taken" : fmt::format("{} {}", email.error().code, email.error().message);
}

TEST(PostmarkTest, a_message_becomes_ours_with_all_that_it_says) {
  const auto email = postmark_email_of(
      json(R"({"From":"\"Sklep, Zażółć\" <sklep@example.pl>","To":"a@x.pl, \"B, C\" <b@x.pl>",
               "Cc":"c@x.pl","Bcc":"d@x.pl","ReplyTo":"r@x.pl","Subject":"S","HtmlBody":"<p>",
               "TextBody":"t","Tag":"invoice","Metadata":{"order":"17","n":3},
               "MessageStream":"broadcast","TrackOpens":true,"TrackLinks":"None",
               "Headers":[{"Name":"X-A","Value":"1"}],
               "Attachments":[{"Name":"a.txt","Content":"aGk=","ContentType":"text/plain"},
                 {"Name":"l.png","Content":"aGk=","ContentType":"image/png",
                  "ContentID":"cid:logo"}]})"),
      PostmarkContent::given);
  ASSERT_TRUE(email) << email.error().message;
  EXPECT_EQ(list_text({email->from}), "Sklep, Zażółć<sklep@example.pl>");
  EXPECT_EQ(list_text(email->to), "<a@x.pl>B, C<b@x.pl>");
  EXPECT_EQ(list_text(email->cc) + list_text(email->bcc) + list_text(email->reply_to),
            "<c@x.pl><d@x.pl><r@x.pl>");
  EXPECT_EQ(email->subject + *email->html + *email->text, "S<p>t");
  const std::vector<std::pair<std::string, std::string>> tags = {{"tag", "invoice"}};
  EXPECT_EQ(email->options.tags, tags);
  EXPECT_EQ(email->options.metadata.size(), 2u);
  EXPECT_EQ(email->options.stream, "bulk");
  EXPECT_EQ(email->options.track_opens, true);
  EXPECT_EQ(email->options.track_clicks, false);
  ASSERT_EQ(email->attachments.size(), 2u);
  EXPECT_EQ(email->attachments[0].octets, "hi");
  EXPECT_FALSE(email->attachments[0].is_inline);
  EXPECT_EQ(email->attachments[1].content_id, "logo");
  EXPECT_TRUE(email->attachments[1].is_inline);
}

TEST(PostmarkTest, refusals_have_its_words_which_clients_read) {
  struct Case {
    std::string_view body, wanted;
  };
  const Case cases[] = {
      {R"({"To":"a@x.pl","TextBody":"t"})", "300 Invalid 'From' address: ''."},
      {R"({"From":"a@x.pl, b@x.pl","To":"a@x.pl","TextBody":"t"})",
       "300 Invalid 'From' address: 'a@x.pl, b@x.pl'."},
      {R"({"From":"a@x.pl","To":"foo","TextBody":"t"})", "300 Invalid 'To' address: 'foo'."},
      {R"({"From":"a@x.pl","To":"b@x.pl","Cc":"C <c@x_y..pl>","TextBody":"t"})",
       "300 Error parsing 'Cc': Illegal email domain 'x_y..pl' in address 'c@x_y..pl'."},
      {R"({"From":"a@x.pl","To":"","TextBody":"t"})", "300 Zero recipients specified"},
      {R"({"From":"a@x.pl","To":"b@x.pl"})",
       "300 Provide either email TextBody or HtmlBody or both."},
      {R"({"From":"a@x.pl","To":["b@x.pl"],"TextBody":"t"})",
       "402 Received invalid JSON input: 'To' must be a string."},
      {R"({"From":"a@x.pl","To":"b@x.pl","TextBody":"t","TrackOpens":"yes"})",
       "402 Received invalid JSON input: 'TrackOpens' must be a boolean."},
      {R"([])", "402 Received invalid JSON input: an object is wanted."},
      {R"({"From":"a@x.pl","To":"b@x.pl","TextBody":"t",
           "Attachments":[{"Name":"virus.EXE","Content":"aGk="}]})",
       "411 Forbidden attachment type: 'virus.EXE'."},
      {R"({"From":"a@x.pl","To":"b@x.pl","TextBody":"t",
           "Attachments":[{"Name":"a.txt","Content":"?"}]})",
       "300 Invalid attachment content: 'a.txt' is not base64."},
      {R"({"From":"a@x.pl","To":"b@x.pl","TextBody":"t",
           "Attachments":[{"Name":"a.txt","Content":"aG\r\nk="}]})",
       "taken"},
  };
  for (const auto& one : cases) EXPECT_EQ(refusal_of(one.body), one.wanted) << one.body;
  std::string many = "a@x.pl";
  for (int i = 0; i < 50; ++i) many += fmt::format(",a{}@x.pl", i);
  EXPECT_EQ(refusal_of(R"({"From":"a@x.pl","TextBody":"t","To":")" + many + "\"}"),
            "300 Too many recipients: 51 given, at most 50 are possible.");
}

TEST(PostmarkTest, what_the_sending_refuses_is_said_in_its_words) {
  OutgoingEmail email;
  email.from.address = *Address::parse("a@other.pl");
  email.to = {{"", *Address::parse("b@x.pl")}, {"", *Address::parse("c@x.pl")}};
  email.options.stream = "news";
  struct Case {
    ApiError error;
    unsigned status;
    int code;
    std::string_view words;
  };
  const Case cases[] = {
      {{403, "invalid_from_address", "no", "from"},
       422,
       400,
       "The 'From' address you supplied (a@other.pl) is not"},
      {{422, "validation_error", "no", "to[1]"}, 422, 300, "Invalid 'To' address: 'c@x.pl'."},
      {{422, "validation_error", "no", "stream"},
       422,
       1235,
       "The 'MessageStream' provided ('news')"},
      {{429, "rate_limit_exceeded", "later", ""}, 429, 429, "Rate limit exceeded"},
      {{503, "application_error", "full", ""}, 503, 100, "Maintenance"},
      {{422, "validation_error", "to: no", "to[7]"}, 422, 300, "to: no"},
  };
  for (const auto& one : cases) {
    const auto said = postmark_error_of(one.error, email);
    EXPECT_EQ(said.status, one.status) << one.words;
    EXPECT_EQ(said.code, one.code) << one.words;
    EXPECT_TRUE(said.message.starts_with(one.words)) << said.message;
  }
  EXPECT_EQ(inactive_recipients_text({"a@x.pl", "b@x.pl"}, true),
            "You tried to send to recipient(s) that have been marked as inactive. Found inactive "
            "addresses: a@x.pl, b@x.pl. Inactive recipients are ones that have generated a hard "
            "bounce, a spam complaint, or a manual suppression.");
  EXPECT_EQ(inactive_recipients_text({"a@x.pl"}, false),
            "Message OK, but will not deliver to these inactive addresses: a@x.pl. Inactive "
            "recipients are ones that have generated a hard bounce, a spam complaint, or a manual "
            "suppression.");
}

// ---------------------------------------------------------------- sendgrid
TEST(SendgridTest, each_personalization_is_a_message_of_its_own) {
  const auto request = sendgrid_request_of(
      json(R"({"from":{"email":"s@example.pl","name":"Sklep"},"subject":"Common",
               "reply_to":{"email":"r@example.pl"},"headers":{"X-A":"1","X-B":"1"},
               "content":[{"type":"text/plain","value":"Hi -name-"},
                          {"type":"text/html","value":"<p>-name-</p>"}],
               "categories":["c1","c2"],"custom_args":{"order":"1","shop":"x"},"send_at":1800000000,
               "asm":{"group_id":1},"ip_pool_name":"p",
               "attachments":[{"content":"aGk=","filename":"a.txt","type":"text/plain",
                 "disposition":"inline","content_id":"i"}],
               "tracking_settings":{"open_tracking":{"enable":true},
                                    "click_tracking":{"enable":false}},
               "personalizations":[
                 {"to":[{"email":"a@x.pl","name":"A"}],"cc":[{"email":"c@x.pl"}],
                  "bcc":[{"email":"d@x.pl"}],"substitutions":{"-name-":"Ola"},
                  "headers":{"x-b":"2"},"custom_args":{"order":"2"}},
                 {"to":[{"email":"b@x.pl"}],"subject":"Own","send_at":1800000001}]})"));
  ASSERT_TRUE(request) << request.error().message;
  ASSERT_EQ(request->emails.size(), 2u);
  const auto& first = request->emails[0].email;
  const auto& second = request->emails[1].email;
  EXPECT_EQ(list_text(first.to) + list_text(first.cc) + list_text(first.bcc),
            "A<a@x.pl><c@x.pl><d@x.pl>");
  EXPECT_EQ(*first.text + *first.html, "Hi Ola<p>Ola</p>");
  EXPECT_EQ(*second.text, "Hi -name-");
  EXPECT_EQ(first.subject + second.subject, "CommonOwn");
  EXPECT_EQ(list_text(first.reply_to), "<r@example.pl>");
  const std::vector<std::pair<std::string, std::string>> headers = {{"X-A", "1"}, {"x-b", "2"}};
  EXPECT_EQ(first.headers, headers);
  const std::vector<std::pair<std::string, std::string>> metadata = {{"shop", "x"}, {"order", "2"}};
  EXPECT_EQ(first.options.metadata, metadata);
  EXPECT_EQ(first.options.tags.size(), 2u);
  EXPECT_EQ(to_rfc3339(first.options.send_at), "2027-01-15T08:00:00.000Z");
  EXPECT_EQ(to_rfc3339(second.options.send_at), "2027-01-15T08:00:01.000Z");
  EXPECT_EQ(first.options.stream, "bulk");
  EXPECT_EQ(first.options.pool, "p");
  EXPECT_EQ(first.options.track_opens, true);
  EXPECT_EQ(first.options.track_clicks, false);
  ASSERT_EQ(first.attachments.size(), 1u);
  EXPECT_TRUE(first.attachments[0].is_inline);
  EXPECT_FALSE(request->sandbox);
}

TEST(SendgridTest, refusals_name_the_field_as_it_does) {
  struct Case {
    std::string_view body, field, words;
  };
  const std::string_view rest = R"("from":{"email":"s@x.pl"},"subject":"s",
      "content":[{"type":"text/plain","value":"t"}]})";
  const Case cases[] = {
      {R"({)", "personalizations", "The personalizations field is required"},
      {R"({"personalizations":[{}],)", "personalizations.0.to", "The to array is required"},
      {R"({"personalizations":[{"to":[{"email":"foo"}]}],)", "personalizations.0.to.0.email",
       "Does not contain a valid address."},
      {R"({"personalizations":[{"to":[{}]}],)", "personalizations.0.to.0.email",
       "The email address is required."},
      {R"({"personalizations":[{"to":[{"email":"a@x.pl"}],"cc":[{"email":"a@x.pl"}]}],)",
       "personalizations.0", "Each email address in the personalization block should be unique"},
      {R"({"personalizations":[{"to":"a@x.pl"}],)", "personalizations.0.to",
       "The to parameter must be an array."},
      {R"({"personalizations":[{"to":[{"email":"a@x.pl"}],"send_at":"soon"}],)",
       "personalizations.0.send_at", "The send_at parameter must be a unix timestamp."},
  };
  for (const auto& one : cases) {
    const auto request = sendgrid_request_of(json(std::string(one.body) + std::string(rest)));
    ASSERT_FALSE(request) << one.body;
    EXPECT_EQ(request.error().field, one.field);
    EXPECT_TRUE(request.error().message.starts_with(one.words)) << request.error().message;
    EXPECT_EQ(request.error().status, 400u);
  }
  const auto field = [](std::string_view body) {
    const auto request = sendgrid_request_of(json(body));
    return request ? "taken" : request.error().field;
  };
  EXPECT_EQ(field(R"({"personalizations":[{"to":[{"email":"a@x.pl"}]}]})"), "from.email");
  EXPECT_EQ(field(R"({"personalizations":[{"to":[{"email":"a@x.pl"}]}],
                      "from":{"email":"s@x.pl"},"subject":"s"})"),
            "content");
  EXPECT_EQ(field(R"({"personalizations":[{"to":[{"email":"a@x.pl"}]}],"from":{"email":"s@x.pl"},
                      "content":[{"type":"text/plain","value":"t"}]})"),
            "subject");
  EXPECT_EQ(field(R"({"personalizations":[{"to":[{"email":"a@x.pl"}]}],"from":{"email":"s@x.pl"},
                      "subject":"s","content":[{"type":"text/plain","value":""}]})"),
            "content.0.value");
  EXPECT_EQ(field(R"({"personalizations":[{"to":[{"email":"a@x.pl"}]}],"from":{"email":"s@x.pl"},
                      "template_id":"d-1"})"),
            "taken");
}

TEST(SendgridTest, messages_that_multiply_are_refused_before_they_do) {
  std::string recipients;
  for (int i = 0; i < 999; ++i)
    recipients += fmt::format(R"({}{{"to":[{{"email":"a{}@x.pl"}}]}})", i ? "," : "", i);
  const auto body = fmt::format(
      R"({{"from":{{"email":"s@x.pl"}},"subject":"s","personalizations":[{}],
          "content":[{{"type":"text/plain","value":"{}"}}]}})",
      recipients, std::string(200'000, 'x'));
  const auto request = sendgrid_request_of(json(body));
  ASSERT_FALSE(request);
  EXPECT_EQ(request.error().status, 413u);
  // A substitution of one letter by many.
  const auto grown = sendgrid_request_of(json(fmt::format(
      R"({{"from":{{"email":"s@x.pl"}},"subject":"s","personalizations":[{{
          "to":[{{"email":"a@x.pl"}}],"substitutions":{{"x":"{}"}}}}],
          "content":[{{"type":"text/plain","value":"{}"}}]}})",
      std::string(9'000, 'y'), std::string(20'000, 'x'))));
  ASSERT_FALSE(grown);
  EXPECT_EQ(grown.error().status, 413u);
  // A name that is looked for far into a text at each of its letters.
  const auto slow = sendgrid_request_of(json(fmt::format(
      R"({{"from":{{"email":"s@x.pl"}},"subject":"s","personalizations":[{{
          "to":[{{"email":"a@x.pl"}}],"substitutions":{{"{}b":"y"}}}}],
          "content":[{{"type":"text/plain","value":"x"}}]}})",
      std::string(20'000, 'a'))));
  ASSERT_FALSE(slow);
  EXPECT_EQ(slow.error().field, "personalizations.0.substitutions");
  std::string many;
  for (int i = 0; i < 101; ++i) many += fmt::format(R"({}"n{}":"v")", i ? "," : "", i);
  for (const std::string_view member : {"headers", "custom_args", "substitutions"}) {
    const auto refused = sendgrid_request_of(json(fmt::format(
        R"({{"from":{{"email":"s@x.pl"}},"subject":"s","personalizations":[{{
            "to":[{{"email":"a@x.pl"}}],"{}":{{{}}}}}],
            "content":[{{"type":"text/plain","value":"x"}}]}})",
        member, many)));
    ASSERT_FALSE(refused) << member;
    EXPECT_EQ(refused.error().field, fmt::format("personalizations.0.{}", member));
  }
}

// ---------------------------------------------------------------- mailgun
std::expected<MailgunRequest, MailgunError> mailgun(
    std::vector<std::pair<std::string, std::string>> pairs,
    MailgunContent content = MailgunContent::parts) {
  std::vector<FormField> fields;
  for (auto& [name, value] : pairs) fields.push_back({name, value});
  return mailgun_request_of(std::move(fields), *Domain::parse("example.pl"), content);
}

TEST(MailgunTest, fields_of_the_form_become_a_message) {
  std::vector<FormField> fields = {{"from", "Sklep <s@mail.example.pl>"},
                                   {"to", "a@x.pl, B <b@x.pl>"},
                                   {"to", "c@x.pl"},
                                   {"cc", "d@x.pl"},
                                   {"subject", "S"},
                                   {"text", "t"},
                                   {"html", "<p>"},
                                   {"o:tag", "one"},
                                   {"o:tag", "two"},
                                   {"o:deliverytime", "Fri, 15 Jan 2027 09:00:00 +0100"},
                                   {"o:tracking-opens", "yes"},
                                   {"o:tracking-clicks", "no"},
                                   {"v:order", "17"},
                                   {"h:X-A", "1"},
                                   {"h:Reply-To", "r@x.pl"},
                                   {"attachment", "hi", "a.txt", "text/plain", true},
                                   {"inline", "png", "logo.png", "image/png", true}};
  const auto request =
      mailgun_request_of(fields, *Domain::parse("example.pl"), MailgunContent::parts);
  ASSERT_TRUE(request) << request.error().message;
  ASSERT_EQ(request->emails.size(), 1u);
  const auto& email = request->emails[0];
  EXPECT_EQ(list_text(email.to) + list_text(email.cc), "<a@x.pl>B<b@x.pl><c@x.pl><d@x.pl>");
  EXPECT_EQ(email.options.tags.size(), 2u);
  EXPECT_EQ(to_rfc3339(email.options.send_at), "2027-01-15T08:00:00.000Z");
  EXPECT_EQ(email.options.track_opens, true);
  EXPECT_EQ(email.options.track_clicks, false);
  EXPECT_EQ(email.options.metadata.at(0).second, "17");
  EXPECT_EQ(list_text(email.reply_to), "<r@x.pl>");
  ASSERT_EQ(email.headers.size(), 1u);
  ASSERT_EQ(email.attachments.size(), 2u);
  EXPECT_EQ(email.attachments[1].content_id, "logo.png");
  EXPECT_TRUE(email.attachments[1].is_inline);
}

TEST(MailgunTest, with_recipient_variables_each_gets_his_own) {
  const auto request = mailgun(
      {{"from", "s@example.pl"},
       {"to", "a@x.pl, b@x.pl"},
       {"subject", "Hi %recipient.name%"},
       {"text", "%recipient% %recipient.n% %recipient.none% 100%"},
       {"recipient-variables", R"({"a@x.pl":{"name":"Ola","n":1},"b@x.pl":{"name":"%x"}})"}});
  ASSERT_TRUE(request) << request.error().message;
  ASSERT_EQ(request->emails.size(), 2u);
  EXPECT_EQ(list_text(request->emails[0].to), "<a@x.pl>");
  EXPECT_EQ(request->emails[0].subject, "Hi Ola");
  EXPECT_EQ(*request->emails[0].text, "a@x.pl 1 %recipient.none% 100%");
  EXPECT_EQ(request->emails[1].subject, "Hi %x");
  EXPECT_EQ(*request->emails[1].text, "b@x.pl %recipient.n% %recipient.none% 100%");
}

TEST(MailgunTest, refusals_have_its_words) {
  struct Case {
    std::vector<std::pair<std::string, std::string>> fields;
    std::string_view wanted;
  };
  const Case cases[] = {
      {{{"to", "a@x.pl"}, {"text", "t"}}, "from parameter is missing"},
      {{{"from", "s@example.pl"}, {"text", "t"}}, "to parameter is missing"},
      {{{"from", "s@example.pl"}, {"to", "foo"}, {"text", "t"}},
       "'to' parameter is not a valid address. please check documentation"},
      {{{"from", "s@example.pl"}, {"to", "a@x.pl"}},
       "Need at least one of 'text', 'html', 'amp-html' or 'template' parameters specified"},
      {{{"from", "s@other.pl"}, {"to", "a@x.pl"}, {"text", "t"}},
       "'from' address is not of the domain example.pl"},
      {{{"from", "s@notexample.pl"}, {"to", "a@x.pl"}, {"text", "t"}},
       "'from' address is not of the domain example.pl"},
      {{{"from", "s@example.pl"}, {"to", "a@x.pl"}, {"text", "t"}, {"o:deliverytime", "soon"}},
       "'o:deliverytime' parameter is not a valid date"},
      {{{"from", "s@example.pl"}, {"to", "a@x.pl"}, {"text", "t"}, {"recipient-variables", "x"}},
       "'recipient-variables' parameter is not a valid JSON dictionary"},
  };
  for (const auto& one : cases) {
    const auto request = mailgun(one.fields);
    ASSERT_FALSE(request) << one.wanted;
    EXPECT_EQ(request.error().message, one.wanted);
  }
  EXPECT_EQ(mailgun({{"to", "a@x.pl"}}, MailgunContent::mime).error().message,
            "message parameter is missing");
  const auto mime = mailgun({{"to", "a@x.pl"}, {"message", "From: S <s@example.pl>\r\n\r\nx"}},
                            MailgunContent::mime);
  ASSERT_TRUE(mime) << mime.error().message;
  EXPECT_EQ(mime->emails[0].raw, "From: S <s@example.pl>\r\n\r\nx");
  EXPECT_EQ(mime->emails[0].from.address.text(), "s@example.pl");
}

// ---------------------------------------------------------------- which one
TEST(CompatTest, a_shape_is_known_by_prefix_or_by_what_it_alone_sends) {
  struct Case {
    std::string_view path, header, shape, left;
  };
  const Case cases[] = {
      {"/postmark/email", "", "postmark", "/email"},
      {"/postmark/templates/", "", "postmark", "/templates"},
      {"/email", "x-postmark-server-token", "postmark", "/email"},
      {"/domains", "x-postmark-account-token", "postmark", "/domains"},
      {"/sendgrid/v3/mail/send", "", "sendgrid", "/v3/mail/send"},
      {"/v3/mail/send", "", "sendgrid", "/v3/mail/send"},
      {"/v3/mail/send/", "", "sendgrid", "/v3/mail/send"},
      {"/mailgun/v3/example.pl/messages", "", "mailgun", "/v3/example.pl/messages"},
      {"/v3/example.pl/messages", "", "mailgun", "/v3/example.pl/messages"},
      {"/v3/example.pl/messages.mime", "", "mailgun", "/v3/example.pl/messages.mime"},
      {"/postmarket/email", "", "none", "/postmarket/email"},
      {"/api/v1/emails", "", "none", "/api/v1/emails"},
      {"/emails", "authorization", "none", "/emails"},
      {"/v3/other", "", "none", "/v3/other"},
  };
  for (const auto& one : cases) {
    ApiCall call;
    call.path = one.path;
    if (!one.header.empty()) call.headers = {{std::string(one.header), "token"}};
    const auto found = find_compat(call);
    const std::string_view name = !found                                  ? "none"
                                  : found->shape == CompatShape::postmark ? "postmark"
                                  : found->shape == CompatShape::sendgrid ? "sendgrid"
                                                                          : "mailgun";
    EXPECT_EQ(name, one.shape) << one.path;
    if (found) EXPECT_EQ(found->path, one.left);
  }
  ApiCall call;
  call.headers = {{"authorization", "Basic YXBpOnBrX2xpdmU="}};
  EXPECT_EQ(compat_secret(CompatShape::mailgun, call), "pk_live");
  EXPECT_EQ(compat_secret(CompatShape::sendgrid, call), "");
}

}  // namespace
}  // namespace goniec
