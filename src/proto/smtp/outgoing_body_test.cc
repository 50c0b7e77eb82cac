// Octets of any shape in, lines with CRLF out, for every split.
#include "proto/smtp/outgoing_body.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>

namespace goniec::smtp {
namespace {

using Framing = OutgoingBody::Framing;

using namespace std::literals;

std::string send(std::string_view content, Framing framing, std::size_t piece) {
  OutgoingBody body(framing);
  std::string out;
  for (; !content.empty(); content.remove_prefix(std::min(piece, content.size()))) {
    body.write(content.substr(0, piece), out);
  }
  body.finish(out);
  return out;
}

struct Case {
  std::string_view content, dots, plain;
};

const Case cases[] = {
    {"", "", ""},
    {"a\r\nb\r\n", "a\r\nb\r\n", "a\r\nb\r\n"},
    {"no end", "no end\r\n", "no end\r\n"},
    {".\r\n", "..\r\n", ".\r\n"},
    {"a\r\n.\r\nb\r\n..c\r\n", "a\r\n..\r\nb\r\n...c\r\n", "a\r\n.\r\nb\r\n..c\r\n"},
    {"a.b\r\n", "a.b\r\n", "a.b\r\n"},
    {"a\nb\n", "a\r\nb\r\n", "a\r\nb\r\n"},
    {"a\rb", "a\r\nb\r\n", "a\r\nb\r\n"},
    {"a\r", "a\r\n", "a\r\n"},
    {"\r\r\n", "\r\n\r\n", "\r\n\r\n"},
    {"\n.\n", "\r\n..\r\n", "\r\n.\r\n"},
    {"\r.\r", "\r\n..\r\n", "\r\n.\r\n"},
    {"a\r\n.\nb", "a\r\n..\r\nb\r\n", "a\r\n.\r\nb\r\n"},
    {"a\r\0\nb\0\r\n"sv, "a\r\nb\r\n", "a\r\nb\r\n"},
    {"\0.\r\n"sv, "..\r\n", ".\r\n"},
    {"\r\n\0.\r\n"sv, "\r\n..\r\n", "\r\n.\r\n"},
};

TEST(OutgoingBody, WritesTheSameForEverySplit) {
  for (const auto& expected : cases) {
    for (std::size_t piece : {1u, 2u, 3u, 4u, 100u}) {
      EXPECT_EQ(send(expected.content, Framing::dots, piece), expected.dots)
          << testing::PrintToString(expected.content) << " by " << piece;
      EXPECT_EQ(send(expected.content, Framing::plain, piece), expected.plain)
          << testing::PrintToString(expected.content) << " by " << piece;
    }
  }
}

TEST(OutgoingBody, NeverLetsABareLineEndOrALoneDotOut) {
  std::mt19937 chance(7);
  constexpr std::string_view alphabet = "a.\r\n\0"sv;
  for (int round = 0; round < 3000; ++round) {
    std::string content;
    for (auto length = chance() % 30; length > 0; --length) {
      content += alphabet[chance() % alphabet.size()];
    }
    const auto whole = send(content, Framing::dots, 1000);
    EXPECT_EQ(whole, send(content, Framing::dots, 1 + chance() % 5));
    EXPECT_EQ(whole.find('\0'), std::string::npos);
    EXPECT_FALSE(("\r\n" + whole).contains("\r\n.\r\n"));
    for (std::size_t i = 0; i < whole.size(); ++i) {
      if (whole[i] == '\n') EXPECT_TRUE(i > 0 && whole[i - 1] == '\r');
      if (whole[i] == '\r') EXPECT_TRUE(i + 1 < whole.size() && whole[i + 1] == '\n');
    }
  }
}

TEST(OutgoingBody, RepairsAMillionBareReturnsInLinearWork) {
  // Quadratic work here would take minutes; the limit is far above what a slow machine needs.
  const auto begin = std::chrono::steady_clock::now();
  const std::string content(1'000'000, '\r');
  EXPECT_EQ(send(content, Framing::dots, 65536).size(), 2'000'000u);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

}  // namespace
}  // namespace goniec::smtp
