// Reports that were received, as the store keeps them: objects of the kinds "dmarc_report" and
// "tls_report". The value is JSON around the report as we would write it ourselves (RFC 9990,
// RFC 8460), so that one reader reads what comes and what is kept; the key makes a report that
// comes twice one.
//
// Sources: what all DMARC reports of a domain say of each address that sent in its name.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "trust/dmarc_report.h"
#include "trust/tls_report.h"

namespace goniec {

inline constexpr std::string_view dmarc_report_kind = "dmarc_report";
inline constexpr std::string_view tls_report_kind = "tls_report";

struct KeptReport {
  std::string key, value;
};
KeptReport keep(const DmarcReport& report, Instant received);
KeptReport keep(const TlsReport& report, Instant received);
// damaged: it cannot be read again.
Result<DmarcReport> kept_dmarc_report(std::string_view value);
Result<TlsReport> kept_tls_report(std::string_view value);
std::string domain_of_key(std::string_view key);  // both kinds
Instant begin_of_key(std::string_view key);

struct DmarcSource {
  std::uint64_t messages = 0;
  std::uint64_t passed = 0;                           // DMARC: DKIM or SPF aligned
  std::uint64_t dkim = 0, spf = 0;                    // aligned
  std::map<std::string, std::uint64_t> dispositions;  // "none", "quarantine", "reject"
  std::map<std::string, std::uint64_t> reporters;     // organisations
};
using DmarcSources = std::map<IpAddress, DmarcSource>;
void add_sources(DmarcSources& sources, const DmarcReport& report);

// Lists for `goniec dmarc report`, `dmarc sources` and `tlsrpt list`: JSON arrays. `names`: of
// addresses, as far as known.
std::string dmarc_reports_json(const std::vector<DmarcReport>& reports);
std::string dmarc_sources_json(const DmarcSources& sources,
                               const std::map<IpAddress, std::string>& names);
std::string tls_reports_json(const std::vector<TlsReport>& reports);

}  // namespace goniec
