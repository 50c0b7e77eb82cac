// xtext both ways, and what it may not carry.
#include "mail/xtext.h"

#include <gtest/gtest.h>

namespace goniec {
namespace {

TEST(Xtext, ComesBack) {
  std::string all;
  for (int octet = 0; octet < 256; ++octet) all += static_cast<char>(octet);
  EXPECT_EQ(decode_xtext(encode_xtext(all)), all);
  EXPECT_EQ(encode_xtext("a+b=c d"), "a+2Bb+3Dc+20d");
  EXPECT_EQ(decode_xtext("E+2B1"), "E+1");
  EXPECT_EQ(decode_xtext(""), "");
}

TEST(Xtext, IsReadStrictly) {
  for (std::string_view bad :
       {"+2g", "+2b", "+", "+2", "a b", "a=b", "a\tb", "\xC3\xB3", "a\r\n"}) {
    EXPECT_FALSE(decode_xtext(bad)) << bad;
  }
}

TEST(Xtext, WhatHidesALineEndIsNotSafe) {
  EXPECT_FALSE(is_safe_in_a_field(decode_xtext("a+0D+0AEvil:+20x").value()));
  EXPECT_FALSE(is_safe_in_a_field(decode_xtext("a+00").value()));
  EXPECT_FALSE(is_safe_in_a_field(decode_xtext("+FF").value()));
  EXPECT_TRUE(is_safe_in_a_field(decode_xtext("with+20space").value()));
}

TEST(Utf8AddressXtext, ComesBack) {
  EXPECT_EQ(encode_utf8_address("d\xC3\xB6rte@remote.test"), "d\\x{F6}rte@remote.test");
  EXPECT_EQ(decode_utf8_address("d\\x{F6}rte@remote.test"), "d\xC3\xB6rte@remote.test");
  EXPECT_EQ(decode_utf8_address("d\xC3\xB6rte@remote.test"), "d\xC3\xB6rte@remote.test");
  for (std::string_view bad : {"\\x{D}", "\\x{D800}", "\\x{110000}", "\\x{}", "\\x{F6", "\\n",
                               "\xFF", "\\x{0000F6F}", "\\x{f6}"}) {
    EXPECT_FALSE(decode_utf8_address(bad)) << bad;
  }
}

}  // namespace
}  // namespace goniec
