// Links and an image in mail: which parts, which links, in which encodings; what is left alone.
#include "intake/track.h"

#include <gtest/gtest.h>

#include "mail/transfer.h"

namespace goniec::test {
namespace {

TrackPlan plan(bool opens = true, bool clicks = true) {
  TrackPlan made;
  made.opens = opens;
  made.clicks = clicks;
  made.web_url = "https://m.pl";
  made.base.message = MessageId{77};
  made.base.stream = "bulk";
  made.base.address = *Address::parse("anna@wp.pl");
  made.tokens = std::make_shared<const LinkTokens>(std::vector<std::string>{std::string(32, 's')});
  return made;
}

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1))
    ++found;
  return found;
}

constexpr std::string_view html_header = "Content-Type: text/html; charset=utf-8\r\n";

TrackedBody track(std::string header, std::string body, TrackPlan with = plan()) {
  return track_body(header + "\r\n", std::move(body), with);
}

TEST(Track, LinksOfTheWebAreLedHereAndOthersStay) {
  const auto made = track(std::string(html_header),
                          "<a href=\"https://a.pl/?x=1&amp;y\">1</a><a href='mailto:b@c.pl'>2</a>"
                          "<a href=\"https://m.pl/u/x\">3</a><a href=\"#top\">4</a>"
                          "<a data-goniec-no-track href=\"https://d.pl\">5</a>"
                          "<a href=\"javascript:alert(1)\">6</a><a href=\"https://e.pl/a b\">7</a>",
                          plan(false));
  EXPECT_EQ(made.links, 1u);
  EXPECT_EQ(count(made.body, "https://m.pl/c/"), 1u);
  for (const char* stays : {"'mailto:b@c.pl'", "\"https://m.pl/u/x\"", "\"#top\"",
                            "\"https://d.pl\"", "\"javascript:alert(1)\"", "\"https://e.pl/a b\""})
    EXPECT_EQ(count(made.body, stays), 1u) << stays;
  const std::size_t at = made.body.find("/c/") + 3;
  const auto token = plan().tokens->read(
      LinkKind::click, std::string_view(made.body).substr(at, made.body.find('"', at) - at));
  ASSERT_TRUE(token.has_value());
  EXPECT_EQ(token->target, "https://a.pl/?x=1&y");
  EXPECT_EQ(token->address.text(), "anna@wp.pl");
}

TEST(Track, EncodedPartsAreChangedInTheirEncoding) {
  const std::string html = "<p>za\u017c\u00f3\u0142\u0107 <a href=\"https://a.pl\">x</a></p>\r\n";
  for (const auto encoding : {TransferEncoding::quoted_printable, TransferEncoding::base64}) {
    const auto made = track(std::string(html_header) + "Content-Transfer-Encoding: " +
                                std::string(name_of(encoding)) + "\r\n",
                            encode_transfer(encoding, html));
    const std::string text = decode_transfer(encoding, made.body);
    EXPECT_EQ(count(text, "https://m.pl/c/"), 1u) << text;
    EXPECT_EQ(count(text, "za\u017c\u00f3\u0142\u0107"), 1u) << text;
    EXPECT_EQ(count(text, "/o/"), 1u);
    for (std::size_t at = 0; at < made.body.size();) {
      const std::size_t end = made.body.find("\r\n", at);
      ASSERT_NE(end, std::string::npos);
      EXPECT_LE(end - at, 76u);
      at = end + 2;
    }
  }
}

TEST(Track, LinesStayWithinTheirLimit) {
  std::string html;
  for (int i = 0; i < 8; ++i)
    html += "<a href=\"https://a.pl/" + std::string(100, 'x') + "\">y</a>";
  const auto made = track(std::string(html_header), html + "\r\n");
  EXPECT_EQ(made.links, 8u);
  for (std::size_t at = 0; at < made.body.size();) {
    const std::size_t end = std::min(made.body.find("\r\n", at), made.body.size());
    EXPECT_LE(end - at, 998u);
    at = end + 2;
  }
}

TEST(Track, OfSeveralPartsTheHtmlAloneIsChanged) {
  const std::string body =
      "--b\r\nContent-Type: text/plain\r\n\r\nhttps://a.pl <a href=\"https://a.pl\">\r\n"
      "--b\r\nContent-Type: text/html\r\n\r\n<body><a href=\"https://a.pl\">x</a></body>\r\n"
      "--b\r\nContent-Type: text/html\r\nContent-Disposition: attachment\r\n\r\n"
      "<a href=\"https://a.pl\">x</a>\r\n--b--\r\n";
  const auto made = track("Content-Type: multipart/mixed; boundary=b\r\n", body);
  EXPECT_EQ(made.links, 1u);
  EXPECT_EQ(count(made.body, "https://m.pl/o/"), 1u);
  EXPECT_EQ(count(made.body, "\"https://a.pl\""), 2u);
  EXPECT_EQ(count(made.body, "\r\n--b"), 3u);
  EXPECT_LT(made.body.find("/o/"), made.body.find("</body>"));
}

TEST(Track, SignedEncryptedBrokenAndPlainMailStaysAsItIs) {
  const std::string html = "<a href=\"https://a.pl\">x</a>\r\n";
  const std::pair<std::string, std::string> cases[] = {
      {"DKIM-Signature: v=1\r\n" + std::string(html_header), "signed"},
      {"Content-Type: multipart/signed; boundary=b\r\n", "signed"},
      {"Content-Type: application/pkcs7-mime\r\n", "signed"},
      {"Content-Type: multipart/mixed\r\n", "broken"},
      {"Content-Type: text/plain\r\n", "no_html"},
      {"Content-Type: text/html; charset=utf-16\r\n", "no_html"},
  };
  for (const auto& [header, why] : cases) {
    const std::string body = why == "signed" ? "--b\r\n\r\n" + html + "--b--\r\n" : html;
    const auto made = track(header, body);
    EXPECT_EQ(made.why_not, why) << header;
    EXPECT_EQ(made.body, body);
  }
}

}  // namespace
}  // namespace goniec::test
