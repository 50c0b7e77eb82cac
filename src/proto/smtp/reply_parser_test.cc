// What servers answer, whole and in pieces: tables of octets and the Reply they mean.
#include "proto/smtp/reply_parser.h"

#include <gtest/gtest.h>

namespace goniec::smtp {
namespace {

struct Reading {
  std::vector<std::string> replies;  // "code|enhanced|line|line"
  std::string error;
};

std::string show(const Reply& reply) {
  std::string text = std::to_string(reply.code) + "|" + reply.enhanced.text();
  for (const auto& line : reply.lines) text += "|" + line;
  return text;
}

Reading read(std::string_view bytes, std::size_t piece, ReplyLimits limits = {}) {
  ReplyParser parser(limits);
  Reading reading;
  while (true) {
    auto reply = parser.take();
    if (!reply) {
      reading.error = reply.error().message;
      return reading;
    }
    if (*reply) {
      reading.replies.push_back(show(**reply));
    } else if (bytes.empty()) {
      return reading;
    } else {
      parser.receive(bytes.substr(0, piece));
      bytes.remove_prefix(std::min(piece, bytes.size()));
    }
  }
}

struct Case {
  std::string_view bytes;
  std::vector<std::string> replies;
  bool error = false;
};

const Case cases[] = {
    {"250 ok\r\n", {"250||ok"}},
    {"250 2.1.0 ok\r\n", {"250|2.1.0|ok"}},
    {"250\r\n", {"250||"}},
    {"250-\r\n250\r\n", {"250|||"}},
    {"250-a\r\n250-b\r\n250 c\r\n", {"250||a|b|c"}},
    {"250 lf only\n", {"250||lf only"}},
    {"250 two returns\r\r\n", {"250||two returns"}},
    {"220 a\r\n421 b\r\n", {"220||a", "421||b"}},
    {"550-5.1.1 no such\r\n550 5.1.1 user\r\n", {"550|5.1.1|no such|user"}},
    {"550-no such\r\n550 5.1.1 user\r\n", {"550|5.1.1|no such|user"}},
    {"250 5.1.1 class differs\r\n", {"250||5.1.1 class differs"}},
    {"550-a\r\n554 b\r\n", {"554||a|b"}},
    {"399 nobody defined it\r\n", {"399||nobody defined it"}},
    {std::string_view("250 a\0b\x1b[1m\xff\r\n", 14), {"250||a?b?[1m?"}},
    {"250 za\xc5\xbc\xc3\xb3\xc5\x82\xc4\x87\r\n", {"250||za\xc5\xbc\xc3\xb3\xc5\x82\xc4\x87"}},
    {"250 half", {}},
    {"25", {}},
    {"", {}},
    {"hello\r\n", {}, true},
    {"\r\n", {}, true},
    {"25\r\n", {}, true},
    {"2500 ok\r\n", {}, true},
    {"250_ok\r\n", {}, true},
    {"650 ok\r\n", {}, true},
    {"050 ok\r\n", {}, true},
    {"250-ok\r\n550 no\r\n", {}, true},
    {"250 ok\r\nHTTP/1.1 400\r\n", {"250||ok"}, true},
};

TEST(ReplyParser, ReadsEveryReplyTheSameForEverySplit) {
  for (const auto& expected : cases) {
    for (std::size_t piece : {1u, 2u, 3u, 7u, 1000u}) {
      const auto got = read(expected.bytes, piece);
      EXPECT_EQ(got.replies, expected.replies) << expected.bytes << " by " << piece;
      EXPECT_EQ(!got.error.empty(), expected.error) << expected.bytes << ": " << got.error;
    }
  }
}

TEST(ReplyParser, RefusesWhatIsBeyondItsLimits) {
  const ReplyLimits limits{.octets = 100, .lines = 5, .line_octets = 40};
  const std::string long_line = "250 " + std::string(50, 'x');
  std::string many_lines, many_octets;
  for (int i = 0; i < 6; ++i) many_lines += "250-a\r\n";
  for (int i = 0; i < 4; ++i) many_octets += "250-" + std::string(30, 'x') + "\r\n";
  for (std::size_t piece : {1u, 1000u}) {
    EXPECT_NE(read(long_line + "\r\n", piece, limits).error, "");
    EXPECT_NE(read(long_line, piece, limits).error, "") << "a line without end is not collected";
    EXPECT_NE(read(many_lines, piece, limits).error, "");
    EXPECT_NE(read(many_octets, piece, limits).error, "");
  }
}

TEST(ReplyParser, StaysBrokenOnceItWas) {
  ReplyParser parser;
  parser.receive("junk\r\n250 ok\r\n");
  EXPECT_FALSE(parser.take());
  EXPECT_FALSE(parser.take());
}

TEST(ReplyParser, DropForgetsAlsoHalfAReply) {
  ReplyParser parser;
  parser.receive("250-a\r\n250-b");
  EXPECT_FALSE(parser.take()->has_value());
  EXPECT_FALSE(parser.empty());
  parser.drop();
  EXPECT_TRUE(parser.empty());
  parser.receive("220 new\r\n");
  EXPECT_EQ(show(**parser.take()), "220||new");
}

}  // namespace
}  // namespace goniec::smtp
