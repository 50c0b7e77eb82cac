// DMARC by RFC 9989: records, the tree walk, alignment, and who the author is.
#include "trust/dmarc.h"

#include <gtest/gtest.h>

#include "proto/dns_for_tests.h"

namespace goniec {
namespace {

using State = AuthenticatedDomain::State;

FakeDns zone(std::initializer_list<std::pair<std::string, const char*>> texts) {
  FakeDns dns;
  for (const auto& [name, text] : texts) dns.add("_dmarc." + name, DnsType::txt, std::string(text));
  return dns;
}

DmarcVerdict check(const FakeDns& dns, DmarcQuery query) {
  return dns.solve([&](Findings& findings) { return check_dmarc(findings, query); });
}

std::string policy_text(const DmarcVerdict& verdict) {
  return verdict.policy ? fmt::format("{} by {}", name_of(*verdict.policy), verdict.policy_tag)
                        : "none at all";
}

TEST(DmarcRecord, WhatIsWrongInATagGivesItsDefault) {
  const auto record = parse_dmarc_record(
      "v=DMARC1 ; p = Reject;sp=none; adkim=s; aspf=x; psd=maybe; t=y; pct=0; broken; fo=1:d;"
      " rua=mailto:a@example.org!10m , nonsense, https://r.example/x; ruf=mailto:");
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->policy, DmarcPolicy::reject);
  EXPECT_EQ(record->dkim, DmarcAlignment::strict);
  EXPECT_EQ(record->spf, DmarcAlignment::relaxed);
  EXPECT_EQ(record->psd, DmarcPsd::unknown);
  EXPECT_TRUE(record->testing);
  ASSERT_EQ(record->rua.size(), 2u);
  EXPECT_EQ(record->rua[0].uri, "mailto:a@example.org");
  EXPECT_EQ(record->rua[0].most_octets, 10u << 20);
  EXPECT_TRUE(record->ruf.empty());
  for (const char* bad : {"", "v=DMARC12; p=none", "v=dmarc1; p=none", "p=none; v=DMARC1",
                          "v=DMARC1; p=none; P=reject"})
    EXPECT_FALSE(parse_dmarc_record(bad).has_value()) << bad;
  EXPECT_FALSE(parse_dmarc_record("v=DMARC1; sp=oops; p=reject")->is_usable());
  EXPECT_TRUE(parse_dmarc_record("v=DMARC1; rua=mailto:a@b.example")->is_usable());
}

TEST(Dmarc, ThePolicyForNamesThatDoNotExistIsTheirOwn) {
  auto dns = zone({{"example.org", "v=DMARC1; p=none; sp=quarantine; np=reject"}});
  dns.name("real.example.org");
  EXPECT_EQ(policy_text(check(dns, {.author = "example.org"})), "none by p");
  EXPECT_EQ(policy_text(check(dns, {.author = "real.example.org"})), "quarantine by sp");
  EXPECT_EQ(policy_text(check(dns, {.author = "ghost.example.org"})), "reject by np");
  dns.set("hidden.example.org", DnsType::a, DnsStatus::temporary);
  EXPECT_EQ(check(dns, {.author = "hidden.example.org"}).result, DmarcResult::temp_error);
}

TEST(Dmarc, ASuffixThatSpeaksForItsDomainsIsTheLastResort) {
  auto dns = zone({{"bank.example", "v=DMARC1; p=reject; np=quarantine; psd=y"},
                   {"example", "v=DMARC1; p=none"}});
  dns.name("giant.bank.example");
  const auto giant = check(dns, {.author = "giant.bank.example"});
  EXPECT_EQ(policy_text(giant), "reject by p");
  EXPECT_EQ(giant.organisational_domain, "giant.bank.example");
  EXPECT_EQ(check(dns, {.author = "bank.example"}).record_domain, "bank.example");
  const auto strangers = check(dns, {.author = "giant.bank.example",
                                     .spf = AuthenticatedDomain{State::pass, "mega.bank.example"}});
  EXPECT_EQ(strangers.result, DmarcResult::fail);
  const auto family = check(dns, {.author = "giant.bank.example",
                                  .spf = AuthenticatedDomain{State::pass, "x.giant.bank.example"}});
  EXPECT_EQ(family.result, DmarcResult::pass);
}

TEST(Dmarc, ASubdomainWhoseParentPublishesNothingStandsAlone) {
  const auto dns = zone({{"mail.example.org", "v=DMARC1; p=reject"}});
  EXPECT_EQ(
      check(dns, {.author = "mail.example.org", .dkim = {{State::pass, "example.org"}}}).result,
      DmarcResult::fail);
  EXPECT_EQ(
      check(dns, {.author = "mail.example.org", .dkim = {{State::pass, "a.mail.example.org"}}})
          .result,
      DmarcResult::pass);
}

TEST(Dmarc, AWalkAsksAtMostEightNames) {
  std::string name = "example.com";
  for (int at = 0; at < 60; ++at) name.insert(0, "a.");
  const FakeDns dns;
  Findings findings;
  std::size_t asked = 0;
  while (!check_dmarc(findings, {.author = name})) {
    for (const auto& question : findings.take_missing()) {
      ++asked;
      findings.learn(question, dns.answer(question));
    }
  }
  EXPECT_EQ(asked, 8u);
}

TEST(Dmarc, WhatDnsCannotSayNowIsNoPolicy) {
  auto dns = zone({{"example.org", "v=DMARC1; p=reject"}});
  for (auto status : {DnsStatus::temporary, DnsStatus::bogus}) {
    dns.set("_dmarc.x.example.org", DnsType::txt, status);
    const auto verdict = check(dns, {.author = "x.example.org"});
    EXPECT_EQ(verdict.result, DmarcResult::temp_error);
    EXPECT_FALSE(verdict.policy.has_value());
  }
  const auto waiting =
      check(dns, {.author = "example.org", .dkim = {{State::temporary, "mail.example.org"}}});
  EXPECT_EQ(waiting.result, DmarcResult::temp_error);
  const auto beside =
      check(dns, {.author = "example.org", .dkim = {{State::temporary, "other.example"}}});
  EXPECT_EQ(beside.result, DmarcResult::fail);
}

TEST(Dmarc, TwoRecordsAtOneNameAreNone) {
  FakeDns dns;
  dns.add("_dmarc.example.org", DnsType::txt, std::string("v=DMARC1; p=reject"));
  dns.add("_dmarc.example.org", DnsType::txt, std::string("v=DMARC1; p=none"));
  EXPECT_EQ(check(dns, {.author = "example.org"}).result, DmarcResult::none);
}

TEST(Dmarc, TheAuthorIsWhoAReaderSees) {
  struct Case {
    const char* header;
    AuthorDomains::State state;
    std::vector<std::string> domains;
  };
  using Author = AuthorDomains::State;
  const Case cases[] = {
      {"Subject: x\r\n\r\n", Author::missing, {}},
      {"From: \"a@bank.example\" <b@evil.example>\r\n\r\n", Author::found, {"evil.example"}},
      {"from : a@EXAMPLE.org\r\n\r\n", Author::found, {"example.org"}},
      {"From: a@x.example\r\nFROM: b@y.example\r\n\r\n",
       Author::several,
       {"x.example", "y.example"}},
      {"From: a@x.example, b@y.example, c@X.example\r\n\r\n",
       Author::found,
       {"x.example", "y.example"}},
      {"From: a@x.example <b@y.example>\r\n\r\n", Author::found, {"y.example"}},
      {"From: Kowalski, Jan <jan@x.example>\r\n\r\n", Author::malformed, {"x.example"}},
      {"From: ludzie:;\r\n\r\n", Author::malformed, {}},
      {"From: a@[192.0.2.1]\r\n\r\n", Author::malformed, {}},
      {"From: =?utf-8?q?a=40bank=2Eexample?= <b@evil.example>\r\n\r\n",
       Author::found,
       {"evil.example"}},
      {"From: za\xC5\xBC@b\xC3\xBC"
       "cher.example\r\n\r\n",
       Author::found,
       {"xn--bcher-kva.example"}},
      {"From: (a@bank.example)\r\n\tb@evil.example\r\n\r\n", Author::found, {"evil.example"}}};
  for (const auto& [header, state, domains] : cases) {
    const auto block = scan_header(header, {});
    ASSERT_TRUE(block.has_value());
    const auto author = author_domains(*block);
    EXPECT_EQ(static_cast<int>(author.state), static_cast<int>(state)) << header;
    EXPECT_EQ(author.domains, domains) << header;
  }
}

}  // namespace
}  // namespace goniec
