// DSNs: the fields of RFC 3464, what RET and SMTPUTF8 change, and that no text of a peer or of the
// original adds a field, a recipient or a part.
#include "mail/dsn.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/text.h"
#include "mail/header.h"

namespace goniec {
namespace {

DsnFacts facts() {
  DsnFacts facts;
  facts.hostname = "mx.example.test";
  facts.id = MessageId{7};
  facts.at = Instant(std::chrono::sys_days(std::chrono::year(2026) / 11 / 23));
  facts.original.id = MessageId{5};
  facts.original.sender.address = Address::parse("alice@example.test").value();
  facts.original.received_at = facts.at - std::chrono::hours(2);
  facts.original.message_id = "orig@example.test";
  facts.original.content.header = "From: alice@example.test\r\nX-Mark: keep\r\n\r\n";
  facts.original_body = "SECRETBODY\r\n";
  DsnRecipient recipient;
  recipient.recipient.recipient.address = Address::parse("x@bounce.test").value();
  recipient.recipient.state = RecipientState::failed;
  recipient.reply = Reply(550, {5, 1, 1}, "no such user");
  recipient.remote_host = "mx.bounce.test";
  recipient.last_attempt = facts.at;
  recipient.hint = "bounce.bad_mailbox";
  facts.recipients.push_back(recipient);
  return facts;
}

bool has_line(const std::string& text, const std::string& line) {
  return ("\r\n" + text).find("\r\n" + line + "\r\n") != std::string::npos;
}

TEST(Dsn, AFailureHasTheFieldsOfRfc3464) {
  auto given = facts();
  given.original.sender.envelope_id = "E+2B1";
  given.recipients[0].recipient.recipient.original_recipient = "rfc822;orig+2B@bounce.test";
  const auto dsn = compose_dsn(given);
  for (std::string line :
       {"From: Mail Delivery System <MAILER-DAEMON@mx.example.test>", "To: alice@example.test",
        "Date: Mon, 23 Nov 2026 00:00:00 +0000", "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0", "References: <orig@example.test>",
        "Message-ID: <0000000000007@mx.example.test>"}) {
    EXPECT_TRUE(has_line(dsn.header, line)) << line << "\n" << dsn.header;
  }
  EXPECT_TRUE(dsn.header.ends_with("\r\n\r\n"));
  EXPECT_NE(dsn.header.find("multipart/report; report-type=delivery-status;"), std::string::npos);
  for (std::string line :
       {"Content-Type: message/delivery-status", "Reporting-MTA: dns; mx.example.test",
        "Original-Envelope-Id: E+1", "Arrival-Date: Sun, 22 Nov 2026 22:00:00 +0000",
        "Original-Recipient: rfc822; orig+@bounce.test", "Final-Recipient: rfc822; x@bounce.test",
        "Action: failed", "Status: 5.1.1", "Remote-MTA: dns; mx.bounce.test",
        "Diagnostic-Code: smtp; 550 5.1.1 no such user",
        "Last-Attempt-Date: Mon, 23 Nov 2026 00:00:00 +0000", "Content-Type: message/rfc822",
        "X-Mark: keep", "SECRETBODY"}) {
    EXPECT_TRUE(has_line(dsn.body, line)) << line << "\n" << dsn.body;
  }
  EXPECT_NE(dsn.body.find("There is no such mailbox"), std::string::npos);
  EXPECT_NE(dsn.body.find("Na serwerze adresata nie ma takiej skrzynki."), std::string::npos);
  EXPECT_TRUE(is_ascii(dsn.header + dsn.body));
  EXPECT_FALSE(dsn.smtputf8);
  for (auto line : split(dsn.header + dsn.body, '\n')) EXPECT_LE(line.size(), 79u) << line;
}

TEST(Dsn, RetHdrsReturnsNoBody) {
  auto given = facts();
  given.original.sender.ret = DsnReturn::headers;
  const auto dsn = compose_dsn(given);
  EXPECT_TRUE(has_line(dsn.body, "Content-Type: text/rfc822-headers"));
  EXPECT_TRUE(has_line(dsn.body, "X-Mark: keep"));
  EXPECT_EQ(dsn.body.find("SECRETBODY"), std::string::npos);
}

TEST(Dsn, OnlyAFailureReturnsTheBody) {
  for (auto action :
       {DsnAction::delayed, DsnAction::delivered, DsnAction::relayed, DsnAction::expanded}) {
    auto given = facts();
    given.original.sender.ret = DsnReturn::full;
    given.recipients[0].action = action;
    EXPECT_EQ(compose_dsn(given).body.find("SECRETBODY"), std::string::npos);
  }
}

TEST(Dsn, StatusAgreesWithTheAction) {
  struct Case {
    DsnAction action;
    RecipientState state;
    Reply reply;
    std::string action_line, status_line;
  };
  const Case cases[] = {
      {DsnAction::delayed, RecipientState::queued, Reply(451, {4, 3, 0}, "later"),
       "Action: delayed", "Status: 4.3.0"},
      {DsnAction::delayed, RecipientState::queued, Reply(0, {}, "timeout"), "Action: delayed",
       "Status: 4.0.0"},
      {DsnAction::delivered, RecipientState::delivered, Reply(250, {}, "ok"), "Action: delivered",
       "Status: 2.0.0"},
      {DsnAction::relayed, RecipientState::relayed, Reply(250, {2, 1, 5}, "ok"), "Action: relayed",
       "Status: 2.1.5"},
      {DsnAction::failed, RecipientState::failed, Reply(550, {}, "no"), "Action: failed",
       "Status: 5.0.0"},
      {DsnAction::failed, RecipientState::expired, Reply(451, {4, 3, 0}, "later"), "Action: failed",
       "Status: 5.4.7"},
  };
  for (const auto& one : cases) {
    auto given = facts();
    given.recipients[0].action = one.action;
    given.recipients[0].recipient.state = one.state;
    given.recipients[0].reply = one.reply;
    given.recipients[0].will_retry_until = given.at + std::chrono::days(5);
    const auto dsn = compose_dsn(given);
    EXPECT_TRUE(has_line(dsn.body, one.action_line)) << dsn.body;
    EXPECT_TRUE(has_line(dsn.body, one.status_line)) << dsn.body;
    EXPECT_EQ(has_line(dsn.body, "Will-Retry-Until: Sat, 28 Nov 2026 00:00:00 +0000"),
              one.action == DsnAction::delayed);
  }
}

// The report's own view of itself: the types of its three parts and the fields of the second.
struct Parts {
  std::vector<std::string> bodies;
};
Parts parts_of(const ComposedMessage& dsn) {
  const auto begin = dsn.header.find("boundary=\"") + 10;
  const auto boundary = "--" + dsn.header.substr(begin, dsn.header.find('"', begin) - begin);
  Parts parts;
  std::string body = "\r\n" + dsn.body;
  std::size_t at = body.find("\r\n" + boundary);
  while (at != std::string::npos) {
    const auto next = body.find("\r\n" + boundary, at + 2);
    if (next != std::string::npos) {
      parts.bodies.push_back(
          body.substr(at + boundary.size() + 4, next - at - boundary.size() - 4));
    }
    at = next;
  }
  return parts;
}

TEST(Dsn, APeersTextAddsNoFieldNoRecipientAndNoPart) {
  for (std::string evil : {"x\r\n\r\nFinal-Recipient: rfc822; victim@x.test",
                           "a\nAction: delivered", "\r\n--=_0000000000007_0--", "\xFF\xFE\x00\x01",
                           "\r\nContent-Type: text/html\r\n\r\n<script>"}) {
    auto given = facts();
    given.recipients[0].reply.lines = {evil, evil};
    given.recipients[0].remote_host = evil;
    given.recipients[0].recipient.recipient.original_recipient =
        "rfc822;a+0D+0AAction:+20delivered";
    given.original.sender.envelope_id = "a+0D+0AEvil:+20x";
    given.original.message_id = "a>\r\nBcc: x@y";
    given.original.content.header = "Subject: x\r\n\r\n--=_0000000000007_0\r\n\r\n";
    given.original_body =
        "--=_0000000000007_0\r\nContent-Type: "
        "text/plain\r\n\r\nforged\r\n--=_0000000000007_0--\r\n";
    const auto dsn = compose_dsn(given);
    const auto parts = parts_of(dsn);
    ASSERT_EQ(parts.bodies.size(), 3u) << evil << dsn.body;
    const auto& status = parts.bodies[1];
    EXPECT_EQ(std::count(status.begin(), status.end(), '\r'),
              std::count(status.begin(), status.end(), '\n'));
    EXPECT_FALSE(has_line(status, "Action: delivered"));
    EXPECT_EQ(status.find("\r\nFinal-Recipient:"), status.rfind("\r\nFinal-Recipient:"));
    EXPECT_EQ(status.find("Original-Recipient"), std::string::npos);
    EXPECT_EQ(status.find("Original-Envelope-Id"), std::string::npos);
    EXPECT_EQ(dsn.header.find("Bcc"), std::string::npos);
    EXPECT_EQ(scan_header(dsn.header, {}).value().malformed, false);
  }
}

TEST(Dsn, AnEightBitOriginalIsDeclaredSo) {
  auto given = facts();
  given.original_body = "za\xC5\xBC\xC3\xB3\xC5\x82\xC4\x87\r\n";
  const auto dsn = compose_dsn(given);
  EXPECT_TRUE(has_line(dsn.header, "Content-Transfer-Encoding: 8bit"));
  EXPECT_TRUE(has_line(parts_of(dsn).bodies.at(2), "Content-Transfer-Encoding: 8bit"));
  given.original.sender.ret = DsnReturn::headers;
  given.original.content.header = "Subject: \xC5\xBC\r\n\r\n";
  const auto headers_only = compose_dsn(given);
  EXPECT_TRUE(is_ascii(headers_only.header + headers_only.body));
  EXPECT_TRUE(has_line(headers_only.body, "Subject: =C5=BC"));
  EXPECT_FALSE(headers_only.smtputf8);
}

TEST(Dsn, AUtf8AddressMakesAGlobalReport) {
  auto given = facts();
  given.original.sender.smtputf8 = true;
  given.original.content.header = "Subject: \xC5\xBC\r\n\r\n";
  auto& recipient = given.recipients[0].recipient.recipient;
  recipient.address = Address::parse(
                          "d\xC3\xB6rte@b\xC3\xBC"
                          "cher.test")
                          .value();
  recipient.original_recipient = "utf-8;d\\x{F6}rte@remote.test";
  const auto dsn = compose_dsn(given);
  EXPECT_TRUE(dsn.smtputf8);
  for (std::string line :
       {"Content-Type: message/global-delivery-status", "Content-Type: message/global",
        "Final-Recipient: utf-8; d\xC3\xB6rte@b\xC3\xBC"
        "cher.test",
        "Original-Recipient: utf-8; d\xC3\xB6rte@remote.test"}) {
    EXPECT_TRUE(has_line(dsn.body, line)) << line << "\n" << dsn.body;
  }
}

TEST(Dsn, AnAsciiReportWritesUtf8AddressesInAscii) {
  auto given = facts();
  auto& recipient = given.recipients[0].recipient.recipient;
  recipient.address = Address::parse("d\xC3\xB6rte@remote.test").value();
  const auto dsn = compose_dsn(given);
  EXPECT_FALSE(dsn.smtputf8);
  EXPECT_TRUE(has_line(dsn.body, "Final-Recipient: utf-8; d\\x{F6}rte@remote.test")) << dsn.body;
}

}  // namespace
}  // namespace goniec
