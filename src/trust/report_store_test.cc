// Kept reports: they come back, twice the same is one, sources add up over reports.
#include "trust/report_store.h"

#include <gtest/gtest.h>

namespace goniec {
namespace {

DmarcReport report_of(const std::string& organisation, std::uint64_t count, ReportedResult dkim,
                      ReportedResult spf) {
  DmarcReport report;
  report.organisation = organisation;
  report.report_id = "1";
  report.begin = 1'793'491'200;
  report.end = report.begin + 86'399;
  report.policy.domain = "example.org";
  DmarcReportRecord record;
  record.source = IpAddress::parse("192.0.2.1");
  record.count = count;
  record.dkim = dkim;
  record.spf = spf;
  record.disposition = ReportedDisposition::pass;
  record.header_from = "example.org";
  report.records = {record};
  return report;
}

TEST(KeptReports, come_back_and_twice_the_same_is_one) {
  const auto report = report_of("A", 3, ReportedResult::pass, ReportedResult::fail);
  const auto kept = keep(report, Instant{});
  EXPECT_EQ(keep(report, Instant{} + std::chrono::hours(1)).key, kept.key);
  EXPECT_NE(keep(report_of("B", 3, ReportedResult::pass, ReportedResult::fail), Instant{}).key,
            kept.key);
  EXPECT_EQ(domain_of_key(kept.key), "example.org");
  EXPECT_EQ(to_rfc3339(begin_of_key(kept.key)), "2026-11-01T00:00:00.000Z");
  const auto again = kept_dmarc_report(kept.value);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->records.at(0).count, 3u);
  EXPECT_EQ(kept_dmarc_report("{}").error().kind, ErrorKind::damaged);
  TlsReport tls;
  tls.policies.resize(1);
  tls.policies[0].domain = "example.net";
  EXPECT_EQ(domain_of_key(keep(tls, Instant{}).key), "example.net");
  EXPECT_TRUE(kept_tls_report(keep(tls, Instant{}).value));
}

TEST(DmarcSources, add_up_over_reports) {
  DmarcSources sources;
  add_sources(sources, report_of("A", 3, ReportedResult::pass, ReportedResult::fail));
  add_sources(sources, report_of("B", 4, ReportedResult::fail, ReportedResult::fail));
  ASSERT_EQ(sources.size(), 1u);
  const auto& source = sources.begin()->second;
  EXPECT_EQ(source.messages, 7u);
  EXPECT_EQ(source.passed, 3u);
  EXPECT_EQ(source.spf, 0u);
  EXPECT_EQ(source.dispositions.at("none"), 7u);
  const auto json = dmarc_sources_json(sources, {{*IpAddress::parse("192.0.2.1"), "a.example"}});
  EXPECT_NE(json.find("\"name\":\"a.example\",\"messages\":7"), std::string::npos) << json;
}

}  // namespace
}  // namespace goniec
