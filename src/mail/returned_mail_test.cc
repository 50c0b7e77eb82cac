// Reports of other servers, with fields and without, become a verdict a recipient.
#include "mail/returned_mail.h"

#include <gtest/gtest.h>

#include "mail/dsn.h"

namespace goniec {
namespace {

const std::string report =
    "From: MAILER-DAEMON@mx.example.pl (Mail Delivery System)\r\n"
    "To: jan@example.test\r\nSubject: Undelivered Mail Returned to Sender\r\n"
    "MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status;\r\n"
    "\tboundary=\"b\"\r\n\r\n"
    "--b\r\nContent-Type: text/plain\r\n\r\n"
    "<ala@example.pl>: host mx.example.pl[192.0.2.1] said: 550 5.1.1 User unknown\r\n"
    "    (in reply to RCPT TO command)\r\n"
    "--b\r\nContent-Type: message/delivery-status\r\n\r\n"
    "Reporting-MTA: dns; relay.example.pl\r\n\r\n"
    "Final-Recipient: rfc822; ala@example.pl\r\nAction: failed\r\nStatus: 5.1.1\r\n"
    "Remote-MTA: dns; mx.example.pl\r\nDiagnostic-Code: smtp; 550 5.1.1 User\r\n unknown\r\n\r\n"
    "Original-Recipient: rfc822;ewa@example.pl\r\nFinal-Recipient: rfc822; ewa@example.pl\r\n"
    "Action: delayed\r\nStatus: 4.4.1\r\n\r\n"
    "--b\r\nContent-Type: message/rfc822\r\n\r\n"
    "Message-ID: <one@example.test>\r\nTo: ala@example.pl\r\n\r\nUser unknown, mailbox full\r\n"
    "--b--\r\n";

TEST(ReturnedMail, fields_of_a_report_are_read_for_each_recipient) {
  const auto mail = read_returned_mail(report);
  EXPECT_EQ(mail.kind, ReturnedKind::delivery_report);
  ASSERT_EQ(mail.recipients.size(), 2u);
  EXPECT_EQ(mail.recipients[0].address, "ala@example.pl");
  EXPECT_EQ(mail.recipients[0].action, "failed");
  EXPECT_EQ(mail.recipients[0].host, "mx.example.pl");
  EXPECT_EQ(mail.recipients[0].phase, "rcpt");
  EXPECT_EQ(mail.recipients[0].reply.code, 550);
  EXPECT_EQ(mail.recipients[0].reply.enhanced.text(), "5.1.1");
  EXPECT_EQ(mail.recipients[1].address, "ewa@example.pl");
  EXPECT_EQ(mail.recipients[1].action, "delayed");
  EXPECT_EQ(mail.recipients[1].reply.enhanced.text(), "4.4.1");
  EXPECT_EQ(mail.message_id, "one@example.test");
}

TEST(ReturnedMail, a_report_passes_whatever_its_line_ends_are) {
  for (const std::string_view end : {"\n", "\r"}) {
    std::string other;
    for (std::size_t at = 0; at < report.size(); ++at) {
      if (report[at] == '\r') continue;
      other += report[at] == '\n' ? std::string(end) : std::string(1, report[at]);
    }
    const auto mail = read_returned_mail(other);
    ASSERT_EQ(mail.recipients.size(), 2u);
    EXPECT_EQ(mail.recipients[0].reply.code, 550);
  }
}

TEST(ReturnedMail, a_text_without_fields_tells_who_and_why) {
  const auto mail = read_returned_mail(
      "From: Mail Delivery System <Mailer-Daemon@relay.example.pl>\r\nTo: jan@example.test\r\n"
      "Subject: Mail delivery failed: returning message to sender\r\n\r\n"
      "A message that you sent could not be delivered.\r\nThe following addresses failed:\r\n\r\n"
      "  ala@example.pl\r\n    SMTP error from remote mail server after RCPT "
      "TO:<ala@example.pl>:\r\n"
      "    host mx.example.pl [192.0.2.1]: 550 5.1.1 No such user\r\n\r\n"
      "  ewa@example.pl\r\n    mailbox is full: retry timeout exceeded\r\n\r\n"
      "------ This is a copy of the message, including all the headers. ------\r\n\r\n"
      "Return-path: <jan@example.test>\r\nMessage-ID: "
      "<two@example.test>\r\n\r\nspam@example.pl\r\n");
  EXPECT_EQ(mail.kind, ReturnedKind::delivery_report);
  ASSERT_EQ(mail.recipients.size(), 2u);
  EXPECT_EQ(mail.recipients[0].address, "ala@example.pl");
  EXPECT_EQ(mail.recipients[0].reply.code, 550);
  EXPECT_EQ(mail.recipients[0].phase, "rcpt");
  EXPECT_EQ(mail.recipients[1].address, "ewa@example.pl");
  EXPECT_EQ(mail.recipients[1].reply.code, 0);
  EXPECT_EQ(mail.message_id, "two@example.test");
}

TEST(ReturnedMail, what_is_no_report_is_not_taken_for_one) {
  const auto letter = read_returned_mail(
      "From: Ala <ala@example.pl>\r\nTo: jan@example.test\r\nSubject: lunch\r\n\r\n"
      "Did you hear? The user unknown to us, 550 people came.\r\n");
  EXPECT_EQ(letter.kind, ReturnedKind::other_mail);
  EXPECT_TRUE(letter.recipients.empty());
  const auto away = read_returned_mail(
      "From: Ala <ala@example.pl>\r\nAuto-Submitted: auto-replied\r\nSubject: Out of office\r\n\r\n"
      "I am away.\r\n");
  EXPECT_EQ(away.kind, ReturnedKind::auto_reply);
  EXPECT_EQ(read_returned_mail("").kind, ReturnedKind::other_mail);
}

TEST(ReturnedMail, our_own_notice_reads_back) {
  DsnFacts facts;
  facts.hostname = "mx.example.test";
  facts.id = MessageId{7};
  facts.original.id = MessageId{5};
  facts.original.sender.address = Address::parse("alice@example.test").value();
  facts.original.content.header =
      "From: alice@example.test\r\nMessage-ID: <o@example.test>\r\n\r\n";
  DsnRecipient recipient;
  recipient.recipient.recipient.address = Address::parse("x@bounce.test").value();
  recipient.reply = Reply(552, {5, 2, 2}, "quota");
  recipient.remote_host = "mx.bounce.test";
  recipient.hint = "bounce.mailbox_full";
  facts.recipients.push_back(recipient);
  const auto dsn = compose_dsn(facts);
  const auto mail = read_returned_mail(dsn.header + dsn.body);
  EXPECT_EQ(mail.kind, ReturnedKind::delivery_report);
  ASSERT_EQ(mail.recipients.size(), 1u);
  EXPECT_EQ(mail.recipients[0].address, "x@bounce.test");
  EXPECT_EQ(mail.recipients[0].reply.code, 552);
  EXPECT_EQ(mail.recipients[0].host, "mx.bounce.test");
  EXPECT_EQ(mail.message_id, "o@example.test");
}

TEST(ReturnedMail, who_reports_and_whom_the_sender_named_are_told) {
  const auto mail = read_returned_mail(report);
  EXPECT_EQ(mail.reporter, "relay.example.pl");
  ASSERT_EQ(mail.recipients.size(), 2u);
  EXPECT_EQ(mail.recipients[0].original, "");
  EXPECT_EQ(mail.recipients[1].original, "ewa@example.pl");
}

TEST(ReturnedMail, the_header_says_what_kind_of_report_it_is) {
  EXPECT_EQ(report_type_of(report), "delivery-status");
  EXPECT_EQ(report_type_of("Content-Type: multipart/report;\r\n report-type=feedback-report\r\n"
                           "\r\n"),
            "feedback-report");
  EXPECT_EQ(report_type_of("Content-Type: text/plain; report-type=feedback-report\r\n\r\n"), "");
  EXPECT_EQ(report_type_of("Subject: x\r\n\r\n"), "");
}

}  // namespace
}  // namespace goniec
