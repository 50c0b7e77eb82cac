// Reading: see dmarc_report.h.
//
//   octets --limits--> pugixml --no <feedback>, or not well-formed--> repaired --> pugixml -->
//   values
//
// The repair cuts from the first <feedback to the last </feedback> and makes text of each '<' and
// '&' that opens neither a tag, a comment nor an entity: all broken reports that were seen come
// right by it, and none that is well-formed goes through it.
#include "trust/dmarc_report.h"

#include <algorithm>
#include <charconv>
#include <pugixml.hpp>
#include <utility>

#include "base/text.h"
#include "trust/clean_text.h"

namespace goniec {
namespace {

constexpr std::pair<std::string_view, ReportedDisposition> dispositions[] = {
    {"none", ReportedDisposition::none},
    {"pass", ReportedDisposition::pass},
    {"quarantine", ReportedDisposition::quarantine},
    {"reject", ReportedDisposition::reject}};
constexpr std::pair<std::string_view, ReportedAlignment> alignments[] = {
    {"r", ReportedAlignment::relaxed},
    {"s", ReportedAlignment::strict},
    {"relaxed", ReportedAlignment::relaxed},
    {"strict", ReportedAlignment::strict}};
// Those after permerror are of the field: RFC 7489 appendix C names them as common.
constexpr std::pair<std::string_view, ReportedResult> results[] = {
    {"none", ReportedResult::none},           {"pass", ReportedResult::pass},
    {"fail", ReportedResult::fail},           {"softfail", ReportedResult::softfail},
    {"policy", ReportedResult::policy},       {"neutral", ReportedResult::neutral},
    {"temperror", ReportedResult::temperror}, {"permerror", ReportedResult::permerror},
    {"hardfail", ReportedResult::fail},       {"unknown", ReportedResult::temperror},
    {"error", ReportedResult::permerror}};
constexpr std::pair<std::string_view, ReportedScope> scopes[] = {{"mfrom", ReportedScope::mfrom},
                                                                 {"helo", ReportedScope::helo}};
constexpr std::pair<std::string_view, ReportedDiscovery> discoveries[] = {
    {"psl", ReportedDiscovery::psl}, {"treewalk", ReportedDiscovery::treewalk}};
constexpr std::pair<std::string_view, OverrideKind> overrides[] = {
    {"local_policy", OverrideKind::local_policy},
    {"mailing_list", OverrideKind::mailing_list},
    {"other", OverrideKind::other},
    {"policy_test_mode", OverrideKind::policy_test_mode},
    {"trusted_forwarder", OverrideKind::trusted_forwarder},
    {"forwarded", OverrideKind::forwarded},
    {"sampled_out", OverrideKind::sampled_out}};

template <class Value, std::size_t count>
Value value_in(const std::pair<std::string_view, Value> (&names)[count], std::string_view text) {
  for (const auto& [name, value] : names) {
    if (equal_ignoring_case(name, text)) return value;
  }
  return Value::unspecified;
}

template <class Value, std::size_t count>
std::string_view name_in(const std::pair<std::string_view, Value> (&names)[count], Value value) {
  for (const auto& [name, each] : names) {
    if (each == value) return name;
  }
  return {};
}

// ---------------------------------------------------------------- texts
std::string_view local_name(std::string_view name) {
  const auto colon = name.rfind(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

// One element with the limits that its values obey.
class Element {
 public:
  Element(pugi::xml_node node, const DmarcReportLimits& limits) : node_(node), limits_(&limits) {}
  explicit operator bool() const { return !node_.empty(); }
  bool is(std::string_view name) const {
    return equal_ignoring_case(local_name(node_.name()), name);
  }
  Element child(std::string_view name) const {
    for (const pugi::xml_node each : node_.children()) {
      if (Element(each, *limits_).is(name)) return {each, *limits_};
    }
    return {pugi::xml_node(), *limits_};
  }
  template <class Take>
  void each(std::string_view name, std::size_t limit, Take take) const {
    for (const pugi::xml_node node : node_.children()) {
      const Element element(node, *limits_);
      if (!element.is(name)) continue;
      if (limit-- == 0) return;
      take(element);
    }
  }
  std::string text() const { return clean_text(node_.child_value(), limits_->text_octets); }
  std::string text_of(std::string_view name) const { return child(name).text(); }
  std::uint64_t number_of(std::string_view name) const {
    std::string text = text_of(name);
    if (const auto dot = text.find('.'); dot != std::string::npos) text.resize(dot);
    return parse_unsigned(text).value_or(0);
  }
  std::string attribute(const char* name) const {
    return clean_text(node_.attribute(name).value(), limits_->text_octets);
  }
  Element root_of(std::string_view name, std::size_t depth) const {
    if (is(name)) return *this;
    if (depth == 0) return {pugi::xml_node(), *limits_};
    for (const pugi::xml_node each : node_.children()) {
      if (const Element found = Element(each, *limits_).root_of(name, depth - 1)) return found;
    }
    return {pugi::xml_node(), *limits_};
  }
  const DmarcReportLimits& limits() const { return *limits_; }

 private:
  pugi::xml_node node_;
  const DmarcReportLimits* limits_;
};

// ---------------------------------------------------------------- repair
bool is_name_start(char c) {
  return is_alpha(c) || c == '_';
}
bool is_name_octet(char c) {
  return is_name_start(c) || is_digit(c) || c == '-' || c == '.' || c == ':';
}

// Octets of the tag that `text` begins with, 0: none. Attributes are as far as the next '>', and
// hold no '<'.
std::size_t tag_octets(std::string_view text) {
  std::size_t at = 1;
  if (at < text.size() && text[at] == '/') ++at;
  if (at == text.size() || !is_name_start(text[at])) return 0;
  while (at < text.size() && is_name_octet(text[at])) ++at;
  if (at == text.size()) return 0;
  const std::string_view after = text.substr(at);
  if (after.starts_with('>')) return at + 1;
  if (after.starts_with("/>")) return at + 2;
  if (after[0] != ' ' && after[0] != '\t' && after[0] != '\r' && after[0] != '\n') return 0;
  const auto end = text.find_first_of("<>", at);
  if (end == std::string_view::npos || text[end] == '<') return 0;
  // Attributes, or nothing but white space.
  const auto inside = trim(text.substr(at, end - at));
  const bool attributes = inside.empty() || inside == "/" || inside.find('=') != inside.npos;
  return attributes ? end + 1 : 0;
}

bool opens_entity(std::string_view text) {
  const auto end = text.substr(0, 12).find(';');
  if (end == std::string_view::npos || end < 2) return false;
  return std::all_of(text.begin() + 1, text.begin() + static_cast<std::ptrdiff_t>(end),
                     [](char c) { return is_alpha(c) || is_digit(c) || c == '#'; });
}

std::string with_text_escaped(std::string_view xml) {
  std::string out;
  out.reserve(xml.size() + xml.size() / 16);
  for (std::size_t at = 0; at < xml.size();) {
    const std::string_view rest = xml.substr(at);
    if (rest[0] == '<' && rest.starts_with("<!--")) {
      const auto end = rest.find("-->");
      if (end == std::string_view::npos) break;
      at += end + 3;
    } else if (const std::size_t octets = rest[0] == '<' ? tag_octets(rest) : 0) {
      out += rest.substr(0, octets);
      at += octets;
    } else {
      if (rest[0] == '<') {
        out += "&lt;";
      } else if (rest[0] == '&' && !opens_entity(rest)) {
        out += "&amp;";
      } else {
        out += rest[0];
      }
      ++at;
    }
  }
  return out;
}

std::size_t find_ignoring_case(std::string_view text, std::string_view what) {
  const auto found = std::search(text.begin(), text.end(), what.begin(), what.end(),
                                 [](char a, char b) { return to_lower(a) == to_lower(b); });
  return found == text.end() ? std::string_view::npos
                             : static_cast<std::size_t>(found - text.begin());
}

// From <feedback to its last end, or to the end of the text.
std::string_view feedback_of(std::string_view xml) {
  const auto begin = find_ignoring_case(xml, "<feedback");
  if (begin == std::string_view::npos) return {};
  xml.remove_prefix(begin);
  constexpr std::string_view end = "</feedback>";
  for (auto at = xml.rfind("</"); at != std::string_view::npos && at > 0;
       at = xml.rfind("</", at - 1)) {
    if (starts_with_ignoring_case(xml.substr(at), end)) return xml.substr(0, at + end.size());
  }
  return xml;
}

// ---------------------------------------------------------------- values
std::string domain_text(std::string text) {
  text = to_lower(text);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

std::vector<ReportExtension> extensions_of(const Element& parent) {
  std::vector<ReportExtension> extensions;
  const auto add = [&](const Element& element) {
    extensions.push_back({element.attribute("name"), element.attribute("definition")});
  };
  parent.child("extensions").each("extension", 20, add);
  return extensions;
}

DmarcReportRecord record_of(const Element& record) {
  const auto& limits = record.limits();
  DmarcReportRecord out;
  const Element row = record.child("row"), evaluated = row.child("policy_evaluated"),
                identifiers = record.child("identifiers");
  out.source = IpAddress::parse(row.text_of("source_ip"));
  out.count = row.number_of("count");
  out.disposition = value_in(dispositions, evaluated.text_of("disposition"));
  out.dkim = value_in(results, evaluated.text_of("dkim"));
  out.spf = value_in(results, evaluated.text_of("spf"));
  evaluated.each("reason", limits.results, [&](const Element& reason) {
    DmarcOverride made{value_in(overrides, reason.text_of("type")), reason.text_of("comment")};
    if (made.kind != OverrideKind::unspecified || !made.comment.empty())
      out.reasons.push_back(std::move(made));
  });
  out.envelope_to = identifiers.text_of("envelope_to");
  out.envelope_from = identifiers.text_of("envelope_from");
  out.header_from = identifiers.text_of("header_from");
  const Element found = record.child("auth_results");
  found.each("dkim", limits.results, [&](const Element& dkim) {
    out.dkim_results.push_back({dkim.text_of("domain"), dkim.text_of("selector"),
                                value_in(results, dkim.text_of("result")),
                                dkim.text_of("human_result")});
  });
  found.each("spf", limits.results, [&](const Element& spf) {
    out.spf_results.push_back({spf.text_of("domain"), value_in(scopes, spf.text_of("scope")),
                               value_in(results, spf.text_of("result")),
                               spf.text_of("human_result")});
  });
  out.extensions = extensions_of(record);
  return out;
}

PublishedPolicy policy_of(const Element& published) {
  PublishedPolicy policy;
  policy.domain = domain_text(published.text_of("domain"));
  policy.version_published = published.text_of("version_published");
  policy.adkim = value_in(alignments, published.text_of("adkim"));
  policy.aspf = value_in(alignments, published.text_of("aspf"));
  policy.p = value_in(dispositions, published.text_of("p"));
  policy.sp = value_in(dispositions, published.text_of("sp"));
  policy.np = value_in(dispositions, published.text_of("np"));
  policy.testing = equal_ignoring_case(published.text_of("testing"), "y");
  policy.discovery = value_in(discoveries, published.text_of("discovery_method"));
  policy.fo = published.text_of("fo");
  return policy;
}

double decimal_of(const std::string& text) {
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

Result<DmarcReport> report_of(const Element& feedback) {
  const auto& limits = feedback.limits();
  DmarcReport report;
  const Element metadata = feedback.child("report_metadata"),
                published = feedback.child("policy_published"),
                range = metadata.child("date_range");
  report.version = decimal_of(feedback.text_of("version"));
  report.organisation = metadata.text_of("org_name");
  report.email = metadata.text_of("email");
  report.extra_contact = metadata.text_of("extra_contact_info");
  report.report_id = metadata.text_of("report_id");
  report.generator = metadata.text_of("generator");
  report.begin = range.number_of("begin");
  report.end = range.number_of("end");
  metadata.each("error", 100, [&](const Element& error) { report.errors.push_back(error.text()); });
  report.policy = policy_of(published);
  feedback.each("record", limits.records + 1,
                [&](const Element& record) { report.records.push_back(record_of(record)); });
  if (report.records.size() > limits.records)
    return fail(ErrorKind::bad_data,
                fmt::format("more than {} records in the report", limits.records));
  report.extensions = extensions_of(feedback);
  if (!published && report.records.empty())
    return fail(ErrorKind::bad_data, "neither a policy nor a record in the report");
  if (report.policy.domain.empty()) report.problems.push_back("names no policy domain");
  if (report.records.empty()) report.problems.push_back("has no record");
  return report;
}

}  // namespace

std::string_view name_of(ReportedDisposition value) {
  return name_in(dispositions, value);
}
std::string_view name_of(ReportedAlignment value) {
  return name_in(alignments, value);
}
std::string_view name_of(ReportedResult value) {
  return name_in(results, value);
}
std::string_view name_of(ReportedScope value) {
  return name_in(scopes, value);
}
std::string_view name_of(ReportedDiscovery value) {
  return name_in(discoveries, value);
}
std::string_view name_of(OverrideKind value) {
  return name_in(overrides, value);
}

Result<DmarcReport> parse_dmarc_report(std::string_view xml, DmarcReportLimits limits) {
  if (xml.size() > limits.octets)
    return fail(ErrorKind::bad_data,
                fmt::format("a report of {} octets, at most {}", xml.size(), limits.octets));
  const auto marks = static_cast<std::size_t>(
      std::count_if(xml.begin(), xml.end(), [](char c) { return c == '<' || c == '='; }));
  if (marks > limits.marks)
    return fail(ErrorKind::bad_data, fmt::format("more than {} tags in the report", limits.marks));
  // Entities beyond the five of XML stay as they are written; a DTD is skipped.
  constexpr unsigned flags = pugi::parse_cdata | pugi::parse_escapes | pugi::parse_eol;
  constexpr std::size_t wrappers = 3;
  pugi::xml_document document;
  const auto parsed = document.load_buffer(xml.data(), xml.size(), flags);
  if (parsed) {
    if (const Element feedback = Element(document, limits).root_of("feedback", wrappers))
      return report_of(feedback);
    return fail(ErrorKind::bad_data, "no <feedback> in it");
  }
  const std::string_view cut = feedback_of(xml);
  if (cut.empty()) return fail(ErrorKind::bad_data, "no <feedback> in it");
  const std::string repaired = with_text_escaped(cut);
  const auto again = document.load_buffer(repaired.data(), repaired.size(), flags);
  DmarcReport report = TRY(report_of(Element(document, limits).root_of("feedback", wrappers)));
  report.problems.insert(report.problems.begin(),
                         fmt::format("is not well-formed XML ({}){}", parsed.description(),
                                     again ? "" : "; read as far as it goes"));
  return report;
}

}  // namespace goniec
