// SMTP TLS reports (RFC 8460): read what others send about mail to us, write what we send about
// mail to them, and the record _smtp._tls.DOMAIN that says where to.
//
// Reading is tolerant where the field is: "mx-host" is a list or one text, numbers may be texts,
// unknown members are passed over, a result type that is new is kept by its name. Refused: not
// JSON, not an object with "policies", a limit exceeded. Texts come out as UTF-8 without controls,
// of bounded length.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace goniec {

struct TlsReportLimits {
  std::size_t octets = 8u << 20;  // of JSON
  std::size_t policies = 1'000;
  std::size_t failures = 10'000;  // a policy
  std::size_t list = 1'000;       // policy strings, MX patterns
  std::size_t text_octets = 2'000;
  std::size_t destinations = 10;  // of a record
};

enum class TlsPolicyType { other, sts, tlsa, no_policy_found };  // RFC 8460 §4.4
std::string_view name_of(TlsPolicyType type);                    // "no-policy-found"

// RFC 8460 §4.3, and what we write; a name that is none of them is kept as text.
inline constexpr std::string_view tls_result_types[] = {
    "starttls-not-supported", "certificate-host-mismatch",
    "certificate-expired",    "certificate-not-trusted",
    "validation-failure",     "tlsa-invalid",
    "dnssec-invalid",         "dane-required",
    "sts-policy-fetch-error", "sts-policy-invalid",
    "sts-webpki-invalid"};

struct TlsFailure {
  std::string result_type;
  std::string sending_mta_ip, receiving_mx_hostname, receiving_mx_helo, receiving_ip;
  std::uint64_t sessions = 0;
  std::string additional_information, reason_code;
  auto operator<=>(const TlsFailure&) const = default;
};

struct TlsReportPolicy {
  TlsPolicyType type = TlsPolicyType::other;
  std::vector<std::string> strings;  // lines of the STS policy, or TLSA records as text
  std::string domain;                // lower case
  std::vector<std::string> mx_hosts;
  std::uint64_t successful = 0, failed = 0;  // sessions
  std::vector<TlsFailure> failures;
};

struct TlsReport {
  std::string organisation, contact, report_id;
  Instant begin{}, end{};
  std::vector<TlsReportPolicy> policies;
};

Result<TlsReport> parse_tls_report(std::string_view json, TlsReportLimits limits = {});
std::string compose_tls_report(const TlsReport& report);
// RFC 8460 §5.1: "sender!policy-domain!begin!end!unique.json.gz"
std::string tls_report_file_name(const TlsReport& report, std::string_view submitter,
                                 std::string_view domain, std::string_view unique = {});
// RFC 8460 §5.3: "Report Domain: D Submitter: S Report-ID: <ID>"
std::string tls_report_subject(const TlsReport& report, std::string_view submitter,
                               std::string_view domain);

// ---------------------------------------------------------------- the record
// RFC 8460 §3: "v=TLSRPTv1; rua=mailto:a@b,https://c/d". Destinations that are neither mailto nor
// https are left out; a record without one is bad_data.
Result<std::vector<std::string>> parse_tls_report_record(std::string_view txt,
                                                         TlsReportLimits limits = {});
// Of all TXT records at the name: exactly one that begins with "v=TLSRPTv1;", else none.
std::optional<std::string> tls_report_record_of(const std::vector<std::string>& txt);

}  // namespace goniec
