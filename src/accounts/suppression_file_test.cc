// Lists of other services are read: whose they are, and what each row means.
#include "accounts/suppression_file.h"

#include <gtest/gtest.h>

namespace goniec::test {
namespace {

SuppressionFile read(std::string_view text) {
  auto file = read_suppression_file(text);
  EXPECT_TRUE(file.has_value()) << (file ? "" : file.error().message);
  return file ? std::move(*file) : SuppressionFile();
}

TEST(SuppressionFile, EachServiceIsKnownByItsColumns) {
  using enum SuppressionReason;
  struct Case {
    std::string_view text, format, address;
    std::optional<SuppressionReason> reason;
    std::string_view reply;
  };
  const Case cases[] = {
      {"email,stream,reason,origin,created_at,event_id\r\na@b.pl,bulk,complained,api,,\r\n",
       "goniec", "a@b.pl", complained, ""},
      {"EmailAddress,SuppressionReason,Origin,CreatedAt\na@b.pl,HardBounce,Recipient,"
       "2026-01-31T12:00:00Z\n",
       "postmark", "a@b.pl", bad_mailbox, ""},
      {"EmailAddress;SuppressionReason;Origin\na@b.pl;ManualSuppression;Recipient\n", "postmark",
       "a@b.pl", unsubscribed, ""},
      {"EmailAddress,SuppressionReason,Origin\na@b.pl,ManualSuppression,Customer\n", "postmark",
       "a@b.pl", manual, ""},
      {"status,reason,email,created\n5.1.1,550 5.1.1 no such user,a@b.pl,1700000000\n", "sendgrid",
       "a@b.pl", std::nullopt, "550 5.1.1 no such user"},
      {"email,created,ip\na@b.pl,1700000000,192.0.2.1\n", "sendgrid", "a@b.pl", complained, ""},
      {"address,code,error,created_at\na@b.pl,552,mailbox full,\"Fri, 21 Oct 2011 11:02:55 UTC\"\n",
       "mailgun", "a@b.pl", std::nullopt, "552 mailbox full"},
      {"address,tags,created_at\na@b.pl,*,\n", "mailgun", "a@b.pl", unsubscribed, ""},
      {"email\na@b.pl\n", "list", "a@b.pl", std::nullopt, ""},
      {"a@b.pl\n", "list", "a@b.pl", std::nullopt, ""},
  };
  for (const Case& each : cases) {
    const auto file = read(each.text);
    EXPECT_EQ(file.format, each.format) << each.text;
    ASSERT_EQ(file.rows.size(), 1u) << each.text;
    EXPECT_EQ(file.rows[0].address.text(), each.address);
    EXPECT_EQ(file.rows[0].reason, each.reason) << each.text;
    EXPECT_EQ(file.rows[0].reply, each.reply) << each.text;
  }
}

TEST(SuppressionFile, TimesAreReadInTheSpellingsOfEach) {
  const Instant wanted = *parse_rfc3339("2023-11-14T22:13:20Z");
  for (const char* text :
       {"1700000000", "2023-11-14T22:13:20Z", "2023-11-14 22:13:20", "2023-11-14 22:13:20 UTC"})
    EXPECT_EQ(read(std::string("email,created,ip\na@b.pl,") + text + ",\n").rows[0].created, wanted)
        << text;
}

TEST(SuppressionFile, ABrokenRowIsNamedAndTheOthersAreTaken) {
  const auto file = read("email\na@b.pl\nnobody\nc@d.pl\n");
  EXPECT_EQ(file.rows.size(), 2u);
  EXPECT_EQ(file.rows[1].line, 4u);
  ASSERT_EQ(file.problems.size(), 1u);
  EXPECT_NE(file.problems[0].find("line 3"), std::string::npos);
  EXPECT_FALSE(read_suppression_file("").has_value());
  EXPECT_FALSE(read_suppression_file("name,city\nAnna,Gdynia\n").has_value());
}

}  // namespace
}  // namespace goniec::test
