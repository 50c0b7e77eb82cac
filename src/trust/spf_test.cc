// SPF: records, macros, limits, and the cases that other programs got wrong.
#include "trust/spf.h"

#include <gtest/gtest.h>

#include "proto/dns_for_tests.h"
#include "trust/iprev.h"
#include "trust/spf_record.h"

namespace goniec {
namespace {

SpfVerdict check(const FakeDns& dns, std::string domain, std::string client = "192.0.2.1",
                 std::string local = "anna") {
  SpfQuery query{.client = *IpAddress::parse(client),
                 .helo = "mail.example.org",
                 .local = std::move(local),
                 .domain = std::move(domain),
                 .receiver = "mx.receiver.example"};
  return dns.solve([&](Findings& findings) { return check_spf(findings, query); });
}

FakeDns zone(std::initializer_list<std::pair<const char*, const char*>> texts) {
  FakeDns dns;
  for (const auto& [name, text] : texts) dns.add(name, DnsType::txt, std::string(text));
  return dns;
}

TEST(SpfRecord, BrokenRecordsAreRefusedWholeAndWhatIsUnknownIsNot) {
  for (const char* good :
       {"v=spf1", "V=SPF1 -ALL", "v=spf1   mx  -all ", "v=spf1 ip4:0.0.0.0/0 ip6:::/0 a/0//0 -all",
        "v=spf1 a:x.example/32//128", "v=spf1 ip6:::ffff:192.0.2.1 -all",
        "v=spf1 future=%{d2}whatever -all", "v=spf1 exists:%{l1r-}._spf.%{d2} ?all",
        "v=spf1 include:_spf.example.org. ~all", "v=spf1 redirect=%{o}"})
    EXPECT_TRUE(parse_spf_record(good).has_value()) << good;
  for (const char* bad : {"",
                          "v=spf10",
                          "v=spf1\t-all",
                          "v=spf1 ip4:192.0.2.1/33",
                          "v=spf1 ip4:192.0.2.1/032",
                          "v=spf1 ip6:2001:db8::/129",
                          "v=spf1 a/33",
                          "v=spf1 a//129",
                          "v=spf1 a/-1",
                          "v=spf1 a/",
                          "v=spf1 ip4:2001:db8::1",
                          "v=spf1 ip6:192.0.2.1",
                          "v=spf1 ip4",
                          "v=spf1 include",
                          "v=spf1 include:",
                          "v=spf1 all:x.example",
                          "v=spf1 -all moo",
                          "v=spf1 a:museum",
                          "v=spf1 a:x.123",
                          "v=spf1 a:x.-y",
                          "v=spf1 exists:%{d0}.x.org",
                          "v=spf1 exists:%{t}.x.org",
                          "v=spf1 exists:%{}.x.org",
                          "v=spf1 a:x%y.org",
                          "v=spf1 redirect=a.org redirect=b.org",
                          "v=spf1 -redirect=a.org",
                          "v=spf1 exp=a.org exp=a.org",
                          "v=spf1 --all",
                          "v=spf1 a:\x80.org"})
    EXPECT_FALSE(parse_spf_record(bad).has_value()) << bad;
}

// RFC 7208 §7.4 has these.
TEST(SpfRecord, MacrosExpandAsTheStandardShows) {
  MacroFacts facts{.local = "strong-bad",
                   .sender_domain = "email.example.com",
                   .domain = "email.example.com",
                   .helo = "mx.example.org",
                   .client = *IpAddress::parse("192.0.2.3"),
                   .receiver = "",
                   .now = Instant(std::chrono::seconds(1700000000))};
  const auto expanded = [&](std::string_view text) {
    const auto macros = parse_macro_string(text, MacroPlace::explanation);
    return macros ? expand(*macros, facts) : macros.error().message;
  };
  const std::pair<const char*, const char*> cases[] = {
      {"%{s}", "strong-bad@email.example.com"},
      {"%{o}", "email.example.com"},
      {"%{d4}", "email.example.com"},
      {"%{d2}", "example.com"},
      {"%{d1}", "com"},
      {"%{dr}", "com.example.email"},
      {"%{d2r}", "example.email"},
      {"%{l}", "strong-bad"},
      {"%{l-}", "strong.bad"},
      {"%{lr}", "strong-bad"},
      {"%{lr-}", "bad.strong"},
      {"%{l1r-}", "strong"},
      {"%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"},
      {"%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"},
      {"%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"},
      {"%%%_%-", "% %20"},
      {"%{S}", "strong-bad%40email.example.com"},
      {"%{t} %{r} %{c} %{p} %{h}", "1700000000 unknown 192.0.2.3 unknown mx.example.org"},
      {"%{d999999999999}", "email.example.com"}};
  for (const auto& [text, wanted] : cases) EXPECT_EQ(expanded(text), wanted) << text;
  facts.client = *IpAddress::parse("2001:db8::cb01");
  EXPECT_EQ(to_lower(expanded("%{ir}.%{v}._spf.%{d2}")),
            "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com");
}

TEST(Spf, TheTermThatDecidedIsNamed) {
  auto dns = zone({{"example.org", "v=spf1 ip4:192.0.2.0/24 include:other.example ~all"},
                   {"other.example", "v=spf1 ip4:198.51.100.7 -all"},
                   {"moved.example", "v=spf1 redirect=example.org"},
                   {"open.example", "v=spf1"}});
  EXPECT_EQ(check(dns, "example.org").mechanism, "ip4:192.0.2.0/24");
  EXPECT_EQ(check(dns, "example.org", "198.51.100.7").mechanism, "include:other.example");
  const auto soft = check(dns, "Example.ORG.", "203.0.113.1");
  EXPECT_EQ(soft.result, SpfResult::soft_fail);
  EXPECT_EQ(soft.mechanism, "~all");
  EXPECT_EQ(check(dns, "moved.example", "203.0.113.1").mechanism, "~all");
  const auto open = check(dns, "open.example");
  EXPECT_EQ(open.result, SpfResult::neutral);
  EXPECT_EQ(open.mechanism, "default");
}

TEST(Spf, TheNullSenderIsJudgedByTheHeloName) {
  const auto dns = zone({{"mail.example.org", "v=spf1 ip4:192.0.2.1 -all exp=why.example.org"},
                         {"why.example.org", "%{s} is not %{i}"}});
  EXPECT_EQ(check(dns, "").result, SpfResult::pass);
  EXPECT_TRUE(check(dns, "").by_helo);
  const auto refused = check(dns, "", "192.0.2.2", "");
  EXPECT_EQ(refused.result, SpfResult::fail);
  EXPECT_EQ(refused.explanation, "postmaster@mail.example.org is not 192.0.2.2");
}

TEST(Spf, PrefixesOfZeroMatchAllOfTheirKindAndNoneOfTheOther) {
  const auto dns = zone({{"v4.example", "v=spf1 ip4:10.0.0.0/0 -all"},
                         {"v6.example", "v=spf1 ip6:2001:db8::/0 -all"},
                         {"mapped.example", "v=spf1 ip6:::ffff:192.0.2.1 -all"},
                         {"wide.example", "v=spf1 ip4:192.0.2.1/33 +all"}});
  EXPECT_EQ(check(dns, "v4.example", "203.0.113.9").result, SpfResult::pass);
  EXPECT_EQ(check(dns, "v4.example", "2001:db8::1").result, SpfResult::fail);
  EXPECT_EQ(check(dns, "v6.example", "2a00::1").result, SpfResult::pass);
  EXPECT_EQ(check(dns, "v6.example", "203.0.113.9").result, SpfResult::fail);
  EXPECT_EQ(check(dns, "mapped.example").result, SpfResult::fail);
  EXPECT_EQ(check(dns, "wide.example").result, SpfResult::perm_error);
}

TEST(Spf, WhatDnsCannotSayNowIsTemporaryAndNeverNone) {
  FakeDns dns;
  for (auto status : {DnsStatus::temporary, DnsStatus::bogus}) {
    dns.set("example.org", DnsType::txt, status);
    EXPECT_EQ(check(dns, "example.org").result, SpfResult::temp_error);
  }
  auto deep = zone({{"a.example", "v=spf1 include:b.example -all"}});
  deep.set("b.example", DnsType::txt, DnsStatus::temporary);
  EXPECT_EQ(check(deep, "a.example").result, SpfResult::temp_error);
  EXPECT_EQ(check(deep, "nowhere.example").result, SpfResult::none);
}

// A local part that is no label must not buy its sender an error that is better than a fail.
TEST(Spf, ALocalPartThatDnsCannotAskForDoesNotMatch) {
  const auto dns = zone({{"example.org", "v=spf1 exists:%{l}.ok.example.org -all"}});
  for (const char* local : {"zażółć", "a..b", "a\\b", "a\nb"})
    EXPECT_EQ(check(dns, "example.org", "192.0.2.1", local).result, SpfResult::fail) << local;
  EXPECT_EQ(check(dns, "example.org", "192.0.2.1", std::string(300, 'a')).result, SpfResult::fail);
}

TEST(Spf, CostsAtMostTenTermsWhateverItsShape) {
  FakeDns dns;
  for (int at = 0; at < 30; ++at) {
    dns.add(fmt::format("n{}.example", at), DnsType::txt,
            fmt::format("v=spf1 include:n{}.example include:n{}.example -all", at + 1, at + 1));
  }
  const auto verdict = check(dns, "n0.example");
  EXPECT_EQ(verdict.result, SpfResult::perm_error);
  EXPECT_EQ(verdict.lookups, 11u);
}

TEST(Spf, AnExplanationIsPlainTextOrNotThere) {
  for (const char* bad : {"two\r\nlines", "k\xC3\xB3t", "%{q}"}) {
    const auto dns =
        zone({{"example.org", "v=spf1 -all exp=why.example.org"}, {"why.example.org", bad}});
    EXPECT_EQ(check(dns, "example.org").explanation, "") << bad;
  }
  const auto twice = zone({{"example.org", "v=spf1 -all exp=why.example.org"},
                           {"why.example.org", "one"},
                           {"why.example.org", "two"}});
  EXPECT_EQ(check(twice, "example.org").explanation, "");
}

TEST(Iprev, ANameMustLeadBackToTheAddress) {
  FakeDns dns;
  const auto judged = [&](const char* client) {
    return dns.solve(
        [&](Findings& findings) { return check_iprev(findings, *IpAddress::parse(client)); });
  };
  EXPECT_EQ(judged("192.0.2.1").result, IprevResult::perm_error);
  dns.add("1.2.0.192.in-addr.arpa", DnsType::ptr, std::string("liar.example"));
  EXPECT_EQ(judged("192.0.2.1").result, IprevResult::fail);
  dns.add("1.2.0.192.in-addr.arpa", DnsType::ptr, std::string("Mail.Example."));
  dns.set("mail.example", DnsType::a, DnsStatus::temporary);
  EXPECT_EQ(judged("192.0.2.1").result, IprevResult::temp_error);
  dns.set("mail.example", DnsType::a, DnsStatus::no_data);
  dns.add("mail.example", DnsType::a, *IpAddress::parse("192.0.2.1"));
  EXPECT_EQ(judged("192.0.2.1").result, IprevResult::pass);
  EXPECT_EQ(judged("192.0.2.1").name, "mail.example");
  dns.add("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", DnsType::ptr,
          std::string("six.example"));
  dns.add("six.example", DnsType::aaaa, *IpAddress::parse("2001:db8::1"));
  EXPECT_EQ(judged("2001:db8::1").name, "six.example");
  dns.set("9.2.0.192.in-addr.arpa", DnsType::ptr, DnsStatus::bogus);
  EXPECT_EQ(judged("192.0.2.9").result, IprevResult::temp_error);
}

}  // namespace
}  // namespace goniec
