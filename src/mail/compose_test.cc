// Fields, transfer encodings, encoded words, parameters and multiparts.
#include "mail/compose.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "mail/header.h"
#include "mail/words.h"

namespace goniec {
namespace {

TEST(HeaderField, FoldsAtBlanksAndNeverAddsAField) {
  EXPECT_EQ(header_field("A", "b"), "A: b\r\n");
  EXPECT_EQ(header_field("A", ""), "A:\r\n");
  EXPECT_EQ(header_field("A", "b\r\nEvil: c"), "A: b??Evil: c\r\n");
  const auto folded = header_field("Subject", std::string(60, 'a') + " " + std::string(60, 'b'));
  EXPECT_EQ(folded, "Subject: " + std::string(60, 'a') + "\r\n " + std::string(60, 'b') + "\r\n");
  std::string words;
  for (int i = 0; i < 100; ++i) words += "word ";
  words += std::string(3000, 'x');
  const auto field = header_field("X", words);
  for (auto line : split(field, '\n')) EXPECT_LE(line.size(), 999u);
  EXPECT_EQ(scan_header(field, {}).value().fields.size(), 1u);
}

TEST(TextField, EncodesWordsOfAtMost75Characters) {
  std::string polish;
  for (int i = 0; i < 30; ++i)
    polish += "Za\xC5\xBC\xC3\xB3\xC5\x82\xC4\x87 g\xC4\x99\xC5\x9Bl\xC4\x85 ";
  polish.pop_back();
  const auto field = text_field("Subject", polish);
  EXPECT_TRUE(is_ascii(field));
  for (auto line : split(field, '\n')) EXPECT_LE(line.size(), 79u) << line;
  EXPECT_EQ(decode_words(field.substr(8)), polish);
  EXPECT_EQ(encode_words("plain ascii"), "plain ascii");
  EXPECT_EQ(decode_words(encode_words("=?not?an?encoded?word?=")), "=?not?an?encoded?word?=");
  EXPECT_EQ(decode_words(encode_words("a_b=c?")), "a_b=c?");
}

TEST(DecodeWords, LeavesWhatIsNoEncodedWord) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"=?utf-8?q?a?= =?utf-8?q?b?= c", "ab c"},
      {"x =?utf-8?q?a?= y", "x a y"},
      {"=?utf-8?q?=C5?= =?utf-8?q?=BC?=", "\xC5\xBC"},
      {"=?utf-8?x?a?=", "=?utf-8?x?a?="},
      {"=?utf-8?q?a b?=", "=?utf-8?q?a b?="},
      {"=?utf-8?q?x=0D=0AEvil:y?=",
       "x\xEF\xBF\xBD\xEF\xBF\xBD"
       "Evil:y"},
      {"=?iso-8859-2?q?=BF?=", "\xC5\xBC"},
      {"=?a/b?q?x?=", "=?a/b?q?x?="},
      {"\xFF", "\xEF\xBF\xBD"},
      {"=?", "=?"},
      {"", ""},
  };
  for (const auto& [value, text] : cases) EXPECT_EQ(decode_words(value), text) << value;
}

TEST(QuotedPrintable, ComesBackAndKeepsItsLines) {
  std::string all;
  for (int octet = 0; octet < 256; ++octet) all += static_cast<char>(octet);
  for (const std::string& text :
       {all, std::string("hello"), std::string("blank \r\n\ttab\t\r\n"),
        std::string(".dot\r\nFrom x\r\n"), std::string(300, '='), std::string(77, 'x') + "\r\n",
        std::string("\r\n\r\n"), std::string("a\nb\rc")}) {
    const auto encoded = encode_quoted_printable(text);
    EXPECT_EQ(decode_quoted_printable(encoded), text);
    for (auto line : split(encoded, '\n')) {
      EXPECT_LE(line.size(), 77u);
      EXPECT_FALSE(line.starts_with('.'));
      EXPECT_FALSE(line.starts_with("From "));
    }
  }
  EXPECT_EQ(decode_quoted_printable("a=\nb=3d=zz=\r\n "), "ab==zz");
  EXPECT_EQ(decode_quoted_printable("end="), "end");
}

TEST(Base64Lines, AreReadLeniently) {
  EXPECT_EQ(decode_base64_lines("Zm9v\r\nYm Fy!!"), "foobar");
  EXPECT_EQ(decode_base64_lines("Zm8=Zm8="), "fofo");
  EXPECT_EQ(decode_base64_lines("Zh=="), "f");
  EXPECT_EQ(decode_base64_lines(encode_base64_lines(std::string(1000, '\xFF'))),
            std::string(1000, '\xFF'));
}

TEST(BestEncoding, AsksForNothingWhenTheTextIsPlain) {
  EXPECT_EQ(best_encoding("plain\r\n"), TransferEncoding::seven_bit);
  EXPECT_EQ(best_encoding(std::string(998, 'x') + "\r\n"), TransferEncoding::seven_bit);
  EXPECT_EQ(best_encoding(std::string(999, 'x') + "\r\n"), TransferEncoding::quoted_printable);
  EXPECT_EQ(best_encoding("bare\nline"), TransferEncoding::quoted_printable);
  EXPECT_EQ(
      best_encoding(
          "Cze\xC5\x9B\xC4\x87, co u Ciebie s\xC5\x82ycha\xC4\x87 dzisiaj w domu, przy okazji?"),
      TransferEncoding::quoted_printable);
  EXPECT_EQ(best_encoding("\x89PNG\xFF\xFE\x01\x02"), TransferEncoding::base64);
}

TEST(TransferEncoding, IsReadFromItsField) {
  EXPECT_EQ(transfer_encoding_of(" Base64 (x)"), TransferEncoding::base64);
  EXPECT_EQ(transfer_encoding_of("\r\n QUOTED-PRINTABLE;"), TransferEncoding::quoted_printable);
  EXPECT_EQ(transfer_encoding_of(""), TransferEncoding::seven_bit);
  EXPECT_EQ(transfer_encoding_of("x-uue"), TransferEncoding::binary);
}

TEST(Parameters, AreReadInAllTheirForms) {
  struct Case {
    std::string_view text, name;
    std::string value;
  };
  const Case cases[] = {
      {"text/plain; charset=UTF-8", "charset", "UTF-8"},
      {"text/plain; Charset = \"utf-8\" (comment)", "charset", "utf-8"},
      {"a/b; filename*0=\"foo\"; filename*1=\"bar.txt\"", "filename", "foobar.txt"},
      {"a/b; filename*1=b; filename*0=a", "filename", "ab"},
      {"a/b; filename=a.txt; filename*=utf-8''%C5%BC.txt", "filename", "\xC5\xBC.txt"},
      {"a/b; filename*0*=iso-8859-2''%BF; filename*1=%BF", "filename", "\xC5\xBC%BF"},
      {"a/b; filename*0=a; filename*2=c", "filename", "a"},
      {"a/b; filename=\"a\\\"b.txt\"", "filename", "a\"b.txt"},
      {"a/b; filename=my file.txt; x=y", "filename", "my file.txt"},
      {"a/b; name=\"=?utf-8?q?=C5=BC?=\"", "name", "\xC5\xBC"},
      {"a/b; name*=utf-8''a%0D%0Ab", "name",
       "a\xEF\xBF\xBD\xEF\xBF\xBD"
       "b"},
      {"a/b; x=1; x=2", "x", "1"},
      {"a/b; broken; ; =v; x=\"open", "x", "open"},
  };
  for (const auto& one : cases) {
    const auto parsed = parse_parameterized(one.text);
    ASSERT_NE(parsed.find(one.name), nullptr) << one.text;
    EXPECT_EQ(*parsed.find(one.name), one.value) << one.text;
  }
  EXPECT_EQ(parse_parameterized(" Text / Plain (x); a=b").value, "text/plain");
  EXPECT_EQ(parse_parameterized("").value, "");
}

TEST(Multipart, NoLineOfAPieceImitatesItsBoundary) {
  const auto first = compose_multipart({text_piece("x")}, "seed").boundary;
  auto piece = text_piece("--" + first + "\r\n--" + first + "--\r\n");
  piece.encoding = TransferEncoding::seven_bit;
  const auto multipart = compose_multipart({piece, piece}, "seed");
  EXPECT_NE(multipart.boundary, first);
  EXPECT_TRUE(multipart.body.ends_with("\r\n--" + multipart.boundary + "--\r\n"));
}

}  // namespace
}  // namespace goniec
