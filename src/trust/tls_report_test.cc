// TLS reports: what is read, what is refused, and the record that asks for them.
#include "trust/tls_report.h"

#include <gtest/gtest.h>

namespace goniec {
namespace {

TEST(TlsReport, is_read_from_what_the_field_writes) {
  const auto report = parse_tls_report(
      "\xEF\xBB\xBF{\"organization-name\":\"A\\u0007\",\"date-range\":{\"start-datetime\":"
      "\"2026-11-01T01:00:00+01:00\",\"end-datetime\":\"2026-11-02T00:00:00Z\"},\"policies\":[{"
      "\"policy\":{\"policy-type\":\"STS\",\"policy-domain\":\"Example.ORG\",\"mx-host\":\"*.x\"},"
      "\"summary\":{\"total-successful-session-count\":\"7\",\"total-failure-session-count\":-1},"
      "\"failure-details\":[{\"result-type\":\"of-tomorrow\",\"failed-session-count\":1}]}]}");
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->organisation, "A");
  EXPECT_EQ(to_rfc3339(report->begin), "2026-11-01T00:00:00.000Z");
  ASSERT_EQ(report->policies.size(), 1u);
  EXPECT_EQ(report->policies[0].type, TlsPolicyType::sts);
  EXPECT_EQ(report->policies[0].domain, "example.org");
  EXPECT_EQ(report->policies[0].mx_hosts, std::vector<std::string>{"*.x"});
  EXPECT_EQ(report->policies[0].successful, 7u);
  EXPECT_EQ(report->policies[0].failed, 0u) << "never below nothing";
  EXPECT_EQ(report->policies[0].failures.at(0).result_type, "of-tomorrow");
}

TEST(TlsReport, that_is_none_is_refused) {
  for (const std::string text : {"", "[]", "{}", "null", "{\"policies\":{}}", "{\"policies\":["})
    EXPECT_FALSE(parse_tls_report(text)) << text;
  EXPECT_TRUE(parse_tls_report("{\"policies\":[1,null,{}]}")) << "what is empty says nothing";
  EXPECT_FALSE(parse_tls_report("{\"policies\":[1,2]}", {.policies = 1}));
  EXPECT_FALSE(parse_tls_report("{\"policies\":[]}", {.octets = 10}));
}

TEST(TlsReport, that_we_write_reads_as_the_same) {
  TlsReport report;
  report.organisation = "mx \"quoted\"";
  report.report_id = "1@mx";
  report.begin = from_microseconds(1'793'491'200'000'000);
  report.end = report.begin + std::chrono::seconds(86'399);
  TlsReportPolicy policy;
  policy.type = TlsPolicyType::tlsa;
  policy.domain = "example.org";
  policy.strings = {"3 1 1 00"};
  policy.failures = {{"tlsa-invalid", "192.0.2.1", "mx.example.org", "", "192.0.2.2", 2, "", "x"}};
  report.policies = {policy};
  const auto text = compose_tls_report(report);
  EXPECT_NE(text.find("\"start-datetime\":\"2026-11-01T00:00:00Z\""), std::string::npos) << text;
  const auto again = parse_tls_report(text);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->end, report.end);
  EXPECT_EQ(again->policies[0].failures, policy.failures);
  EXPECT_EQ(compose_tls_report(*again), text);
  EXPECT_EQ(tls_report_file_name(report, "mx.example.net", "example.org", "001"),
            "mx.example.net!example.org!1793491200!1793577599!001.json.gz");
}

TEST(TlsReportRecord, names_its_destinations) {
  EXPECT_EQ(parse_tls_report_record("v=TLSRPTv1; rua=mailto:a@b.example , https://c.example/d; x=y")
                .value(),
            (std::vector<std::string>{"mailto:a@b.example", "https://c.example/d"}));
  EXPECT_EQ(parse_tls_report_record("v=TLSRPTv1;rua=ftp://x,mailto:a@b")->size(), 1u);
  EXPECT_FALSE(parse_tls_report_record("v=TLSRPTv1; rua=mailto:a@b; 1%=a").has_value());
  for (const std::string text :
       {"v=TLSRPTv1", "v=TLSRPTv10; rua=mailto:a@b", "rua=mailto:a@b",
        "v=TLSRPTv1; rua=", "v=TLSRPTv1; rua=ftp://x", "v=TLSRPTv1; ext=1", ""})
    EXPECT_FALSE(parse_tls_report_record(text)) << text;
}

TEST(TlsReportRecord, is_none_when_there_are_two) {
  EXPECT_TRUE(tls_report_record_of({"v=spf1 -all", "v=TLSRPTv1; rua=mailto:a@b"}));
  EXPECT_TRUE(tls_report_record_of({"v=TLSRPTv10; x", "v=TLSRPTv1 ;rua=mailto:a@b"}));
  EXPECT_FALSE(tls_report_record_of({"v=TLSRPTv1; rua=mailto:a@b", "v=TLSRPTv1; rua=mailto:c@b"}));
  EXPECT_FALSE(tls_report_record_of({"v=TLSRPTv1"}));
}

}  // namespace
}  // namespace goniec
