// DMARC reports: what the broken ones of the field still say, what is refused, and that what we
// write cannot be turned into something else by a text in it.
#include "trust/dmarc_report.h"

#include <gtest/gtest.h>

#include "mail/transfer.h"
#include "trust/report_mail.h"

namespace goniec {
namespace {

std::string report_xml(const std::string& organisation, const std::string& records) {
  return "<feedback><report_metadata><org_name>" + organisation +
         "</org_name><report_id>1</report_id><date_range><begin>10</begin><end>20</end>"
         "</date_range></report_metadata><policy_published><domain>Example.ORG.</domain>"
         "<p>reject</p></policy_published>" +
         records + "</feedback>";
}
const std::string one_record =
    "<record><row><source_ip>192.0.2.1</source_ip><count>3</count><policy_evaluated>"
    "<disposition>none</disposition><dkim>pass</dkim><spf>hardfail</spf></policy_evaluated></row>"
    "<identifiers><header_from>example.org</header_from></identifiers></record>";

TEST(DmarcReport, is_read_with_the_words_of_the_field) {
  const auto report = parse_dmarc_report(report_xml("A &amp; B", one_record));
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->organisation, "A & B");
  EXPECT_EQ(report->policy.domain, "example.org");
  EXPECT_EQ(report->end, 20u);
  ASSERT_EQ(report->records.size(), 1u);
  EXPECT_EQ(report->records[0].count, 3u);
  EXPECT_EQ(report->records[0].spf, ReportedResult::fail) << "hardfail";
  EXPECT_TRUE(report->problems.empty());
}

TEST(DmarcReport, has_texts_that_stay_what_they_are_when_they_are_written_and_read_again) {
  for (const char* name : {"ab\n\n\n\ncd", "&#1;ab", "ab &#2;", "&#1; ab"}) {
    SCOPED_TRACE(name);
    const auto report = parse_dmarc_report(report_xml(name, one_record), {.text_octets = 4});
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->organisation, "ab");
    const auto again = parse_dmarc_report(compose_dmarc_report(*report));
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->organisation, report->organisation);
  }
}

TEST(DmarcReport, that_is_not_well_formed_is_read_as_far_as_it_goes) {
  struct Case {
    const char* what;
    std::string xml, organisation;
    std::size_t records;
  };
  for (const Case& each : std::vector<Case>{
           {"a lone <", report_xml("a < b", one_record), "a < b", 1},
           {"an address in brackets", report_xml("<a@b.example>", one_record), "<a@b.example>", 1},
           {"a lone &", report_xml("a & b <", one_record), "a & b <", 1},
           {"a wrapper", "<x:schema>" + report_xml("a", one_record), "a", 1},
           {"no end",
            report_xml("a", one_record).substr(0, report_xml("a", one_record).size() - 11), "a", 1},
           {"words before", "Dear all,\n" + report_xml("a", one_record), "a", 1},
           {"a comment that holds a tag", report_xml("a<!-- </feedback> -->", one_record), "a", 1},
       }) {
    SCOPED_TRACE(each.what);
    const auto report = parse_dmarc_report(each.xml);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->organisation, each.organisation);
    EXPECT_EQ(report->records.size(), each.records);
  }
}

TEST(DmarcReport, expands_no_entity_and_reads_no_file) {
  const auto report = parse_dmarc_report(
      "<?xml version=\"1.0\"?><!DOCTYPE feedback [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b "
      "\"&a;&a;&a;\"><!ENTITY f SYSTEM \"file:///etc/passwd\">]>" +
      report_xml("&b;&f;", one_record));
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->organisation, "&b;&f;");
}

TEST(DmarcReport, refuses_what_is_none_or_too_much) {
  EXPECT_FALSE(parse_dmarc_report(""));
  EXPECT_FALSE(parse_dmarc_report("<feedback/>"));
  EXPECT_FALSE(parse_dmarc_report("<html><body>feedback</body></html>"));
  EXPECT_FALSE(parse_dmarc_report("{\"feedback\": 1}"));
  EXPECT_FALSE(parse_dmarc_report(report_xml("a", one_record), {.octets = 100}));
  EXPECT_FALSE(parse_dmarc_report(report_xml("a", one_record), {.marks = 10}));
  EXPECT_FALSE(parse_dmarc_report(report_xml("a", one_record + one_record), {.records = 1}));
  std::string deep = "<feedback>";
  for (int i = 0; i < 300'000; ++i) deep += "<a>";
  EXPECT_FALSE(parse_dmarc_report(deep)) << "and the stack survives";
}

TEST(DmarcReport, bounds_and_cleans_each_text) {
  const auto report =
      parse_dmarc_report(report_xml("a\x01\xff" + std::string(5000, 'x'), one_record));
  ASSERT_TRUE(report);
  EXPECT_LE(report->organisation.size(), 2000u);
  EXPECT_TRUE(report->organisation.starts_with("a \xEF\xBF\xBDxxx"));
}

TEST(DmarcReport, that_we_write_holds_texts_of_strangers_as_texts) {
  auto report = *parse_dmarc_report(report_xml("a", one_record));
  report.records[0].header_from = "</header_from><x>&\"\r\n\x01\xff";
  report.records[0].spf_results = {
      {"helo.example", ReportedScope::helo, ReportedResult::pass, ""},
      {"from.example", ReportedScope::mfrom, ReportedResult::fail, ""}};
  report.records[0].reasons = {{OverrideKind::sampled_out, "pct"}};
  report.records.push_back({});  // without an address
  const auto again = parse_dmarc_report(compose_dmarc_report(report));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_TRUE(again->problems.empty());
  ASSERT_EQ(again->records.size(), 1u);
  EXPECT_EQ(again->records[0].header_from, "</header_from><x>&\"   \xEF\xBF\xBD");
  ASSERT_EQ(again->records[0].spf_results.size(), 1u) << "RFC 9990 knows only MAIL FROM";
  EXPECT_EQ(again->records[0].spf_results[0].domain, "from.example");
  EXPECT_EQ(again->records[0].reasons[0].kind, OverrideKind::other);
}

TEST(DmarcReport, has_the_file_name_and_the_subject_of_the_standard) {
  const auto report = *parse_dmarc_report(report_xml("a", one_record));
  EXPECT_EQ(dmarc_report_file_name(report, "mx.example.net"),
            "mx.example.net!example.org!10!20.xml.gz");
  EXPECT_EQ(dmarc_report_file_name(report, "mx.example.net", "7F"),
            "mx.example.net!example.org!10!20!7F.xml.gz");
  EXPECT_EQ(dmarc_report_subject(report, "mx.example.net"),
            "Report Domain: example.org Submitter: mx.example.net Report-ID: <1>");
}

TEST(ReportMail, looks_at_octets_and_not_at_types) {
  const std::string xml = report_xml("a", one_record);
  const std::string mail =
      "Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: "
      "text/plain\r\n\r\n<feedback> for people\r\n--b\r\nContent-Type: image/png; "
      "name=r.xml\r\n\r\n" +
      xml +
      "\r\n--b\r\nContent-Type: application/x-strange\r\nContent-Transfer-Encoding: "
      "base64\r\n\r\n" +
      encode_base64_lines(gzip(xml)) +
      "\r\n--b\r\nContent-Type: application/zip\r\n\r\nPK\x03\x04" + "broken\r\n--b--\r\n";
  const auto found = find_reports(mail);
  EXPECT_EQ(found.reports.size(), 2u);
  EXPECT_EQ(found.problems.size(), 1u);
}

TEST(ReportMail, bounds_all_parts_together) {
  std::string mail = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
  const std::string xml = report_xml(std::string(60'000, 'a'), one_record);
  for (int i = 0; i < 30; ++i)
    mail += "--b\r\nContent-Type: application/gzip\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
            encode_base64_lines(gzip(xml)) + "\r\n";
  EXPECT_EQ(find_reports(mail).reports.size(), 20u) << "parts";
  ReportMailLimits limits;
  limits.unpack.octets = 200'000;
  EXPECT_EQ(find_reports(mail, limits).reports.size(), 3u) << "octets";
}

}  // namespace
}  // namespace goniec
