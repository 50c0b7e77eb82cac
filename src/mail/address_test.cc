// Addresses, domains and paths against the grammar of RFC 5321 §4.1.2 and the refusals of
// address.h.
#include "mail/address.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace goniec {
namespace {

struct Good {
  std::string_view text, printed;
};

TEST(Domain, IsNormalisedToLowerCaseALabels) {
  const Good cases[] = {
      {"EXAMPLE.Test", "example.test"},
      {"a", "a"},
      {"under_score.example", "under_score.example"},
      {"r3---sn.example", "r3---sn.example"},
      {"127.0.0.1", "127.0.0.1"},
      {"b\xC3\xBC"
       "cher.example",
       "xn--bcher-kva.example"},
      {"FA\xC3\x9F.de", "xn--fa-hia.de"},  // IDNA2008 keeps ß (non-transitional)
      {"xn--FSQU00A.xn--0zwm56d", "xn--fsqu00a.xn--0zwm56d"},
      {"\xE4\xBE\x8B\xE5\xAD\x90.\xE5\xB9\xBF\xE5\x91\x8A", "xn--fsqu00a.xn--4rr70v"},
      {"ex\xC2\xADmpl.test", "exmpl.test"},  // soft hyphen goes away
      {"a\xE3\x80\x82"
       "b",
       "a.b"},  // ideographic full stop
      {"[192.0.2.1]", "[192.0.2.1]"},
      {"[ipv6:2001:DB8:0:0::1]", "[IPv6:2001:db8::1]"},
      {"[IPv6:::ffff:192.0.2.1]", "[192.0.2.1]"},
      {"[IPv6:::]", "[IPv6:::]"},
  };
  for (const auto& one : cases) {
    const auto domain = Domain::parse(one.text);
    ASSERT_TRUE(domain) << one.text << ": " << domain.error().message;
    EXPECT_EQ(domain->ascii(), one.printed);
    EXPECT_EQ(Domain::parse(domain->ascii()).value(), *domain);
    EXPECT_EQ(Domain::parse(domain->unicode()).value(), *domain);
  }
}

TEST(Domain, OutsideOfTheGrammarIsRefused) {
  const std::string label63(63, 'a'), label64(64, 'a');
  const std::string long_name = label63 + "." + label63 + "." + label63 + "." + label63 + ".a";
  const std::string cases[] = {"",
                               ".",
                               "a.",
                               ".a",
                               "a..b",
                               "-a.b",
                               "a-.b",
                               "a b",
                               "a\tb",
                               "a\r\nb",
                               std::string("a\0b", 3),
                               label64 + ".test",
                               long_name,
                               "a,b",
                               "a/b",
                               "a@b",
                               "a:b",
                               "xn--a",
                               "xn--\xC3\xBC",
                               "\xFF\xFE.test",
                               "a\xEF\xBF\xBD.test",
                               "\xE2\x80\xAE"
                               "abc.test",
                               "-\xE4\xBE\x8B.com",
                               "\xEF\xBC\xA0.test",  // fullwidth @ maps to @
                               "[]",
                               "[1.2.3]",
                               "[256.1.1.1]",
                               "[01.2.3.4]",
                               "[1.2.3.4",
                               "1.2.3.4]",
                               "[IPv6:2001:::1]",
                               "[IPv6:1.2.3.4]",
                               "[2001:db8::1]",
                               "[IPv6:fe80::1%eth0]",
                               "[x-tag:y]",
                               "[1.2.3.4]x",
                               std::string("[1.2.3.4\0]", 10)};
  for (const auto& text : cases) EXPECT_FALSE(Domain::parse(text)) << printable(text);
  EXPECT_FALSE(
      Domain::parse("b\xC3\xBC"
                    "cher.example",
                    Utf8Policy::refuse));
}

TEST(Domain, LiteralTellsItsAddress) {
  EXPECT_EQ(Domain::parse("[IPv6:2001:db8::1]")->literal_ip(), "2001:db8::1");
  EXPECT_EQ(Domain::parse("[192.0.2.1]")->literal_ip(), "192.0.2.1");
  EXPECT_EQ(Domain::parse("a.test")->literal_ip(), "");
  EXPECT_EQ(Domain::parse("xn--bcher-kva.example")->unicode(),
            "b\xC3\xBC"
            "cher.example");
}

// "xn--snk" decodes to a letter whose A-label is another one: to show that letter would name a
// domain that is not this one (RFC 5891 §5.4).
TEST(Domain, AnALabelThatMapsToAnotherStaysAsItIs) {
  const auto domain = Domain::parse("xn--Snk.example");
  ASSERT_TRUE(domain.has_value());
  EXPECT_EQ(domain->unicode(), "xn--snk.example");
}

TEST(Address, PrintsWithQuotesOnlyWhereNeeded) {
  const std::string local64(64, 'x');
  const std::string long_text = local64 + "@remote.test";
  const Good cases[] = {
      {"a@b.test", "a@b.test"},
      {"Case.Kept@B.TEST", "Case.Kept@b.test"},
      {"\"john doe\"@b.test", "\"john doe\"@b.test"},
      {"\"john\"@b.test", "john@b.test"},
      {"\"a\\\"b\"@b.test", "\"a\\\"b\"@b.test"},
      {"\"a\\b\"@b.test", "ab@b.test"},
      {"\"a>b\"@b.test", "\"a>b\"@b.test"},
      {"\"a@c\"@b.test", "\"a@c\"@b.test"},
      {"\"\"@b.test", "\"\"@b.test"},
      {"\".a.\"@b.test", "\".a.\"@b.test"},
      {"!#$%&'*+-/=?^_`{|}~@b.test", "!#$%&'*+-/=?^_`{|}~@b.test"},
      {long_text, long_text},
      {"D\xC3\xB6rte@S\xC3\xB6rensen.example.com", "D\xC3\xB6rte@xn--srensen-90a.example.com"},
      {"\"\xC3\xB6 x\"@b.test", "\"\xC3\xB6 x\"@b.test"},
  };
  for (const auto& one : cases) {
    const auto address = Address::parse(one.text);
    ASSERT_TRUE(address) << one.text << ": " << address.error().message;
    EXPECT_EQ(address->text(), one.printed);
    EXPECT_EQ(Address::parse(address->text()).value(), *address);
    EXPECT_EQ(Address::parse(address->unicode()).value(), *address);
  }
}

TEST(Address, OutsideOfTheGrammarIsRefused) {
  const std::string cases[] = {"",
                               "a",
                               "@",
                               "a@",
                               "@b.test",
                               "a@@b.test",
                               "a@b@c",
                               ".a@b.test",
                               "a.@b.test",
                               "a..b@b.test",
                               "a b@b.test",
                               "\"a@b.test",
                               "\"a\"b@b.test",
                               "a\"b\"@b.test",
                               "\"a\"\"b\"@b.test",
                               "\"a\nb\"@b.test",
                               "\"a\\\nb\"@b.test",
                               "\"a\\",
                               "\"a\tb\"@b.test",
                               "a\x7F@b.test",
                               std::string("a\0b@b.test", 10),
                               "<a@b.test>",
                               "a@b.test>",
                               "(c)a@b.test",
                               "a@b.test ",
                               std::string(65, 'x') + "@b.test",
                               "us\xFF\xFE"
                               "er@b.test",
                               "us\xED\xA0\x80"
                               "er@b.test",
                               "\xE2\x80\xAEuser@b.test",
                               "\xEF\xBF\xBD@b.test",
                               "\"\\\xC3\xB6\"@b.test",
                               "\xC2\x85@b.test",
                               std::string(60, 'x') + "@" + std::string(60, 'a') + "." +
                                   std::string(60, 'b') + "." + std::string(60, 'c') + "." +
                                   std::string(11, 'd')};
  for (const auto& text : cases) EXPECT_FALSE(Address::parse(text)) << printable(text);
  EXPECT_FALSE(Address::parse("\xC3\xB6@b.test", Utf8Policy::refuse));
  EXPECT_TRUE(Address::parse("\xC3\xB6@b.test")->needs_smtputf8());
  EXPECT_FALSE(Address::parse("o@b\xC3\xB6.test")->needs_smtputf8());
}

TEST(Path, LeavesWhatFollowsTheBracket) {
  struct Case {
    std::string_view text, address, rest;
  };
  const Case cases[] = {
      {"<a@b.test>", "a@b.test", ""},
      {"<a@b.test> SIZE=1", "a@b.test", " SIZE=1"},
      {"<a@b.test>SIZE=1", "a@b.test", "SIZE=1"},
      {"<\"a>b\"@x.test> X", "\"a>b\"@x.test", " X"},
      {"<@a.test,@b.test:u@d.test>", "u@d.test", ""},
      {"<@[192.0.2.1]:u@d.test>", "u@d.test", ""},
      {"<@[IPv6:2001:db8::1],@b.test:u@d.test>", "u@d.test", ""},
      {"<u@[IPv6:2001:db8::1]>", "u@[IPv6:2001:db8::1]", ""},
  };
  for (const auto& one : cases) {
    for (auto* parse : {parse_reverse_path, parse_forward_path}) {
      const auto path = parse(one.text, Utf8Policy::refuse);
      ASSERT_TRUE(path) << one.text << ": " << path.error().message;
      EXPECT_EQ(path->address.text(), one.address);
      EXPECT_EQ(path->rest, one.rest);
      EXPECT_FALSE(path->postmaster);
    }
  }
}

TEST(Path, NullSenderAndPostmasterHaveTheirPlaces) {
  const auto null = parse_reverse_path("<> SIZE=3", Utf8Policy::refuse);
  ASSERT_TRUE(null);
  EXPECT_TRUE(null->address.empty());
  EXPECT_EQ(null->rest, " SIZE=3");
  EXPECT_FALSE(parse_forward_path("<>", Utf8Policy::refuse));
  for (std::string_view text : {"<postmaster>", "<PostMaster> X", "<\"postmaster\">"}) {
    const auto path = parse_forward_path(text, Utf8Policy::refuse);
    ASSERT_TRUE(path) << text;
    EXPECT_TRUE(path->postmaster);
    EXPECT_FALSE(parse_reverse_path(text, Utf8Policy::refuse));
  }
}

TEST(Path, OutsideOfTheGrammarIsRefused) {
  for (std::string_view text : {"",
                                "<",
                                "a@b.test",
                                " <a@b.test>",
                                "<a@b.test",
                                "<a>",
                                "<a@b.test",
                                "<a@@b>",
                                "< >",
                                "<a@>",
                                "<@a.test>",
                                "<@a.test:>",
                                "<@a.test,:u@d>",
                                "<@a.test,b.test:u@d>",
                                "<@:u@d>",
                                "<@a.test;u@d>",
                                "<@[1.2.3.4:u@d>",
                                "<victim@remote.test.>",
                                "<a@-remote.test>",
                                "<\"a\"b@x>",
                                "<a b@x>"}) {
    EXPECT_FALSE(parse_forward_path(text, Utf8Policy::refuse)) << text;
    EXPECT_FALSE(parse_reverse_path(text, Utf8Policy::refuse)) << text;
  }
}

TEST(Helo, IsADomainOrALiteral) {
  for (std::string_view good :
       {"localhost", "mail.example.test", "[192.0.2.1]", "[IPv6:2001:db8::1]"}) {
    EXPECT_TRUE(is_valid_helo(good)) << good;
  }
  for (std::string_view bad : {"", "a b", "[1.2.3]", "a..b",
                               "b\xC3\xBC"
                               "cher.example",
                               "a\x01", "(x)"}) {
    EXPECT_FALSE(is_valid_helo(bad)) << bad;
  }
}

struct ListCase {
  std::string_view value;
  std::vector<std::pair<std::string, std::string>> mailboxes;
  bool complete = true;
};

TEST(HeaderMailboxes, AreReadInAllTheirForms) {
  const ListCase cases[] = {
      {" a@b.test", {{"", "a@b.test"}}},
      {" John Doe <j@b.test>, k@b.test", {{"John Doe", "j@b.test"}, {"", "k@b.test"}}},
      {" \"Doe, John\" <j@b.test>", {{"Doe, John", "j@b.test"}}},
      {" \"a \\\"q\\\" b\" <j@b.test>", {{"a \"q\" b", "j@b.test"}}},
      {" John\r\n Doe\r\n\t<j@b.test>", {{"John Doe", "j@b.test"}}},
      {" team: a@b.test, Bob <c@d.test>;, e@f.test",
       {{"", "a@b.test"}, {"Bob", "c@d.test"}, {"", "e@f.test"}}},
      {" undisclosed-recipients:;", {}},
      {" (c (nested \\) ) x) a (y) @ (z) b.test (end)", {{"", "a@b.test"}}},
      {" a . b @ c . test", {{"", "a.b@c.test"}}},
      {" \"john doe\"@b.test", {{"", "\"john doe\"@b.test"}}},
      {" X <@r.test,@s.test:u@d.test>", {{"X", "u@d.test"}}},
      {" =?utf-8?q?J=C3=B3zef?= <j@b.test>", {{"=?utf-8?q?J=C3=B3zef?=", "j@b.test"}}},
      {" a@b.test <real@c.test>", {{"a@b.test", "real@c.test"}}},
      {" J. R. Hacker <j@b.test>", {{"J. R. Hacker", "j@b.test"}}},
      {" ,, a@b.test ,", {{"", "a@b.test"}}},
      {" u@[192.0.2.1]", {{"", "u@[192.0.2.1]"}}},
      {" J\xC3\xB3zef <j\xC3\xB3@b.test>", {{"J\xC3\xB3zef", "j\xC3\xB3@b.test"}}},
      {"", {}, false},
      {" nobody", {}, false},
      {" <a@b.test> <c@d.test>", {{"", "a@b.test"}, {"", "c@d.test"}}, false},
      {" a@b.test, broken @, c@d.test", {{"", "a@b.test"}, {"", "c@d.test"}}, false},
      {" <a@b.test", {{"", "a@b.test"}}, false},
      {" (never closed a@b.test", {}, false},
      {" \"never closed <a@b.test>", {}, false},
      {" a b@c.test", {}, false},
      {" <a@b.test> tail", {{"", "a@b.test"}}, false},
  };
  for (const auto& one : cases) {
    const auto list = parse_header_mailboxes(one.value);
    EXPECT_EQ(list.complete, one.complete) << one.value;
    ASSERT_EQ(list.mailboxes.size(), one.mailboxes.size()) << one.value;
    for (std::size_t at = 0; at < one.mailboxes.size(); ++at) {
      EXPECT_EQ(list.mailboxes[at].display_name, one.mailboxes[at].first);
      EXPECT_EQ(list.mailboxes[at].address.text(), one.mailboxes[at].second);
    }
  }
}

TEST(HeaderMailboxes, NestingOfAnyDepthCostsNothing) {
  const std::string deep(200'000, '(');
  EXPECT_FALSE(parse_header_mailboxes(deep + "a@b.test").complete);
  EXPECT_EQ(parse_header_mailboxes(deep + std::string(200'000, ')') + " a@b.test").mailboxes.size(),
            1u);
}

}  // namespace
}  // namespace goniec
