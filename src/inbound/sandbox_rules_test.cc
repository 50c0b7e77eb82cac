// The magic recipients: what each is told, and what it sends back.
#include "inbound/sandbox_rules.h"

#include <gtest/gtest.h>

#include "mail/returned_mail.h"

namespace goniec::test {
namespace {

Address address(std::string_view text) {
  return *Address::parse(text);
}

const Domain sandbox = *Domain::parse("sandbox.goniec.test");
const Instant now = *parse_rfc3339("2026-01-31T12:00:00Z");

TEST(SandboxRules, EachMagicNameHasItsAnswer) {
  SandboxRules rules(sandbox, {});
  const auto ask = [&](std::string local) {
    return rules.answer(address("a@b.pl"), address(local + "@sandbox.goniec.test"), now);
  };
  const std::pair<const char*, int> at_rcpt[] = {
      {"hard", 550},    {"Hard+tag", 550}, {"soft", 452},  {"mailboxfull", 550},
      {"blocked", 554}, {"anna", 250},     {"harder", 250}};
  for (const auto& [name, code] : at_rcpt) EXPECT_EQ(ask(name).at_rcpt.code, code) << name;
  EXPECT_EQ(ask("spam").at_end.code, 550);
  EXPECT_EQ(ask("toobig").at_end.code, 552);
  EXPECT_GT(ask("slow").wait, Duration::zero());
  EXPECT_EQ(ask("complaint").sequel, SandboxSequel::complaint);
  EXPECT_EQ(ask("ooo").sequel, SandboxSequel::auto_reply);
  EXPECT_EQ(ask("latebounce").sequel, SandboxSequel::late_bounce);
  EXPECT_EQ(rules.answer(address("a@b.pl"), address("hard@wp.pl"), now).at_rcpt.code, 250);
}

TEST(SandboxRules, GreylistingLastsForOneTryAndRatesForTheirTime) {
  SandboxRules rules(sandbox, {});
  const Address grey = address("greylist@sandbox.goniec.test");
  EXPECT_EQ(rules.answer(address("a@b.pl"), grey, now).at_rcpt.code, 451);
  EXPECT_EQ(rules.answer(address("a@b.pl"), grey, now).at_rcpt.code, 250);
  EXPECT_EQ(rules.answer(address("c@b.pl"), grey, now).at_rcpt.code, 451);
  const Address rate = address("ratelimit@sandbox.goniec.test");
  const int codes[] = {250, 250, 421};
  for (const int code : codes)
    EXPECT_EQ(rules.answer(address("a@b.pl"), rate, now).at_rcpt.code, code);
  EXPECT_EQ(rules.answer(address("a@b.pl"), rate, now + std::chrono::minutes(1)).at_rcpt.code, 250);
}

TEST(SandboxRules, WhatIsSentBackIsReadAsThatOfOthers) {
  const SandboxSequelFacts facts{address("shop@b.pl"),
                                 address("latebounce@sandbox.goniec.test"),
                                 "Subject: x\r\nMessage-ID: <1@b.pl>\r\n\r\nbody\r\n",
                                 "m.b.pl",
                                 "seed",
                                 now};
  const std::string notification = sandbox_notification(facts);
  EXPECT_EQ(report_type_of(notification), "delivery-status");
  const auto report = read_returned_mail(notification);
  EXPECT_EQ(report.kind, ReturnedKind::delivery_report);
  ASSERT_EQ(report.recipients.size(), 1u);
  EXPECT_EQ(report.recipients[0].address, facts.recipient.text());
  EXPECT_EQ(report.recipients[0].reply.enhanced.text(), "5.1.1");
  const std::string complaint = sandbox_complaint(facts);
  EXPECT_EQ(report_type_of(complaint), "feedback-report");
  EXPECT_NE(complaint.find("Feedback-Type: abuse"), std::string::npos);
  EXPECT_NE(complaint.find("Message-ID: <1@b.pl>"), std::string::npos);
  EXPECT_EQ(complaint.find("body\r\n--"), std::string::npos);
  EXPECT_NE(sandbox_auto_reply(facts).find("Auto-Submitted: auto-replied"), std::string::npos);
}

}  // namespace
}  // namespace goniec::test
