// See tls_report.h.
#include "trust/tls_report.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/json.h"
#include "base/text.h"
#include "trust/clean_text.h"
#include "trust/tags.h"

namespace goniec {
namespace {

constexpr std::pair<std::string_view, TlsPolicyType> policy_types[] = {
    {"sts", TlsPolicyType::sts},
    {"tlsa", TlsPolicyType::tlsa},
    {"no-policy-found", TlsPolicyType::no_policy_found}};

// Members of one object, within the limits.
class Members {
 public:
  Members(JsonValue value, const TlsReportLimits& limits)
      : value_(std::move(value)), limits_(&limits) {}
  std::string text(std::string_view key) const {
    return clean_text(value_.text_at(key), limits_->text_octets);
  }
  std::uint64_t number(std::string_view key) const {
    const auto member = value_.at(key);
    if (!member) return 0;
    if (const auto number = member->integer())
      return *number > 0 ? static_cast<std::uint64_t>(*number) : 0;
    return parse_unsigned(member->text().value_or("")).value_or(0);
  }
  std::vector<std::string> texts(std::string_view key) const {
    std::vector<std::string> out;
    const auto member = value_.at(key);
    if (!member) return out;
    if (const auto one = member->text()) {
      out.push_back(clean_text(*one, limits_->text_octets));
      return out;
    }
    for (const auto& item : member->items()) {
      if (out.size() == limits_->list) break;
      if (const auto text = item.text()) out.push_back(clean_text(*text, limits_->text_octets));
    }
    return out;
  }
  Instant time(std::string_view key) const {
    const auto parsed = parse_rfc3339(value_.text_at(key));
    return parsed ? *parsed : Instant{};
  }
  Members object(std::string_view key) const {
    auto member = value_.at(key);
    return {member ? std::move(*member) : JsonValue(), *limits_};
  }
  const JsonValue& json() const { return value_; }

 private:
  JsonValue value_;
  const TlsReportLimits* limits_;
};

TlsFailure failure_of(const Members& from) {
  TlsFailure failure;
  failure.result_type = to_lower(from.text("result-type"));
  failure.sending_mta_ip = from.text("sending-mta-ip");
  failure.receiving_mx_hostname = from.text("receiving-mx-hostname");
  failure.receiving_mx_helo = from.text("receiving-mx-helo");
  failure.receiving_ip = from.text("receiving-ip");
  failure.sessions = from.number("failed-session-count");
  failure.additional_information = from.text("additional-information");
  failure.reason_code = from.text("failure-reason-code");
  // The name in the examples of RFC 8460.
  if (failure.reason_code.empty()) failure.reason_code = from.text("failure-error-code");
  return failure;
}

Result<TlsReportPolicy> policy_of(const Members& from, const TlsReportLimits& limits) {
  TlsReportPolicy policy;
  const Members inner = from.object("policy"), summary = from.object("summary");
  const auto type = to_lower(inner.text("policy-type"));
  for (const auto& [name, each] : policy_types) {
    if (name == type) policy.type = each;
  }
  policy.strings = inner.texts("policy-string");
  policy.domain = to_lower(inner.text("policy-domain"));
  policy.mx_hosts = inner.texts("mx-host");
  policy.successful = summary.number("total-successful-session-count");
  policy.failed = summary.number("total-failure-session-count");
  if (const auto details = from.json().at("failure-details")) {
    const auto items = details->items();
    if (items.size() > limits.failures)
      return fail(ErrorKind::bad_data,
                  fmt::format("more than {} failures of one policy", limits.failures));
    for (const auto& item : items) policy.failures.push_back(failure_of(Members(item, limits)));
  }
  return policy;
}

void write_policy(JsonWriter& json, const TlsReportPolicy& policy) {
  json.object().key("policy").object();
  json.key("policy-type").text(name_of(policy.type));
  if (!policy.strings.empty()) {
    json.key("policy-string").array();
    for (const auto& line : policy.strings) json.text(line);
    json.end();
  }
  json.key("policy-domain").text(policy.domain);
  if (!policy.mx_hosts.empty()) {
    json.key("mx-host").array();
    for (const auto& host : policy.mx_hosts) json.text(host);
    json.end();
  }
  json.end();
  json.key("summary").object();
  json.key("total-successful-session-count").number(policy.successful);
  json.key("total-failure-session-count").number(policy.failed).end();
  if (policy.failures.empty()) {
    json.end();
    return;
  }
  json.key("failure-details").array();
  const auto text_if = [&](std::string_view key, const std::string& text) {
    if (!text.empty()) json.key(key).text(text);
  };
  for (const auto& failure : policy.failures) {
    json.object().key("result-type").text(failure.result_type);
    text_if("sending-mta-ip", failure.sending_mta_ip);
    text_if("receiving-mx-hostname", failure.receiving_mx_hostname);
    text_if("receiving-mx-helo", failure.receiving_mx_helo);
    text_if("receiving-ip", failure.receiving_ip);
    json.key("failed-session-count").number(failure.sessions);
    text_if("additional-information", failure.additional_information);
    text_if("failure-reason-code", failure.reason_code);
    json.end();
  }
  json.end().end();
}

std::int64_t seconds_of(Instant at) {
  return std::chrono::duration_cast<std::chrono::seconds>(at.time_since_epoch()).count();
}

// RFC 3339 without a fraction: what the examples of RFC 8460 show, and all readers take.
std::string whole_seconds(Instant at) {
  std::string text = to_rfc3339(at);
  if (const auto dot = text.find('.'); dot != std::string::npos) text.resize(dot);
  return text + (text.ends_with('Z') ? "" : "Z");
}

}  // namespace

std::string_view name_of(TlsPolicyType type) {
  for (const auto& [name, each] : policy_types) {
    if (each == type) return name;
  }
  return "other";
}

Result<TlsReport> parse_tls_report(std::string_view json, TlsReportLimits limits) {
  if (json.size() > limits.octets)
    return fail(ErrorKind::bad_data,
                fmt::format("a report of {} octets, at most {}", json.size(), limits.octets));
  if (json.starts_with("\xEF\xBB\xBF")) json.remove_prefix(3);  // RFC 8259 §8.1: may be ignored
  const Members from(TRY(JsonValue::parse(json)), limits);
  const auto policies = from.json().is_object() ? from.json().at("policies") : std::nullopt;
  if (!policies || !policies->is_array())
    return fail(ErrorKind::bad_data, "no \"policies\" in it: not a TLS report");
  TlsReport report;
  report.organisation = from.text("organization-name");
  report.contact = from.text("contact-info");
  report.report_id = from.text("report-id");
  const Members range = from.object("date-range");
  report.begin = range.time("start-datetime");
  report.end = range.time("end-datetime");
  const auto items = policies->items();
  if (items.size() > limits.policies)
    return fail(ErrorKind::bad_data,
                fmt::format("more than {} policies in the report", limits.policies));
  for (const auto& item : items)
    report.policies.push_back(TRY(policy_of(Members(item, limits), limits)));
  return report;
}

std::string compose_tls_report(const TlsReport& report) {
  JsonWriter json;
  json.object();
  json.key("organization-name").text(report.organisation);
  json.key("date-range").object();
  json.key("start-datetime").text(whole_seconds(report.begin));
  json.key("end-datetime").text(whole_seconds(report.end)).end();
  json.key("contact-info").text(report.contact);
  json.key("report-id").text(report.report_id);
  json.key("policies").array();
  for (const auto& policy : report.policies) write_policy(json, policy);
  json.end().end();
  return std::move(json).take();
}

std::string tls_report_file_name(const TlsReport& report, std::string_view submitter,
                                 std::string_view domain, std::string_view unique) {
  return fmt::format("{}!{}!{}!{}{}{}.json.gz", submitter, domain, seconds_of(report.begin),
                     seconds_of(report.end), unique.empty() ? "" : "!", unique);
}

std::string tls_report_subject(const TlsReport& report, std::string_view submitter,
                               std::string_view domain) {
  return fmt::format("Report Domain: {} Submitter: {} Report-ID: <{}>", domain, submitter,
                     report.report_id);
}

// ---------------------------------------------------------------- the record
namespace {

// RFC 8460 §3: fields are "name=value", one ';' between them and perhaps one behind the last.
bool is_record_field(const Tag& tag) {
  const auto letter = [](char c) {
    return is_alpha(c) || is_digit(c) || c == '_' || c == '-' || c == '.';
  };
  return !tag.value.empty() && !tag.name.empty() && tag.name.size() <= 32 &&
         (is_alpha(tag.name[0]) || is_digit(tag.name[0])) && std::ranges::all_of(tag.name, letter);
}

// What stands between two ';' and is no name=value that could be read (RFC 8460 §3).
bool has_broken_field(std::string_view txt, std::size_t read) {
  const auto fields = split(txt, ';');
  if (read < static_cast<std::size_t>(std::ranges::count_if(
                 fields, [](std::string_view each) { return !trim(each).empty(); })))
    return true;
  for (std::size_t at = 0; at + 1 < fields.size(); ++at)
    if (trim(fields[at]).empty()) return true;
  return false;
}

}  // namespace

Result<std::vector<std::string>> parse_tls_report_record(std::string_view txt,
                                                         TlsReportLimits limits) {
  const TagList list = read_tags(txt);
  if (list.tags.empty() || list.tags.front().name != "v" || list.tags.front().value != "TLSRPTv1")
    return fail(ErrorKind::bad_data, "a TLS-RPT record begins with \"v=TLSRPTv1;\"");
  std::vector<std::string> out;
  bool named = false;
  if (has_broken_field(txt, list.tags.size()) || !std::ranges::all_of(list.tags, is_record_field))
    return fail(ErrorKind::bad_data, "the TLS-RPT record has a field that is no name=value");
  for (const Tag& tag : list.tags) {
    if (tag.name != "rua") continue;
    named = true;
    for (const auto uri : split_tag_value(tag.value, ',')) {
      const bool known = (starts_with_ignoring_case(uri, "mailto:") && uri.size() > 7) ||
                         (starts_with_ignoring_case(uri, "https://") && uri.size() > 8);
      if (known && out.size() < limits.destinations) out.emplace_back(uri);
    }
  }
  if (out.empty())
    return fail(ErrorKind::bad_data, named ? "the TLS-RPT record has no mailto: or https: in rua="
                                           : "the TLS-RPT record has no rua=");
  return out;
}

std::optional<std::string> tls_report_record_of(const std::vector<std::string>& txt) {
  std::optional<std::string> found;
  for (const auto& record : txt) {
    std::string_view rest = record;
    if (!rest.starts_with("v=TLSRPTv1")) continue;
    rest = trim(rest.substr(10));
    if (!rest.starts_with(';')) continue;
    if (found) return std::nullopt;  // RFC 8460 §3: more than one is none
    found = record;
  }
  return found;
}

}  // namespace goniec
