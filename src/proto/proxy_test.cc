// Tests of the PROXY parser on the vectors of tests/data/proxy, whole and cut octet by octet.
#include "proto/proxy.h"

#include <gtest/gtest.h>

#include "proto/vector_files.h"

namespace goniec {
namespace {

struct Verdict {
  ProxyParser::State state = ProxyParser::State::more;
  std::size_t consumed = 0;
  ProxyHeader header;
};

Verdict parse(std::string_view octets, std::size_t piece) {
  ProxyParser parser;
  Verdict verdict;
  while (!octets.empty() && verdict.state == ProxyParser::State::more) {
    std::string_view part = octets.substr(0, piece);
    auto progress = parser.receive(part);
    verdict.state = progress.state;
    verdict.consumed += progress.consumed;
    octets.remove_prefix(part.size());
  }
  verdict.header = parser.header();
  return verdict;
}

void expect_verdict(const std::string& octets, const std::string& expected) {
  for (std::size_t piece : {octets.size(), std::size_t{1}, std::size_t{7}}) {
    Verdict got = parse(octets, piece);
    SCOPED_TRACE(printable(octets) + " in pieces of " + std::to_string(piece));
    if (expected.find(" or ") != std::string::npos) {
      EXPECT_NE(got.state, ProxyParser::State::more);
    } else if (expected.starts_with("ok")) {
      ASSERT_EQ(got.state, ProxyParser::State::done);
      std::vector<std::string_view> words = split(expected, ' ');
      if (words.size() == 3 && words[1].find(':') != std::string_view::npos) {
        ASSERT_TRUE(got.header.source && got.header.destination);
        EXPECT_EQ(got.header.source->text(), words[1]);
        EXPECT_EQ(got.header.destination->text(), words[2]);
      }
      if (expected.find("keep-socket") != std::string::npos) EXPECT_FALSE(got.header.source);
      std::size_t ehlo = octets.find("EHLO");
      EXPECT_EQ(got.consumed, ehlo == std::string::npos ? octets.size() : ehlo);
    } else if (expected.starts_with("close")) {
      EXPECT_EQ(got.state, ProxyParser::State::refused);
    } else {
      EXPECT_EQ(got.state, ProxyParser::State::more) << expected;
    }
  }
}

TEST(Proxy, ReadsVersion1AsTheVectorsSay) {
  for (const VectorRow& row : read_vectors("proxy/v1.tsv")) {
    expect_verdict(unescape(row[0]), row[1]);
  }
}

TEST(Proxy, ReadsVersion2AsTheVectorsSay) {
  for (const VectorRow& row : read_vectors("proxy/v2.tsv")) {
    auto octets = from_hex(row[1]);
    ASSERT_TRUE(octets) << row[0];
    expect_verdict(*octets, row[2]);
  }
}

TEST(Proxy, TakesARightChecksumAndTheName) {
  std::string header = "\r\n\r\n";
  header += std::string("\0\r\nQUIT\n", 8);
  header += std::string("\x21\x11\x00\x1a", 4);
  header += std::string("\xc0\x00\x02\x01\xc6\x33\x64\x02\xdc\x04\x00\x19", 12);
  header += std::string("\x02\x00\x04mail\x03\x00\x04\0\0\0\0", 14);
  std::uint32_t sum = crc32c(header);
  for (int i = 0; i < 4; ++i) {
    header[header.size() - 4 + static_cast<std::size_t>(i)] =
        static_cast<char>(sum >> (24 - 8 * i));
  }
  Verdict right = parse(header, header.size());
  EXPECT_EQ(right.state, ProxyParser::State::done);
  EXPECT_EQ(right.header.authority, "mail");
  header[20] ^= 1;
  EXPECT_EQ(parse(header, header.size()).state, ProxyParser::State::refused);
}

TEST(Proxy, BoundsWhatItHolds) {
  std::string endless = "PROXY " + std::string(200, '1');
  EXPECT_EQ(parse(endless, 1).state, ProxyParser::State::refused);
  std::string huge = "\r\n\r\n";
  huge += std::string("\0\r\nQUIT\n", 8) + std::string("\x21\x11\xff\xff", 4);
  EXPECT_EQ(parse(huge, 1).state, ProxyParser::State::refused);
}

}  // namespace
}  // namespace goniec
