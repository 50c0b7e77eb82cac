// See report_aggregate.h.
// Who may get a report, and the mail that carries it.
// Addresses of strangers become parts of a header field only after Address::parse has taken them.
#include "base/text.h"
#include "mail/compose.h"
#include "trust/dmarc.h"
#include "trust/report_aggregate.h"
#include "trust/tags.h"
#include "trust/unpack.h"

namespace goniec {
namespace {

// "mailto:a@b!10m" -> "a@b"; empty: no address that mail goes to.
std::optional<Address> address_of(std::string_view uri) {
  if (!starts_with_ignoring_case(uri, "mailto:")) return std::nullopt;
  uri.remove_prefix(7);
  uri = uri.substr(0, uri.find_first_of("?!"));
  const auto address = Address::parse(uri);
  if (!address || address->domain().is_literal()) return std::nullopt;
  return *address;
}

enum class Consent { yes, no, unknown, asked };

// Does the domain of the destination take reports about the policy's domain?
Consent consent_of(Findings& findings, std::string_view policy_domain, const Domain& to,
                   std::optional<Address>& instead) {
  if (policy_domain == to.ascii()) return Consent::yes;
  const auto ours = organisational_domain_of(findings, policy_domain),
             theirs = organisational_domain_of(findings, to.ascii());
  if (!ours || !theirs) return Consent::asked;
  if (!ours->known || !theirs->known) return Consent::unknown;
  if (ours->domain == theirs->domain) return Consent::yes;
  const std::string name = fmt::format("{}._report._dmarc.{}", policy_domain, to.ascii());
  constexpr std::size_t name_octets = 253;
  if (name.size() > name_octets) return Consent::no;
  const DnsAnswer* answer = findings.find(name, DnsType::txt);
  if (!answer) return Consent::asked;
  if (answer->status == DnsStatus::temporary || answer->status == DnsStatus::bogus)
    return Consent::unknown;
  bool consent = false;
  for (const auto& each : answer->records) {
    const auto* text = std::get_if<std::string>(&each);
    if (!text || !is_dmarc_record(*text)) continue;
    consent = true;
    const auto rua = read_tags(*text).value("rua");
    if (!rua) continue;
    instead = address_of(split_tag_value(*rua, ',').front());
    if (!instead || instead->domain() != to) return Consent::no;  // another host again: neither
  }
  return consent ? Consent::yes : Consent::no;
}

std::string first_lines(const ReportMailFacts& facts, std::string_view subject,
                        std::string_view report_id) {
  return header_field("From", facts.from) + header_field("To", facts.to) +
         header_field("Date", to_rfc5322(facts.now)) + header_field("Subject", subject) +
         header_field("Message-ID", fmt::format("<{}>", report_id)) +
         header_field("Auto-Submitted", "auto-generated") + header_field("MIME-Version", "1.0");
}

MimePiece attachment(std::string type, const std::string& name, std::string octets) {
  MimePiece piece;
  piece.fields = {{"Content-Type", fmt::format("{}; name=\"{}\"", type, name)},
                  {"Content-Disposition", fmt::format("attachment; filename=\"{}\"", name)}};
  piece.body = std::move(octets);
  piece.encoding = TransferEncoding::base64;
  return piece;
}

}  // namespace

std::optional<ReportDestinations> judge_destinations(Findings& findings,
                                                     std::string_view policy_domain,
                                                     const std::vector<std::string>& rua,
                                                     const AggregateLimits& limits) {
  ReportDestinations out;
  bool complete = true;
  for (const auto& uri : rua) {
    if (out.addresses.size() == limits.destinations) break;
    const auto address = address_of(uri);
    if (!address) {
      out.refused.push_back(printable(uri, 100) + ": no address for mail");
      continue;
    }
    std::optional<Address> instead;
    switch (consent_of(findings, policy_domain, address->domain(), instead)) {
      case Consent::yes:
        out.addresses.push_back((instead ? *instead : *address).text());
        break;
      case Consent::no:
        out.refused.push_back(printable(uri, 100) + ": its domain does not take these reports");
        break;
      case Consent::unknown:
        out.try_later = true;
        break;
      case Consent::asked:
        complete = false;
        break;
    }
  }
  if (!complete) return std::nullopt;
  return out;
}

ComposedReport compose_dmarc_mail(const DmarcReport& report, const ReportMailFacts& facts) {
  const auto text =
      fmt::format("This is a DMARC aggregate report for {}\r\nby {}, in the attachment.\r\n",
                  report.policy.domain, facts.hostname);
  const auto multipart = compose_multipart(
      {text_piece(text),
       attachment("application/gzip", dmarc_report_file_name(report, facts.hostname),
                  gzip(compose_dmarc_report(report)))},
      report.report_id);
  return {first_lines(facts, dmarc_report_subject(report, facts.hostname), report.report_id) +
              header_field("Content-Type",
                           fmt::format("multipart/mixed; boundary=\"{}\"", multipart.boundary)) +
              "\r\n",
          multipart.body};
}

ComposedReport compose_tls_mail(const TlsReport& report, std::string_view domain,
                                const ReportMailFacts& facts) {
  const auto text = fmt::format("This is a TLS report for {}\r\nby {}, in the attachment.\r\n",
                                domain, facts.hostname);
  const auto multipart = compose_multipart(
      {text_piece(text), attachment("application/tlsrpt+gzip",
                                    tls_report_file_name(report, facts.hostname, domain, "001"),
                                    gzip(compose_tls_report(report)))},
      report.report_id);
  // RFC 8460 §5.3; it must arrive also where TLS is what is broken (RFC 8689 §3).
  return {first_lines(facts, tls_report_subject(report, facts.hostname, domain),
                      "tls." + report.report_id) +
              header_field("TLS-Report-Domain", domain) +
              header_field("TLS-Report-Submitter", facts.hostname) +
              header_field("TLS-Required", "No") +
              header_field("Content-Type",
                           fmt::format("multipart/report; report-type=\"tlsrpt\"; boundary=\"{}\"",
                                       multipart.boundary)) +
              "\r\n",
          multipart.body};
}

}  // namespace goniec
