// DMARC aggregate reports (RFC 9990; in the field mostly still the form of RFC 7489 appendix C):
// read what others send about our domains, write what we send about theirs.
//
// Reading is as tolerant as the field needs and bounded as a stranger demands: unknown elements are
// passed over, enumerations are read in any case, and a value that is none of its enumeration is
// `unspecified`. A document that is not well-formed is repaired (a '<' that opens no tag, a lost
// wrapper, an end that is missing) and `problems` says so; no entity is ever expanded, no DTD read.
// Refused: no <feedback> in it, neither a policy nor a record in that, or a limit exceeded.
//
// Texts in a report are a stranger's too: they come out as UTF-8 without controls and of bounded
// length, and are still to be shown by printable().
//
// Writing gives what the schema of RFC 9990 appendix A allows (a test asks xmllint), the file
// name and the subject of its section on mail.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "mail/journey.h"

namespace goniec {

struct DmarcReportLimits {
  std::size_t octets = 32u << 20;  // of XML
  std::size_t marks = 2'000'000;   // '<' and '=': what costs memory when it is parsed
  std::size_t records = 50'000;
  std::size_t results = 100;        // signatures a record (RFC 9990, "DKIM Signatures")
  std::size_t text_octets = 2'000;  // of one value
};

enum class ReportedDisposition { unspecified, none, pass, quarantine, reject };
enum class ReportedAlignment { unspecified, relaxed, strict };
enum class ReportedResult {  // of DKIM and SPF (RFC 8601 §2.7.1, §2.7.2), and aligned: pass, fail
  unspecified,
  none,
  pass,
  fail,
  softfail,
  policy,
  neutral,
  temperror,
  permerror
};
enum class ReportedScope { unspecified, mfrom, helo };
enum class ReportedDiscovery { unspecified, psl, treewalk };
enum class OverrideKind {
  unspecified,
  local_policy,
  mailing_list,
  other,
  policy_test_mode,
  trusted_forwarder,
  forwarded,   // RFC 7489
  sampled_out  // RFC 7489: of pct
};
// As in the XML: "quarantine", "r", "softfail", "mfrom"; "" for unspecified.
std::string_view name_of(ReportedDisposition value);
std::string_view name_of(ReportedAlignment value);
std::string_view name_of(ReportedResult value);
std::string_view name_of(ReportedScope value);
std::string_view name_of(ReportedDiscovery value);
std::string_view name_of(OverrideKind value);

struct DmarcOverride {
  OverrideKind kind = OverrideKind::unspecified;
  std::string comment;
  auto operator<=>(const DmarcOverride&) const = default;
};
struct ReportedDkim {
  std::string domain, selector;
  ReportedResult result = ReportedResult::unspecified;
  std::string human_result;
  auto operator<=>(const ReportedDkim&) const = default;
};
struct ReportedSpf {
  std::string domain;
  ReportedScope scope = ReportedScope::unspecified;
  ReportedResult result = ReportedResult::unspecified;
  std::string human_result;
  auto operator<=>(const ReportedSpf&) const = default;
};
struct ReportExtension {
  std::string name, definition;
};

struct DmarcReportRecord {
  std::optional<IpAddress> source;  // nullopt: not an address
  std::uint64_t count = 0;
  ReportedDisposition disposition = ReportedDisposition::unspecified;
  ReportedResult dkim = ReportedResult::unspecified, spf = ReportedResult::unspecified;  // aligned
  std::vector<DmarcOverride> reasons;
  std::string envelope_to, envelope_from, header_from;
  std::vector<ReportedDkim> dkim_results;
  std::vector<ReportedSpf> spf_results;
  std::vector<ReportExtension> extensions;
};

struct PublishedPolicy {
  std::string domain;  // lower case
  std::string version_published;
  ReportedAlignment adkim = ReportedAlignment::unspecified, aspf = ReportedAlignment::unspecified;
  ReportedDisposition p = ReportedDisposition::unspecified, sp = ReportedDisposition::unspecified,
                      np = ReportedDisposition::unspecified;
  bool testing = false;
  ReportedDiscovery discovery = ReportedDiscovery::unspecified;
  std::string fo;
  bool operator==(const PublishedPolicy&) const = default;
};

struct DmarcReport {
  double version = 0;
  std::string organisation, email, extra_contact, report_id, generator;
  std::uint64_t begin = 0, end = 0;  // seconds since 1970, UTC
  std::vector<std::string> errors;
  PublishedPolicy policy;
  std::vector<DmarcReportRecord> records;
  std::vector<ReportExtension> extensions;
  std::vector<std::string> problems;  // what was tolerated in reading it, for people
};

Result<DmarcReport> parse_dmarc_report(std::string_view xml, DmarcReportLimits limits = {});

// The document by RFC 9990. REQUIRES a domain and at least one record; what is unspecified and
// must be there is written as its default, a record without an address is left out.
std::string compose_dmarc_report(const DmarcReport& report);
// "receiver!policy-domain!begin!end!unique.xml.gz"; unique may be "".
std::string dmarc_report_file_name(const DmarcReport& report, std::string_view receiver,
                                   std::string_view unique = {});
// "Report Domain: D Submitter: R Report-ID: <ID>"
std::string dmarc_report_subject(const DmarcReport& report, std::string_view receiver);

// ---------------------------------------------------------------- reports about others
// What the judge of an incoming message hands over, one a message whose author domain publishes a
// policy with rua=.
struct DmarcObservation {
  PublishedPolicy policy;        // as found
  std::vector<std::string> rua;  // URIs as published, of the policy's record
  DmarcReportRecord record;      // count 1
};

}  // namespace goniec
