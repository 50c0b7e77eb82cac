// DNS advice: what a domain without records is told, what a right one is told, and that a DNS that
// does not answer is never taken for one that says no.
#include "trust/dns_advice.h"

#include <gtest/gtest.h>

#include <map>

namespace goniec {
namespace {

using Zone = std::map<DnsQuestion, DnsAnswer>;

DnsAnswer found(std::vector<DnsRecord> records) {
  return {.status = DnsStatus::found, .records = std::move(records)};
}
DnsAnswer text(const std::string& value) {
  return found({value});
}

DnsAdviceFacts server() {
  DnsAdviceFacts facts;
  facts.domain = "example.pl";
  facts.hostname = "mx.example.pl";
  facts.addresses = {*IpAddress::parse("198.51.100.7")};
  facts.keys = {{"s1", "v=DKIM1; k=ed25519; p=AAAA"}};
  facts.reports = "reports@example.pl";
  facts.tlsa = {{3, 1, 1, "\x01\x02"}};
  facts.services = {{"_submissions._tcp", 465}};
  return facts;
}

Zone right_zone() {
  Zone zone;
  zone[{"example.pl", DnsType::mx}] = found({DnsMx{10, "mx.example.pl"}});
  zone[{"mx.example.pl", DnsType::a}] = found({*IpAddress::parse("198.51.100.7")});
  zone[{"7.100.51.198.in-addr.arpa", DnsType::ptr}] = text("mx.example.pl");
  zone[{"example.pl", DnsType::txt}] = found({std::string("other"), std::string("v=spf1 mx -all")});
  zone[{"mx.example.pl", DnsType::txt}] = text("v=spf1 a -all");
  zone[{"s1._domainkey.example.pl", DnsType::txt}] = text("v=DKIM1;k=ed25519;p=AA AA");
  zone[{"_dmarc.example.pl", DnsType::txt}] =
      text("v=DMARC1; p=quarantine; rua=mailto:reports@example.pl");
  zone[{"_smtp._tls.example.pl", DnsType::txt}] = text("v=TLSRPTv1; rua=mailto:reports@example.pl");
  zone[{"_25._tcp.mx.example.pl", DnsType::tlsa}] = found({DnsTlsa{3, 1, 1, "\x01\x02"}});
  zone[{"_submissions._tcp.example.pl", DnsType::srv}] = text("5 5 465 mx.example.pl");
  return zone;
}

DnsAdvice advise(const Zone& zone, const DnsAdviceFacts& facts,
                 DnsStatus otherwise = DnsStatus::no_such_domain) {
  Findings findings;
  for (int round = 0; round < 20; ++round) {
    if (auto advice = advise_dns(findings, facts)) return *advice;
    for (const auto& question : findings.take_missing()) {
      const auto at = zone.find(question);
      findings.learn(question, at == zone.end() ? DnsAnswer{.status = otherwise} : at->second);
    }
  }
  ADD_FAILURE() << "no end";
  return {};
}

const AdvisedRecord& of(const DnsAdvice& advice, std::string_view topic) {
  for (const auto& record : advice.records) {
    if (record.topic == topic) return record;
  }
  throw std::runtime_error("no record " + std::string(topic));
}

TEST(DnsAdvice, says_that_all_is_well_where_it_is) {
  const auto advice = advise(right_zone(), server());
  for (const auto& record : advice.records) {
    if (record.required) EXPECT_EQ(record.state, AdviceState::ok) << record.topic << record.found;
    EXPECT_NE(record.state, AdviceState::wrong) << record.topic << ": " << record.found;
  }
  EXPECT_FALSE(advice.is_wrong());
  EXPECT_EQ(of(advice, "SPF").value, "v=spf1 mx -all") << "what is right is not changed";
  EXPECT_EQ(of(advice, "TLSA").state, AdviceState::ok);
  EXPECT_EQ(of(advice, "SRV").state, AdviceState::ok) << "other priorities are as good";
}

TEST(DnsAdvice, names_each_record_of_an_empty_zone) {
  const auto advice = advise({}, server());
  EXPECT_TRUE(advice.is_wrong());
  for (const auto* topic : {"MX", "address", "PTR", "SPF", "DKIM", "DMARC", "TLS-RPT", "TLSA"}) {
    EXPECT_EQ(of(advice, topic).state, AdviceState::missing) << topic;
    EXPECT_FALSE(of(advice, topic).fix.empty()) << topic;
  }
  const auto zone = advice_as_zone(advice);
  EXPECT_NE(zone.find("\nexample.pl. 3600 IN MX 10 mx.example.pl.\n"), std::string::npos) << zone;
  EXPECT_NE(zone.find("\nexample.pl. 3600 IN TXT \"v=spf1 a:mx.example.pl -all\"\n"),
            std::string::npos);
  EXPECT_NE(zone.find("\n; 7.100.51.198.in-addr.arpa. 3600 IN PTR"), std::string::npos);
  EXPECT_NE(zone.find("\n; _mta-sts.example.pl. "), std::string::npos) << "not served: a comment";
}

TEST(DnsAdvice, never_takes_silence_for_no) {
  for (const auto status : {DnsStatus::temporary, DnsStatus::bogus}) {
    const auto advice = advise({}, server(), status);
    for (const auto& record : advice.records)
      EXPECT_EQ(record.state, AdviceState::cannot_tell) << record.topic;
    EXPECT_FALSE(advice.is_wrong());
  }
}

TEST(DnsAdvice, sees_what_is_wrong) {
  struct Case {
    const char* topic;
    DnsQuestion question;
    DnsAnswer answer;
    std::string value;  // proposed
  };
  const std::string old_spf = "v=spf1 include:_spf.other.example ~all";
  for (const Case& each : std::vector<Case>{
           {"MX", {"example.pl", DnsType::mx}, found({DnsMx{0, ""}}), "10 mx.example.pl."},
           {"MX",
            {"example.pl", DnsType::mx},
            found({DnsMx{5, "mx.other.example"}}),
            "10 mx.example.pl."},
           {"address",
            {"mx.example.pl", DnsType::a},
            found({*IpAddress::parse("203.0.113.1")}),
            "198.51.100.7"},
           {"PTR",
            {"7.100.51.198.in-addr.arpa", DnsType::ptr},
            text("host7.provider.example"),
            "mx.example.pl."},
           {"SPF",
            {"example.pl", DnsType::txt},
            text("v=spf1 ip4:203.0.113.9 ~all"),
            "v=spf1 ip4:203.0.113.9 a:mx.example.pl ~all"},
           {"SPF",
            {"example.pl", DnsType::txt},
            found({std::string("v=spf1 mx -all"), std::string("v=spf1 a -all")}),
            "v=spf1 mx a:mx.example.pl -all"},
           {"DKIM",
            {"s1._domainkey.example.pl", DnsType::txt},
            text("v=DKIM1; k=ed25519; p=BBBB"),
            "v=DKIM1; k=ed25519; p=AAAA"},
           {"DMARC",
            {"_dmarc.example.pl", DnsType::txt},
            text("v=DMARC1; p=rejekt"),
            "v=DMARC1; p=none; rua=mailto:reports@example.pl"},
           {"DMARC",
            {"_dmarc.example.pl", DnsType::txt},
            text("p=none"),
            "v=DMARC1; p=none; rua=mailto:reports@example.pl"},
           {"TLS-RPT",
            {"_smtp._tls.example.pl", DnsType::txt},
            text("v=TLSRPTv1"),
            "v=TLSRPTv1; rua=mailto:reports@example.pl"},
           {"TLSA",
            {"_25._tcp.mx.example.pl", DnsType::tlsa},
            found({DnsTlsa{3, 1, 1, "xx"}}),
            "3 1 1 0102"},
           {"SRV",
            {"_submissions._tcp.example.pl", DnsType::srv},
            text("0 1 465 other.example"),
            "0 1 465 mx.example.pl."},
           {"MTA-STS", {"_mta-sts.example.pl", DnsType::txt}, text("v=STSv1"), ""},
       }) {
    SCOPED_TRACE(each.topic);
    auto zone = right_zone();
    zone[each.question] = each.answer;
    const auto advice = advise(zone, server());
    const auto& record = of(advice, each.topic);
    EXPECT_EQ(record.state, AdviceState::wrong);
    EXPECT_FALSE(record.fix.empty());
    EXPECT_TRUE(advice.is_wrong());
    if (!each.value.empty()) EXPECT_EQ(record.value, each.value);
  }
}

TEST(DnsAdvice, tells_the_next_step_of_the_ladder_and_the_permit_of_another_domain) {
  auto facts = server();
  facts.reports = "x@reports.example";
  auto zone = right_zone();
  const auto advice = advise(zone, facts);
  ASSERT_FALSE(advice.notes.empty());
  EXPECT_NE(advice.notes[0].find("p=reject"), std::string::npos);
  EXPECT_EQ(of(advice, "DMARC reports").name, "example.pl._report._dmarc.reports.example");
  zone[{"example.pl._report._dmarc.reports.example", DnsType::txt}] = text("v=DMARC1;");
  EXPECT_EQ(of(advise(zone, facts), "DMARC reports").state, AdviceState::ok);
}

TEST(DnsAdvice, quotes_long_texts_so_that_they_stay_one_record) {
  auto facts = server();
  facts.keys = {{"rsa", "v=DKIM1; k=rsa; p=" + std::string(392, 'A') + "\"\\\x01"}};
  const auto zone = advice_as_zone(advise({}, facts));
  EXPECT_NE(zone.find("AAA\" \"AAA"), std::string::npos);
  EXPECT_NE(zone.find("\\\"\\\\\\001\"\n"), std::string::npos) << zone;
}

}  // namespace
}  // namespace goniec
