// Messages that programs send: how they are composed, and what is refused with which field.
#include "api/outgoing.h"

#include <gtest/gtest.h>

#include "api/api_for_tests.h"
#include "base/text.h"
#include "mail/header.h"
#include "mail/mime.h"
#include "mail/words.h"

namespace goniec {
namespace {

OutgoingEmail letter() {
  OutgoingEmail email;
  email.from = *parse_mailbox("Sklep <sklep@example.pl>");
  email.to = {*parse_mailbox("jan@far.pl")};
  email.subject = "Hello";
  email.text = "hi\n";
  return email;
}

std::string field(const std::string& message, std::string_view name) {
  const auto block = scan_header(message, HeaderLimits{});
  const HeaderField* found = block ? find_field(*block, name) : nullptr;
  return found ? unfold(found->value) : "(none)";
}

std::vector<std::string> types(const std::string& message) {
  std::vector<std::string> out;
  for (const auto& part : scan_mime(message).parts)
    out.push_back(std::string(part.depth, ' ') + part.type);
  return out;
}

TEST(Outgoing, parts_are_nested_only_as_far_as_they_are_needed) {
  OutgoingEmail email = letter();
  EXPECT_EQ(types(compose_email(email, "S")), (std::vector<std::string>{"text/plain"}));
  email.html = "<p>hi</p>";
  EXPECT_EQ(types(compose_email(email, "S")),
            (std::vector<std::string>{"multipart/alternative", " text/plain", " text/html"}));
  email.attachments.push_back(
      {.name = "logo.png", .content_id = "logo", .octets = "PNG", .is_inline = true});
  email.attachments.push_back({.name = "faktura.pdf", .octets = "%PDF"});
  const std::string message = compose_email(email, "S");
  EXPECT_EQ(types(message),
            (std::vector<std::string>{"multipart/mixed", " multipart/alternative", "  text/plain",
                                      "  multipart/related", "   text/html", "   image/png",
                                      " application/pdf"}));
  EXPECT_FALSE(scan_mime(message).faults.any());
  EXPECT_NE(message.find("Content-ID: <logo>\r\n"), std::string::npos);
  email.text.reset();
  email.html.reset();
  // Nothing shows it: then it is attached.
  EXPECT_EQ(types(compose_email(email, "S")),
            (std::vector<std::string>{"multipart/mixed", " text/plain", " image/png",
                                      " application/pdf"}));
}

TEST(Outgoing, names_and_subjects_of_people_are_encoded_and_come_back) {
  OutgoingEmail email = letter();
  email.from = {"Sklep \"Żółw\"", test::address("sklep@example.pl")};
  email.to = {{"Kowalski, Jan", test::address("jan@far.pl")}, {"", test::address("x@y.pl")}};
  email.subject = "Zamówienie nr 17 – dziękujemy, wszystkiego dobrego i do zobaczenia niebawem!";
  email.attachments.push_back({.name = "żółw i \"my\".txt", .octets = "x"});
  const std::string message = compose_email(email, "S");
  for (const auto line : split(message, '\n')) EXPECT_LE(line.size(), 79u) << line;
  EXPECT_EQ(decode_words(field(message, "Subject")), email.subject);
  const auto from = parse_header_mailboxes(field(message, "From")).mailboxes;
  ASSERT_EQ(from.size(), 1u);
  EXPECT_EQ(decode_words(from[0].display_name), "Sklep \"Żółw\"");
  const auto to = parse_header_mailboxes(field(message, "To")).mailboxes;
  ASSERT_EQ(to.size(), 2u);
  EXPECT_EQ(to[0].display_name, "Kowalski, Jan");
  EXPECT_EQ(to[1].address.text(), "x@y.pl");
  EXPECT_EQ(scan_mime(message).parts.back().file_name, "żółw i \"my\".txt");
}

TEST(Outgoing, bcc_is_in_no_header_and_line_ends_are_right) {
  OutgoingEmail email = letter();
  email.bcc = {*parse_mailbox("boss@far.pl")};
  email.text = "a\rb\nc\r\nd";
  const std::string message = compose_email(email, "S");
  EXPECT_EQ(message.find("boss"), std::string::npos);
  EXPECT_TRUE(message.ends_with("\r\n\r\na\r\nb\r\nc\r\nd\r\n"));
  email.to.clear();
  EXPECT_EQ(field(compose_email(email, "S"), "To"), "undisclosed-recipients:;");
}

TEST(Outgoing, a_raw_message_stays_as_it_is) {
  OutgoingEmail email = letter();
  email.raw = "From: a@example.pl\nSubject: x\n\nhello\n";
  EXPECT_EQ(compose_email(email, "S"), "From: a@example.pl\r\nSubject: x\r\n\r\nhello\r\n");
}

TEST(Outgoing, addresses_are_read_as_people_write_them) {
  EXPECT_EQ(parse_mailbox("Jan Żuk <jan@wp.pl>")->display_name, "Jan Żuk");
  EXPECT_EQ(parse_mailbox("jan@wp.pl")->address.text(), "jan@wp.pl");
  EXPECT_EQ(parse_mailboxes("a@b.pl, \"C, D\" <c@d.pl>")->size(), 2u);
  EXPECT_TRUE(parse_mailboxes(" ")->empty());
  for (const auto* bad : {"foo", "foo@", "a b@c.pl", "<>", "", "Jan <jan>", "a@b.pl, c@d.pl",
                          "a@b.pl\r\nBcc: x@y.pl"})
    EXPECT_FALSE(parse_mailbox(bad)) << bad;
}

class OutgoingRules : public testing::Test {
 protected:
  OutgoingRules() {
    api_.house.add_domain("shop.pl");
    api_.context.message_octets = [] { return 1000u; };
    key_.kind = Principal::Kind::key;
    key_.scopes.send = true;
    key_.key = ApiKey{.id = "key_1"};
  }
  ApiError refusal(const OutgoingEmail& email) {
    const auto checked = check_email(api_.context, key_, email);
    return checked ? ApiError{.status = 200} : checked.error();
  }

  test::TestApi api_;
  Principal key_;
};

TEST_F(OutgoingRules, a_refusal_names_its_field) {
  struct Case {
    std::string_view field, name;
    unsigned status;
    std::function<void(OutgoingEmail&)> spoil;
  };
  const Instant now = api_.house.shard.clock().now();
  const std::vector<Case> cases = {
      {"from", "missing_required_field", 422, [](auto& m) { m.from = {}; }},
      {"from", "validation_error", 403,
       [](auto& m) { m.from = *parse_mailbox("x@elsewhere.com"); }},
      {"envelope.from", "validation_error", 403,
       [](auto& m) { m.envelope.from = test::address("x@elsewhere.com"); }},
      {"to", "missing_required_field", 422, [](auto& m) { m.to.clear(); }},
      {"cc[0]", "validation_error", 422,
       [](auto& m) { m.cc = {*parse_mailbox("nobody@example.pl")}; }},
      {"to", "validation_error", 422,
       [](auto& m) { m.to = std::vector(1001, *parse_mailbox("a@far.pl")); }},
      {"html", "missing_required_field", 422, [](auto& m) { m.text.reset(); }},
      {"subject", "security_error", 422, [](auto& m) { m.subject = "a\r\nBcc: x@y.pl"; }},
      {"text", "validation_error", 422, [](auto& m) { m.text = "\xff"; }},
      {"headers.To", "validation_error", 422, [](auto& m) { m.headers = {{"To", "x@y"}}; }},
      {"headers.content-type", "validation_error", 422,
       [](auto& m) { m.headers = {{"content-type", "x/y"}}; }},
      {"headers.X Y", "validation_error", 422, [](auto& m) { m.headers = {{"X Y", "z"}}; }},
      {"headers.X-Idempotency-Key", "validation_error", 422,
       [](auto& m) { m.headers = {{"X-Idempotency-Key", "k"}}; }},
      {"headers.X-Y", "security_error", 422, [](auto& m) { m.headers = {{"X-Y", "a\nb"}}; }},
      {"attachments[1].content_type", "invalid_attachment", 422,
       [](auto& m) { m.attachments = {{}, {.content_type = "png"}}; }},
      {"attachments[0].filename", "invalid_attachment", 422,
       [](auto& m) { m.attachments = {{.name = "a\nb"}}; }},
      {"attachments[0].content_id", "invalid_attachment", 422,
       [](auto& m) { m.attachments = {{.content_id = "a>b"}}; }},
      {"tags.", "validation_error", 422, [](auto& m) { m.options.tags = {{"", "x"}}; }},
      {"metadata.k", "validation_error", 422,
       [](auto& m) { m.options.metadata = {{"k", std::string(2000, 'x')}}; }},
      {"scheduled_at", "validation_error", 422,
       [now](auto& m) { m.options.send_at = now + std::chrono::days(91); }},
      {"expires_at", "validation_error", 422,
       [now](auto& m) { m.options.expires_at = now - std::chrono::hours(1); }},
      {"", "validation_error", 413, [](auto& m) { m.text = std::string(1001, 'x'); }},
  };
  EXPECT_EQ(refusal(letter()).status, 200u) << refusal(letter()).message;
  for (const auto& each : cases) {
    OutgoingEmail email = letter();
    each.spoil(email);
    const ApiError error = refusal(email);
    EXPECT_EQ(error.field, each.field) << error.message;
    EXPECT_EQ(error.name, each.name) << each.field;
    EXPECT_EQ(error.status, each.status) << each.field;
  }
}

TEST_F(OutgoingRules, a_bound_key_sends_in_its_domain_and_stream_alone) {
  key_.key->domain = *Domain::parse("shop.pl");
  key_.key->stream = "bulk";
  EXPECT_EQ(refusal(letter()).name, "restricted_api_key");
  OutgoingEmail email = letter();
  email.from = *parse_mailbox("a@news.shop.pl");
  EXPECT_EQ(refusal(email).status, 200u);
  email.options.stream = "transactional";
  EXPECT_EQ(refusal(email).field, "stream");
  email.options.stream = "bulk";
  EXPECT_EQ(refusal(email).status, 200u);
}

}  // namespace
}  // namespace goniec
