// Writing: see dmarc_report.h.
// Elements in the order of the schema, each text escaped; nothing that a stranger chose becomes an
// element, an attribute or a line of its own.
#include <algorithm>

#include "base/text.h"
#include "trust/dmarc_report.h"

namespace goniec {
namespace {

std::string escaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto character = first_utf8_character(text);
    const std::size_t octets = std::max<std::size_t>(character.octets, 1);
    if (character.octets == 0) {
      out += "\xEF\xBF\xBD";  // U+FFFD
    } else if (is_control(character.value) || character.value == 0xFFFE ||
               character.value == 0xFFFF) {
      out += ' ';  // most of them are no characters of XML 1.0
    } else if (text[0] == '&') {
      out += "&amp;";
    } else if (text[0] == '<') {
      out += "&lt;";
    } else if (text[0] == '>') {
      out += "&gt;";
    } else {
      out += text.substr(0, octets);
    }
    text.remove_prefix(octets);
  }
  return out;
}

class Writer {
 public:
  void open(std::string_view name) {
    line("<", name, ">\n");
    ++depth_;
  }
  void close(std::string_view name) {
    --depth_;
    line("</", name, ">\n");
  }
  void value(std::string_view name, std::string_view text) {
    out_.append(2 * depth_, ' ');
    out_ += fmt::format("<{}>{}</{}>\n", name, escaped(text), name);
  }
  void value_if(std::string_view name, std::string_view text) {
    if (!text.empty()) value(name, text);
  }
  void raw(std::string_view text) { out_ += text; }
  std::string take() && { return std::move(out_); }

 private:
  void line(std::string_view before, std::string_view name, std::string_view after) {
    out_.append(2 * depth_, ' ');
    out_ += before;
    out_ += name;
    out_ += after;
  }
  std::string out_ = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  std::size_t depth_ = 0;
};

// Pass or fail: what is neither did not align.
std::string_view aligned(ReportedResult result) {
  return result == ReportedResult::pass ? "pass" : "fail";
}

// The override types that RFC 9990 knows; those of RFC 7489 become "other".
OverrideKind known_kind(OverrideKind kind) {
  const bool old = kind == OverrideKind::forwarded || kind == OverrideKind::sampled_out ||
                   kind == OverrideKind::unspecified;
  return old ? OverrideKind::other : kind;
}

// RFC 8601 §2.7.1 has no softfail for DKIM.
std::string_view dkim_result(ReportedResult result) {
  if (result == ReportedResult::softfail) return "fail";
  return result == ReportedResult::unspecified ? "none" : name_of(result);
}

void write_metadata(Writer& xml, const DmarcReport& report) {
  xml.open("report_metadata");
  xml.value("org_name", report.organisation);
  xml.value("email", report.email);
  xml.value_if("extra_contact_info", report.extra_contact);
  xml.value("report_id", report.report_id);
  xml.open("date_range");
  xml.value("begin", std::to_string(report.begin));
  xml.value("end", std::to_string(report.end));
  xml.close("date_range");
  if (!report.errors.empty()) xml.value("error", report.errors.front());
  xml.value_if("generator", report.generator);
  xml.close("report_metadata");
}

std::string_view policy_name(ReportedDisposition value) {
  if (value == ReportedDisposition::pass) return "none";  // no policy, only a disposition
  return name_of(value);
}

void write_policy(Writer& xml, const PublishedPolicy& policy) {
  xml.open("policy_published");
  xml.value("domain", policy.domain);
  xml.value_if("discovery_method", name_of(policy.discovery));
  const auto p = policy_name(policy.p);
  xml.value("p", p.empty() ? "none" : p);
  xml.value_if("sp", policy_name(policy.sp));
  xml.value_if("np", policy_name(policy.np));
  xml.value_if("fo", policy.fo);
  xml.value_if("adkim", name_of(policy.adkim));
  xml.value_if("aspf", name_of(policy.aspf));
  xml.value("testing", policy.testing ? "y" : "n");
  xml.close("policy_published");
}

void write_row(Writer& xml, const DmarcReportRecord& record) {
  xml.open("row");
  xml.value("source_ip", record.source->text());
  xml.value("count", std::to_string(record.count));
  xml.open("policy_evaluated");
  const auto disposition = name_of(record.disposition);
  xml.value("disposition", disposition.empty() ? "none" : disposition);
  xml.value("dkim", aligned(record.dkim));
  xml.value("spf", aligned(record.spf));
  for (const auto& reason : record.reasons) {
    xml.open("reason");
    xml.value("type", name_of(known_kind(reason.kind)));
    xml.value_if("comment", reason.comment);
    xml.close("reason");
  }
  xml.close("policy_evaluated");
  xml.close("row");
}

void write_results(Writer& xml, const DmarcReportRecord& record) {
  xml.open("auth_results");
  for (const auto& dkim : record.dkim_results) {
    xml.open("dkim");
    xml.value("domain", dkim.domain);
    xml.value("selector", dkim.selector);
    xml.value("result", dkim_result(dkim.result));
    xml.value_if("human_result", dkim.human_result);
    xml.close("dkim");
  }
  // RFC 9990: at most one, of MAIL FROM.
  for (const auto& spf : record.spf_results) {
    if (spf.scope == ReportedScope::helo) continue;
    xml.open("spf");
    xml.value("domain", spf.domain);
    xml.value("scope", "mfrom");
    const auto result = name_of(spf.result);
    xml.value("result", result.empty() ? "none" : result);
    xml.value_if("human_result", spf.human_result);
    xml.close("spf");
    break;
  }
  xml.close("auth_results");
}

}  // namespace

std::string compose_dmarc_report(const DmarcReport& report) {
  Writer xml;
  xml.raw("<feedback xmlns=\"urn:ietf:params:xml:ns:dmarc-2.0\">\n");
  xml.value("version", "1.0");
  write_metadata(xml, report);
  write_policy(xml, report.policy);
  for (const auto& record : report.records) {
    if (!record.source) continue;
    xml.open("record");
    write_row(xml, record);
    xml.open("identifiers");
    xml.value("header_from", record.header_from);
    xml.value("envelope_from", record.envelope_from);
    xml.value_if("envelope_to", record.envelope_to);
    xml.close("identifiers");
    write_results(xml, record);
    xml.close("record");
  }
  xml.raw("</feedback>\n");
  return std::move(xml).take();
}

std::string dmarc_report_file_name(const DmarcReport& report, std::string_view receiver,
                                   std::string_view unique) {
  return fmt::format("{}!{}!{}!{}{}{}.xml.gz", receiver, report.policy.domain, report.begin,
                     report.end, unique.empty() ? "" : "!", unique);
}

std::string dmarc_report_subject(const DmarcReport& report, std::string_view receiver) {
  return fmt::format("Report Domain: {} Submitter: {} Report-ID: <{}>", report.policy.domain,
                     receiver, report.report_id);
}

}  // namespace goniec
