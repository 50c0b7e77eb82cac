// Any octets as a mail with reports, as a packed file, as XML, as JSON, as a record:
// bounded in octets, records and texts, and what was read is the same when we write it and read it
// again.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "trust/dmarc_report.h"
#include "trust/report_mail.h"
#include "trust/tls_report.h"

using namespace goniec;

namespace {

constexpr std::size_t records = 20, text_octets = 50;

void try_dmarc(std::string_view xml) {
  const auto report =
      parse_dmarc_report(xml, {.marks = 10'000, .records = records, .text_octets = text_octets});
  if (!report) return;
  CHECK(report->records.size() <= records && report->organisation.size() < text_octets + 4);
  const auto again = parse_dmarc_report(compose_dmarc_report(*report));
  CHECK(again && again->report_id == report->report_id &&
        again->policy.p != ReportedDisposition::pass);
}

void try_tls(std::string_view json) {
  const auto report =
      parse_tls_report(json, {.policies = 10, .failures = 10, .text_octets = text_octets});
  if (!report) return;
  const auto composed = compose_tls_report(*report);
  const auto again = parse_tls_report(composed);
  CHECK(again && compose_tls_report(*again) == composed);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view octets(reinterpret_cast<const char*>(data + 1), size - 1);
  ReportMailLimits limits;
  limits.unpack.octets = 1u << 18;
  limits.unpack.ratio_from = 1u << 14;
  switch (data[0] % 5) {
    case 0:
      try_dmarc(octets);
      break;
    case 1:
      try_tls(octets);
      break;
    case 2:
    case 3: {
      const auto found = data[0] % 5 == 2 ? find_reports(octets, limits)
                                          : find_reports_in_file(octets, "x", limits);
      std::size_t all = 0;
      for (const auto& each : found.reports) {
        if (each.kind != ReportKind::failure) all += each.text.size();
        if (each.kind == ReportKind::dmarc_aggregate) try_dmarc(each.text);
        if (each.kind == ReportKind::tls) try_tls(each.text);
      }
      CHECK(all <= limits.unpack.octets + octets.size());
      break;
    }
    default:
      if (const auto record = parse_tls_report_record(octets)) CHECK(!record->empty());
      break;
  }
  return 0;
}
