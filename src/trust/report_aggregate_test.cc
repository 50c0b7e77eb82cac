// Reports about others: equal rows are counted once, a restart loses nothing, strangers' domains
// are bounded, and nobody gets a report who did not ask for it.
#include "trust/report_aggregate.h"

#include <gtest/gtest.h>

#include "trust/report_mail.h"

namespace goniec {
namespace {

const Instant noon{std::chrono::days(20'000) + std::chrono::hours(12)};
const Reporter us{"Us", "reports@mx.example.pl", "mx.example.pl"};

DmarcObservation seen(const std::string& domain, const std::string& from) {
  DmarcObservation observation;
  observation.policy.domain = domain;
  observation.policy.p = ReportedDisposition::reject;
  observation.rua = {"mailto:r@" + domain};
  observation.record.source = IpAddress::parse("192.0.2.1");
  observation.record.count = 1;
  observation.record.header_from = from;
  observation.record.dkim = ReportedResult::pass;
  observation.record.disposition = ReportedDisposition::pass;
  observation.record.spf_results = {{from, ReportedScope::mfrom, ReportedResult::pass, ""}};
  return observation;
}

TEST(DmarcAggregate, counts_equal_rows_once_and_survives_a_restart) {
  DmarcAggregate aggregate;
  for (int i = 0; i < 3; ++i) aggregate.add(seen("example.org", "example.org"), noon);
  aggregate.add(seen("example.org", "sub.example.org"), noon);
  aggregate.add(seen("example.org", "example.org"), noon + std::chrono::hours(24));
  const auto changed = aggregate.take_changed();
  ASSERT_EQ(changed.size(), 2u);
  EXPECT_TRUE(aggregate.take_changed().empty());
  DmarcAggregate again;
  for (const auto& key : changed) {
    EXPECT_EQ(PendingKey::parse(key.text()), key);
    ASSERT_TRUE(again.restore(key, aggregate.text(key)));
  }
  again.add(seen("example.org", "example.org"), noon);
  EXPECT_EQ(again.before(20'001).size(), 1u);
  const auto pending = again.pending({"example.org", 20'000}, us);
  ASSERT_TRUE(pending);
  EXPECT_EQ(pending->rua, std::vector<std::string>{"mailto:r@example.org"});
  ASSERT_EQ(pending->report.records.size(), 2u);
  std::uint64_t messages = 0;
  for (const auto& record : pending->report.records) messages += record.count;
  EXPECT_EQ(messages, 5u);
  EXPECT_EQ(pending->report.begin, 20'000u * 86'400);
  EXPECT_EQ(pending->report.report_id, "1728000000.example.org@mx.example.pl");
  again.forget({"example.org", 20'000});
  EXPECT_FALSE(again.pending({"example.org", 20'000}, us));
}

TEST(DmarcAggregate, is_bounded) {
  DmarcAggregate aggregate({.reports = 2, .rows = 2, .all_rows = 3});
  for (const auto* from : {"a", "b", "c"}) aggregate.add(seen("one.example", from), noon);
  EXPECT_EQ(aggregate.dropped(), 1u) << "rows of a report";
  aggregate.add(seen("two.example", "a"), noon);
  aggregate.add(seen("three.example", "a"), noon);
  EXPECT_EQ(aggregate.dropped(), 2u) << "reports";
  aggregate.add(seen("two.example", "b"), noon);
  EXPECT_EQ(aggregate.dropped(), 3u) << "all rows";
  auto nobody = seen("four.example", "a");
  nobody.rua.clear();
  aggregate.add(nobody, noon);
  EXPECT_EQ(aggregate.dropped(), 3u) << "who asks for no report is not counted at all";
}

TEST(TlsAggregate, counts_by_policy_and_failure) {
  TlsAggregate aggregate;
  TlsObservation good{"example.org", {.type = TlsPolicyType::sts, .domain = "example.org"}, {}};
  TlsObservation bad = good;
  bad.failure = TlsFailure{"certificate-expired", "192.0.2.9", "mx.example.org", "", "", 0, "", ""};
  for (int i = 0; i < 4; ++i) aggregate.add(good, noon);
  for (int i = 0; i < 2; ++i) aggregate.add(bad, noon);
  TlsAggregate again;
  const auto key = aggregate.take_changed().at(0);
  ASSERT_TRUE(again.restore(key, aggregate.text(key)));
  again.add(bad, noon);
  const auto report = again.pending(key, us);
  ASSERT_TRUE(report && report->policies.size() == 1);
  EXPECT_EQ(report->policies[0].successful, 4u);
  EXPECT_EQ(report->policies[0].failed, 3u);
  ASSERT_EQ(report->policies[0].failures.size(), 1u);
  EXPECT_EQ(report->policies[0].failures[0].sessions, 3u);
}

ReportDestinations judge(const std::vector<std::string>& rua,
                         const std::map<std::string, DnsAnswer>& texts) {
  Findings findings;
  for (int round = 0; round < 20; ++round) {
    if (auto out = judge_destinations(findings, "example.org", rua)) return *out;
    for (const auto& question : findings.take_missing()) {
      const auto at = texts.find(question.name);
      findings.learn(question, at == texts.end() ? DnsAnswer{.status = DnsStatus::no_such_domain}
                                                 : at->second);
    }
  }
  ADD_FAILURE() << "no end";
  return {};
}

DnsAnswer text(const std::string& value) {
  return {.status = DnsStatus::found, .records = {value}};
}

TEST(ReportDestinations, are_asked_whether_they_want_it) {
  const auto own = text("v=DMARC1; p=none");
  const std::map<std::string, DnsAnswer> zone{
      {"_dmarc.example.org", own},
      {"example.org._report._dmarc.yes.example", text("v=DMARC1")},
      {"example.org._report._dmarc.instead.example",
       text("v=DMARC1; rua=mailto:b@instead.example")},
      {"example.org._report._dmarc.away.example", text("v=DMARC1; rua=mailto:b@victim.example")},
      {"example.org._report._dmarc.other.example", text("v=spf1 -all")},
      {"example.org._report._dmarc.slow.example", {.status = DnsStatus::temporary}},
  };
  const auto out =
      judge({"mailto:a@sub.example.org", "mailto:a@yes.example!10m", "mailto:a@instead.example",
             "mailto:a@away.example", "mailto:a@other.example", "mailto:a@no.example",
             "https://x.example/", "mailto:a@slow.example", "mailto:bad\r\nBcc: x@y"},
            zone);
  EXPECT_EQ(out.addresses,
            (std::vector<std::string>{"a@sub.example.org", "a@yes.example", "b@instead.example"}));
  EXPECT_EQ(out.refused.size(), 5u);
  EXPECT_TRUE(out.try_later);
}

TEST(ReportMails, are_found_again_by_those_who_read_them) {
  DmarcAggregate aggregate;
  aggregate.add(seen("example.org", "example.org"), noon);
  const auto pending = aggregate.pending({"example.org", 20'000}, us);
  const auto mail = compose_dmarc_mail(
      pending->report, {"reports@mx.example.pl", "r@example.org", "mx.example.pl", noon});
  EXPECT_NE(mail.header.find("Subject: Report Domain: example.org Submitter: mx.example.pl"),
            std::string::npos)
      << mail.header;
  const auto found = find_reports(mail.header + mail.body);
  ASSERT_EQ(found.reports.size(), 1u);
  EXPECT_EQ(found.reports[0].name, "mx.example.pl!example.org!1728000000!1728086399.xml.gz");
  EXPECT_TRUE(parse_dmarc_report(found.reports[0].text));
  TlsAggregate tls;
  tls.add({"example.org", {.type = TlsPolicyType::tlsa, .domain = "example.org"}, {}}, noon);
  const auto report = tls.pending({"example.org", 20'000}, us);
  const auto tls_mail = compose_tls_mail(
      *report, "example.org", {"reports@mx.example.pl", "r@example.org", "mx.example.pl", noon});
  EXPECT_NE(tls_mail.header.find("\r\nTLS-Report-Domain: example.org\r\n"), std::string::npos);
  const auto again = find_reports(tls_mail.header + tls_mail.body);
  ASSERT_EQ(again.reports.size(), 1u);
  EXPECT_EQ(again.reports[0].kind, ReportKind::tls);
}

}  // namespace
}  // namespace goniec
