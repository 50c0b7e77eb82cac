// Canonical forms: the table of RFC 6376 §3.4 and its edges, in pieces of every size.
#include "trust/canonical.h"

#include <gtest/gtest.h>

namespace goniec {
namespace {

Sha256 hash_of(Canonical form, std::string_view body, std::size_t piece) {
  BodyHasher hasher(form);
  for (std::size_t at = 0; at < body.size(); at += piece) hasher.add(body.substr(at, piece));
  hasher.finish();
  return hasher.digest();
}

TEST(Canonical, bodies_become_what_the_standard_says_in_pieces_of_any_size) {
  const struct {
    std::string body, simple, relaxed;
  } cases[] = {
      {"", "\r\n", ""},
      {"\r\n", "\r\n", ""},
      {"\r\n\r\n\r\n", "\r\n", ""},
      {"a", "a\r\n", "a\r\n"},
      {"a\r\n", "a\r\n", "a\r\n"},
      {"a\r\n\r\n\r\n", "a\r\n", "a\r\n"},
      {" C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n"},
      {"a  b\t\tc d", "a  b\t\tc d\r\n", "a b c d\r\n"},
      {" \t\r\n \r\n", " \t\r\n \r\n", ""},
      {" \t", " \t\r\n", ""},
      {"a\r\n \t\r\n", "a\r\n \t\r\n", "a\r\n"},
      {"\r\n\r\na", "\r\n\r\na\r\n", "\r\n\r\na\r\n"},
      {"a\rb\nc\r", "a\rb\nc\r\r\n", "a\rb\nc\r\r\n"},
      {"a\r\r\nb", "a\r\r\nb\r\n", "a\r\r\nb\r\n"},
      {"a \rb", "a \rb\r\n", "a \rb\r\n"},
      {"a  \t  b   \r\n", "a  \t  b   \r\n", "a b\r\n"},
      {"\xC5\xBC\xC3\xB3 \x01\r\n", "\xC5\xBC\xC3\xB3 \x01\r\n", "\xC5\xBC\xC3\xB3 \x01\r\n"},
  };
  for (const auto& each : cases) {
    for (const std::size_t piece : {1, 2, 3, 100}) {
      EXPECT_EQ(hash_of(Canonical::simple, each.body, piece), sha256(each.simple)) << each.body;
      EXPECT_EQ(hash_of(Canonical::relaxed, each.body, piece), sha256(each.relaxed)) << each.body;
    }
  }
}

TEST(Canonical, a_length_cuts_what_is_hashed_and_all_octets_are_counted) {
  BodyHasher hasher(Canonical::relaxed, 4);
  hasher.add("ab  cd\r\n\r\n");
  hasher.add("ef\r\n");
  hasher.finish();
  EXPECT_EQ(hasher.digest(), sha256("ab c"));
  EXPECT_EQ(hasher.octets(), 13u);  // "ab cd" CRLF CRLF "ef" CRLF
  BodyHasher none(Canonical::simple, 0);
  none.add("ab\r\n");
  none.finish();
  EXPECT_EQ(none.digest(), sha256(""));
}

TEST(Canonical, a_body_of_many_empty_lines_and_large_pieces_is_linear) {
  std::string body = std::string(100'000, 'x') + "\r\n";
  for (int line = 0; line < 200'000; ++line) body += "\r\n";
  EXPECT_EQ(hash_of(Canonical::relaxed, body, 1 << 20), sha256(std::string(100'000, 'x') + "\r\n"));
  body += "y";
  EXPECT_EQ(hash_of(Canonical::simple, body, 65'536), sha256(body + "\r\n"));
}

TEST(Canonical, header_fields_become_what_the_standard_says) {
  const std::string block = "SUBJect \t:  A\t B \r\n\t C  \r\nX:\r\nY: \r\n \r\n";
  const auto header = scan_header(block, HeaderLimits{});
  ASSERT_TRUE(header.has_value());
  ASSERT_EQ(header->fields.size(), 3u);
  EXPECT_EQ(canonical_field(Canonical::relaxed, header->fields[0]), "subject:A B C\r\n");
  EXPECT_EQ(canonical_field(Canonical::simple, header->fields[0]), header->fields[0].whole);
  EXPECT_EQ(canonical_field(Canonical::relaxed, header->fields[1]), "x:\r\n");
  EXPECT_EQ(canonical_field(Canonical::relaxed, header->fields[2]), "y:\r\n");
}

}  // namespace
}  // namespace goniec
