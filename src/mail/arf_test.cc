// Feedback reports: fields, whose message it was, and what is none.
#include "mail/arf.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace goniec {
namespace {

const std::string complaint =
    "From: <abuse@provider.test>\r\nTo: fbl@example.test\r\nSubject: FW: offer\r\n"
    "MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=feedback-report;\r\n"
    "\tboundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nA complaint.\r\n"
    "--b\r\nContent-Type: message/feedback-report\r\n\r\n"
    "Feedback-Type: abuse\r\nUser-Agent: Provider/1\r\nVersion: 1\r\n"
    "Original-Mail-From: <news@example.test>\r\nOriginal-Rcpt-To: <jan@provider.test>\r\n"
    "Arrival-Date: Mon, 23 Nov 2026 10:00:00 +0100\r\nSource-IP: 192.0.2.7 (mx.example.test)\r\n"
    "Reported-Domain: example.test\r\nReported-Uri: http://example.test/a\r\n"
    "Authentication-Results: mx.provider.test;\r\n\tspf=pass\r\n\r\n"
    "--b\r\nContent-Type: message/rfc822\r\n\r\n"
    "Received: from a.test by mx.provider.test with ESMTP id XYZ; Mon, 23 Nov 2026 09:00:02 "
    "+0000\r\n"
    "Received: from [192.0.2.9] by mx.example.test (Goniec) with ESMTPSA\r\n"
    "\tid A1B2C3D4E5F6; Mon, 23 Nov 2026 09:00:00 +0000\r\n"
    "Message-ID: <offer@example.test>\r\n\r\nBuy!\r\n--b--\r\n";

TEST(FeedbackReport, its_fields_and_the_message_it_is_about_are_found) {
  const auto report = read_feedback_report(complaint);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->type, FeedbackType::abuse);
  EXPECT_EQ(report->user_agent, "Provider/1");
  EXPECT_EQ(report->source_ip, "192.0.2.7");
  EXPECT_EQ(report->recipient(), "jan@provider.test");
  EXPECT_EQ(report->message_id, "offer@example.test");
  ASSERT_EQ(report->authentication_results.size(), 1u);
  EXPECT_EQ(report->reported_uris, std::vector<std::string>{"http://example.test/a"});
  ASSERT_TRUE(report->arrival);
  EXPECT_EQ(to_rfc3339(*report->arrival), "2026-11-23T09:00:00.000Z");
}

TEST(FeedbackReport, only_our_own_received_fields_name_a_queue_id) {
  const auto report = read_feedback_report(complaint);
  ASSERT_TRUE(report);
  EXPECT_EQ(queue_ids_in(report->returned_header, "mx.example.test"),
            std::vector<std::string>{"A1B2C3D4E5F6"});
  EXPECT_TRUE(queue_ids_in(report->returned_header, "example.test").empty());
}

TEST(FeedbackReport, who_asks_to_be_removed_comes_before_who_is_named) {
  const auto report = parse_feedback_fields(
      "Feedback-Type: abuse\r\nOriginal-Rcpt-To: a@b.test\r\nRemoval-Recipient: c@d.test\r\n");
  ASSERT_TRUE(report);
  EXPECT_EQ(report->recipient(), "c@d.test");
  EXPECT_EQ(
      parse_feedback_fields("Feedback-Type: abuse\r\nOriginal-Rcpt-To: redacted\r\n")->recipient(),
      "");
}

TEST(FeedbackReport, what_has_no_type_is_none) {
  EXPECT_FALSE(read_feedback_report("Subject: x\r\n\r\nFeedback-Type: abuse\r\n"));
  EXPECT_FALSE(parse_feedback_fields("Version: 1\r\n"));
  EXPECT_FALSE(parse_feedback_fields(""));
}

}  // namespace
}  // namespace goniec
