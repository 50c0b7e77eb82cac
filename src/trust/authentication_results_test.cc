// Authentication-Results: what is written can be read in one way only, and who wrote one is seen
// through every spelling. Also the public suffix list.
#include "trust/authentication_results.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "mail/header.h"
#include "trust/public_suffix.h"

namespace goniec {
namespace {

TEST(AuthenticationResults, AreFoldedAResultALine) {
  const std::vector<AuthenticationResult> results{
      {"spf", "pass", "", "", {{"smtp.mailfrom", "anna@example.org"}}},
      {"dkim", "fail", "body hash", "did not verify", {{"header.d", "example.org"}}}};
  EXPECT_EQ(authentication_results_field("mx.example.net", results),
            "Authentication-Results: mx.example.net;\r\n"
            "\tspf=pass smtp.mailfrom=anna@example.org;\r\n"
            "\tdkim=fail (body hash) reason=\"did not verify\" header.d=example.org\r\n");
  EXPECT_EQ(authentication_results_field("mx.example.net", {}),
            "Authentication-Results: mx.example.net;\r\n\tnone\r\n");
  EXPECT_EQ(authentication_results_value("mx.example.net", results).find('\n'), std::string::npos);
}

TEST(AuthenticationResults, NoValueOfAStrangerCanSpeakForUs) {
  for (const char* evil : {"x\r\nFrom: a@b", "x; dkim=pass header.d=bank.example",
                           "x\" ; dkim=pass header.d=\"b", "x\\", "x\\\"; dkim=pass", "(", "x)(",
                           "", "\xFF\xFE", "a\x7F", "x y", "\xE2\x80\xA8line"}) {
    const std::vector<AuthenticationResult> results{
        {"spf", "fail", evil, evil, {{"smtp.mailfrom", evil}}}};
    const auto field = authentication_results_field("mx.example.net", results) + "\r\n";
    const auto block = scan_header(field, {});
    ASSERT_TRUE(block && block->fields.size() == 1 && !block->malformed) << printable(evil);
    EXPECT_TRUE(is_utf8(field));
    // Outside of quotes and comments there is one ';' and no "dkim".
    std::string bare;
    bool quoted = false;
    int depth = 0;
    const auto value = unfold(block->fields[0].value);
    for (std::size_t at = 0; at < value.size(); ++at) {
      const char c = value[at];
      if ((quoted || depth > 0) && c == '\\') {
        ++at;
      } else if (depth == 0 && c == '"') {
        quoted = !quoted;
      } else if (!quoted && c == '(') {
        ++depth;
      } else if (!quoted && c == ')') {
        --depth;
      } else if (!quoted && depth == 0) {
        bare += c;
      }
    }
    EXPECT_FALSE(quoted || depth != 0) << value;
    EXPECT_EQ(std::count(bare.begin(), bare.end(), ';'), 1) << value;
    EXPECT_EQ(bare.find("dkim"), std::string::npos) << value;
  }
}

TEST(AuthenticationResults, TheWriterIsSeenThroughEverySpelling) {
  for (const char* value :
       {" mx.example.net; spf=pass", "mx.example.net 1; spf=pass", "mx.example.net/1; none",
        "(really) mx.example.net (v1) 1; x", "((a)(b\\)c))\r\n\tmx.example.net;",
        "\"mx.example.net\";", "\"mx.exa\\mple.net\" 1;", "mx.example.net.;", "mx.example.net",
        "\"mx.example.net \" ;", "mx.example.net(c);"})
    EXPECT_EQ(authserv_id_of(value), "mx.example.net") << value;
  EXPECT_EQ(authserv_id_of("mx.example.net.evil.example; x"), "mx.example.net.evil.example");
  for (const char* value : {"", "(", "\"", "(\\", " ; "})
    EXPECT_EQ(authserv_id_of(value), "") << value;
}

TEST(AuthenticationResults, ASealerIsHeardOnlyInPlainWords) {
  EXPECT_TRUE(says_dmarc_passed(
      "lists.example; spf=fail; dmarc=PASS (p=none dis=none)\r\n\theader.from=Example.org",
      "example.org"));
  for (const char* no :
       {"", "dmarc=pass header.from=example.org", "l; dmarc=fail header.from=example.org",
        "l; dmarc=pass header.from=other.example",
        "l; spf=pass (; dmarc=pass header.from=example.org)",
        "l; spf=pass reason=\"; dmarc=pass header.from=example.org\"", "l; dmarc=pass",
        "l; dmarc=pass header.from=example.org (", "l; dmarc=passed header.from=example.org"})
    EXPECT_FALSE(says_dmarc_passed(no, "example.org")) << no;
}

TEST(PublicSuffix, WhatOneRegistrantOwns) {
  const auto list = PublicSuffixes::load();
  EXPECT_EQ(list.registrable("a.b.Example.co.uk"), "example.co.uk");
  EXPECT_EQ(list.registrable("co.uk"), "");
  EXPECT_EQ(list.registrable("localhost"), "");
  EXPECT_EQ(list.registrable(".example.com"), "");
  EXPECT_EQ(list.registrable("www.xn--85x722f.com.cn"), "xn--85x722f.com.cn");
  EXPECT_EQ(list.registrable(std::string(5000, 'a') + ".com"), "");
  EXPECT_FALSE(PublicSuffixes::read("/nowhere/list.dat").has_value());
}

}  // namespace
}  // namespace goniec
