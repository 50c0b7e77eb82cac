// The header scanner, unfolding and message ids.
#include "mail/header.h"

#include <gtest/gtest.h>

namespace goniec {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

struct Case {
  std::string block;
  Fields fields;
  std::string body;
  bool malformed = false;
};

TEST(Header, EndsAtTheEmptyLineTheEndOrALineThatIsNoField) {
  const Case cases[] = {
      {"A: 1\r\nB:2\r\n\r\nbody", {{"A", " 1"}, {"B", "2"}}, "body"},
      {"A: 1\r\n 2\r\n\t3\r\nB:\r\n\r\n", {{"A", " 1\r\n 2\r\n\t3"}, {"B", ""}}, ""},
      {"A: 1\r\n \r\n\r\nx", {{"A", " 1\r\n "}}, "x"},
      {"A: 1", {{"A", " 1"}}, ""},
      {"\r\nbody", {}, "body"},
      {"", {}, ""},
      {"A : 1\r\n\r\n", {{"A", " 1"}}, ""},
      {"A: 1\nB: 2\n\nbody", {{"A", " 1"}, {"B", " 2"}}, "body"},
      {"A: 1\r\nno field\r\nB: 2\r\n\r\n", {{"A", " 1"}}, "no field\r\nB: 2\r\n\r\n", true},
      {" A: 1\r\n\r\n", {}, " A: 1\r\n\r\n", true},
      {": 1\r\n\r\n", {}, ": 1\r\n\r\n", true},
      {"From a@b.test Mon 10:00\r\nA: 1\r\n", {}, "From a@b.test Mon 10:00\r\nA: 1\r\n", true},
      {"A\x01: 1\r\n\r\n", {}, "A\x01: 1\r\n\r\n", true},
      {"\xC3\xB3: 1\r\n\r\n", {}, "\xC3\xB3: 1\r\n\r\n", true},
  };
  for (const auto& one : cases) {
    const auto header = scan_header(one.block, {});
    ASSERT_TRUE(header);
    Fields fields;
    std::string whole;
    for (const auto& field : header->fields) {
      fields.emplace_back(field.name, field.value);
      whole += field.whole;
    }
    EXPECT_EQ(fields, one.fields) << one.block;
    EXPECT_EQ(one.block.substr(header->body_offset), one.body);
    EXPECT_EQ(header->malformed, one.malformed) << one.block;
    EXPECT_TRUE(one.block.starts_with(whole));
  }
}

TEST(Header, KeepsItsLimits) {
  const HeaderLimits limits{.block_octets = 20, .fields = 3};
  EXPECT_TRUE(scan_header("A:\r\nA:\r\nA:\r\n\r\n", limits));
  EXPECT_FALSE(scan_header("A:\r\nA:\r\nA:\r\nA:\r\n\r\n", limits));
  EXPECT_TRUE(scan_header("A: 9012345678901\r\n\r\n", limits));
  EXPECT_FALSE(scan_header("A: 90123456789012345\r\n\r\n", limits));
  EXPECT_TRUE(
      scan_header("A: 1\r\n\r\n" + std::string(100, 'x'), limits));  // the body does not count
}

TEST(Header, FieldsAreFoundInAnyCase) {
  const auto header = scan_header("From: a\r\nRECEIVED: b\r\nreceived: c\r\n\r\n", {}).value();
  EXPECT_EQ(find_field(header, "Received")->value, " b");
  EXPECT_EQ(count_fields(header, "Received"), 2u);
  EXPECT_EQ(find_field(header, "To"), nullptr);
}

TEST(Header, UnfoldingTakesLineEndsAway) {
  EXPECT_EQ(unfold(" a\r\n b\r\n\tc "), "a b\tc");
  EXPECT_EQ(unfold(""), "");
}

TEST(Header, MessageIdIsWhatStandsInBrackets) {
  EXPECT_EQ(message_id_of(" <a.b@c>"), "a.b@c");
  EXPECT_EQ(message_id_of(" x <a@b> <c@d>"), "a@b");
  EXPECT_EQ(message_id_of("\r\n <long\r\n @b>"), "long@b");
  for (std::string_view none : {"", "a@b", "<a@b", "<a\x01@b>", "<a\xFF@b>", ">a<"}) {
    EXPECT_EQ(message_id_of(none), "") << none;
  }
}

}  // namespace
}  // namespace goniec
