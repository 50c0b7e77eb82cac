// Replies in and out of text.
#include "mail/reply.h"

#include <gtest/gtest.h>

namespace goniec {
namespace {

TEST(Reply, RepeatsTheEnhancedCodeOnEachLine) {
  const Reply reply(550, {5, 1, 1}, "no such user\nask the postmaster");
  EXPECT_EQ(reply.wire(), "550-5.1.1 no such user\r\n550 5.1.1 ask the postmaster\r\n");
  EXPECT_EQ(reply.wire(false), "550-no such user\r\n550 ask the postmaster\r\n");
  EXPECT_EQ(reply.one_line(), "550 5.1.1 no such user ask the postmaster");
}

TEST(Reply, IntermediateAndEmptyRepliesAreInGrammar) {
  EXPECT_EQ(Reply(354, {2, 0, 0}, "go on").wire(), "354 go on\r\n");
  EXPECT_EQ(Reply(250, {2, 0, 0}, "").wire(), "250 2.0.0\r\n");
  EXPECT_EQ(Reply(250, {}, "").wire(), "250 \r\n");
}

TEST(Reply, TextCannotAddALineOrExceedOne) {
  Reply reply(250, {}, "x");
  reply.lines = {"a\r\n550 b", std::string(600, 'c'), "z\xC3\xB3\xFF"};
  const auto wire = reply.wire(true, false);
  EXPECT_TRUE(wire.starts_with("250-a??550 b\r\n250-ccc"));
  EXPECT_EQ(wire.size(), 14u + 512u + 9u);
  EXPECT_TRUE(wire.ends_with("250 z??\r\n"));
  EXPECT_TRUE(reply.wire(true, true).ends_with("250 z\xC3\xB3?\r\n"));
}

TEST(Reply, AUtf8CharacterIsNotCutInHalf) {
  Reply reply(250, {}, "");
  reply.lines[0] = std::string(505, 'a') + "\xC3\xB3";
  EXPECT_EQ(reply.wire(false, true), "250 " + std::string(505, 'a') + "\r\n");
}

TEST(Reply, OneLineIsReadBack) {
  for (std::string_view text : {"550 5.1.1 no such user", "421 4.3.2 busy", "250 ok",
                                "connection lost", "550", "250 2.0.0", "999 strange", "2500 x"}) {
    EXPECT_EQ(Reply::from_one_line(text).one_line(), text);
  }
  const auto reply = Reply::from_one_line("452 4.2.2 mailbox full");
  EXPECT_EQ(reply.code, 452);
  EXPECT_EQ(reply.enhanced, (EnhancedCode{4, 2, 2}));
  EXPECT_EQ(reply.lines.at(0), "mailbox full");
  EXPECT_TRUE(reply.is_transient());
  EXPECT_TRUE(Reply::from_one_line("timeout").is_transient());
}

TEST(EnhancedCode, IsTakenOnlyWhenItIsOne) {
  struct Case {
    std::string_view text, code, rest;
  };
  const Case cases[] = {
      {"5.1.1 x", "5.1.1", "x"},
      {"2.0.0", "2.0.0", ""},
      {"4.7.32 y", "4.7.32", "y"},
      {"5.1.1x", "", "5.1.1x"},
      {"3.1.1 x", "", "3.1.1 x"},
      {"5.1 x", "", "5.1 x"},
      {"5.1.1.1", "", "5.1.1.1"},
      {"5.1.1234 x", "", "5.1.1234 x"},
      {"", "", ""},
      {"192.0.2.1 x", "", "192.0.2.1 x"},
      {"5..1 x", "", "5..1 x"},
  };
  for (const auto& one : cases) {
    auto text = one.text;
    EXPECT_EQ(EnhancedCode::parse_prefix(text).text(), one.code);
    EXPECT_EQ(text, one.rest);
  }
}

}  // namespace
}  // namespace goniec
