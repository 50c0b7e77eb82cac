// Finds the reports in a mail: DMARC aggregate reports (XML), TLS reports (JSON), failure reports
// (RFC 6591), in whatever part and packing they came. Reporters write almost any media type, so a
// part is judged by its octets: gzip, zip, XML with <feedback>, JSON with "policies"; texts for
// people are looked at only when their name or type says that they hold a report.
//
// Promises: work and memory are bounded (parts of one mail, octets that come out of all of them
// together); a part that is broken is told in `problems` and does not spoil the others.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "trust/unpack.h"

namespace goniec {

struct ReportMailLimits {
  std::size_t parts = 20;  // looked at
  std::size_t mail_octets = 40u << 20;
  UnpackLimits unpack;  // `octets` is for all parts together
};

enum class ReportKind { dmarc_aggregate, tls, failure };

struct FoundReport {
  ReportKind kind = ReportKind::dmarc_aggregate;
  std::string name;  // of the file, as far as given; for people
  std::string text;  // XML or JSON, not parsed; of a failure report its fields
};

struct ReportMail {
  std::vector<FoundReport> reports;
  std::vector<std::string> problems;
};

ReportMail find_reports(std::string_view message, ReportMailLimits limits = {});
// The same for a file that is no mail: report, or a packed one.
ReportMail find_reports_in_file(std::string_view octets, std::string_view name,
                                ReportMailLimits limits = {});

}  // namespace goniec
