// Trace fields: their protocol names, their folding, and that no peer writes into them.
#include "mail/trace.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "mail/header.h"

namespace goniec {
namespace {

ReceivedFacts facts() {
  ReceivedFacts facts;
  facts.caller.remote = {*IpAddress::parse("192.0.2.7"), 4000};
  facts.transaction.helo = "client.example";
  facts.transaction.extended = true;
  facts.transaction.recipients.push_back({Address::parse("user@example.test").value(), {}, {}});
  facts.hostname = "mx.example.test";
  facts.id = MessageId{1};
  facts.at = Instant(std::chrono::sys_days(std::chrono::year(2026) / 11 / 23));
  return facts;
}

TEST(Received, SaysFromByWithIdForAndWhen) {
  EXPECT_EQ(received_field(facts()),
            "Received: from client.example ([192.0.2.7])\r\n"
            "\tby mx.example.test with ESMTP id 0000000000001\r\n"
            "\tfor <user@example.test>; Mon, 23 Nov 2026 00:00:00 +0000\r\n");
}

TEST(Received, ForIsLeftOutWithSeveralRecipients) {
  auto many = facts();
  many.transaction.recipients.push_back({Address::parse("hidden@example.test").value(), {}, {}});
  EXPECT_EQ(received_field(many).find("for"), std::string::npos);
  EXPECT_EQ(received_field(many).find("hidden"), std::string::npos);
}

TEST(Received, ProtocolFollowsRfc3848AndRfc6531) {
  const auto with = [](const ReceivedFacts& facts) {
    const auto field = received_field(facts);
    const auto begin = field.find("with ") + 5;
    return field.substr(begin, field.find(' ', begin) - begin);
  };
  auto f = facts();
  f.transaction.extended = false;
  EXPECT_EQ(with(f), "SMTP");
  f.transaction.extended = true;
  f.caller.tls = TlsFacts{.version = "TLSv1.3", .cipher = "TLS_AES_256_GCM_SHA384"};
  EXPECT_EQ(with(f), "ESMTPS");
  EXPECT_NE(received_field(f).find("\ttls TLS_AES_256_GCM_SHA384;"), std::string::npos);
  f.transaction.login = Login{};
  EXPECT_EQ(with(f), "ESMTPSA");
  f.transaction.sender.smtputf8 = true;
  EXPECT_EQ(with(f), "UTF8SMTPSA");
  f.caller.listener = ListenerKind::lmtp;
  EXPECT_EQ(with(f), "UTF8LMTPSA");
  f.transaction.sender.smtputf8 = false;
  f.transaction.login.reset();
  f.caller.tls.reset();
  EXPECT_EQ(with(f), "LMTP");
}

TEST(Received, APeersNameCannotAddAnything) {
  for (std::string helo : {"a\r\nBcc: x@y", "a) ; by evil (", "\xC3\xB3\xFF", "", "a b"}) {
    auto f = facts();
    f.transaction.helo = helo;
    const auto field = received_field(f);
    const auto block = scan_header(field + "\r\n", {}).value();
    ASSERT_EQ(block.fields.size(), 1u);
    EXPECT_TRUE(is_ascii(field));
    EXPECT_EQ(std::count(field.begin(), field.end(), ';'), 1);
    EXPECT_EQ(std::count(field.begin(), field.end(), '('), 1);
  }
}

TEST(Received, LongNamesAreFoldedAt78Columns) {
  auto f = facts();
  f.transaction.helo = std::string(50, 'h') + ".example";
  f.caller.remote.address = *IpAddress::parse("2001:db8:1111:2222:3333:4444:5555:6666");
  f.hostname = std::string(60, 'm') + ".test";
  for (auto line : split(received_field(f), '\n')) EXPECT_LE(line.size(), 79u) << line;
  EXPECT_NE(received_field(f).find("([IPv6:2001:db8:1111:2222:3333:4444:5555:6666])"),
            std::string::npos);
}

TEST(Trace, FieldsOfFinalDelivery) {
  EXPECT_EQ(return_path_field({}), "Return-Path: <>\r\n");
  EXPECT_EQ(return_path_field(Address::parse("a@b.test").value()), "Return-Path: <a@b.test>\r\n");
  EXPECT_EQ(delivered_to_field(Address::parse("\"a b\"@b.test").value()),
            "Delivered-To: \"a b\"@b.test\r\n");
  EXPECT_EQ(received_field_local("h.test", 33, MessageId{1}, Instant{}),
            "Received: by h.test (Goniec, from userid 33)\r\n"
            "\tid 0000000000001; Thu, 01 Jan 1970 00:00:00 +0000\r\n");
}

}  // namespace
}  // namespace goniec
