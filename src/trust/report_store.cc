// See report_store.h.
// Keys are "DOMAIN BEGIN HASH": domain and begin for whoever lists or sweeps, the hash of reporter
// and report id for what comes twice.
#include "trust/report_store.h"

#include <algorithm>

#include "base/digest.h"
#include "base/json.h"
#include "base/text.h"

namespace goniec {
namespace {

std::string key_of(std::string_view domain, std::int64_t begin, std::string_view reporter,
                   std::string_view id) {
  const auto hash = sha256(std::string(reporter) + '\0' + std::string(id));
  return fmt::format("{} {} {}", domain.empty() ? "-" : domain, begin,
                     to_hex(view(hash)).substr(0, 16));
}

std::string wrapped(Instant received, std::string_view text) {
  JsonWriter json;
  json.object().key("received_at").text(to_rfc3339(received)).key("report").text(text).end();
  return std::move(json).take();
}

Result<std::string> unwrapped(std::string_view value) {
  const auto json = JsonValue::parse(value);
  const auto report = json ? json->at("report") : std::nullopt;
  const auto text = report ? report->text() : std::nullopt;
  if (!text) return fail(ErrorKind::damaged, "a stored report cannot be read");
  return *text;
}

std::int64_t seconds_of(Instant at) {
  return std::chrono::floor<std::chrono::seconds>(at.time_since_epoch()).count();
}

Instant at_second(std::uint64_t seconds) {
  return Instant(std::chrono::seconds(static_cast<std::int64_t>(seconds)));
}

void write_counts(JsonWriter& json, std::string_view key,
                  const std::map<std::string, std::uint64_t>& counts) {
  json.key(key).object();
  for (const auto& [name, count] : counts) json.key(name).number(count);
  json.end();
}

bool is_pass(const DmarcReportRecord& record) {
  return record.dkim == ReportedResult::pass || record.spf == ReportedResult::pass;
}

}  // namespace

KeptReport keep(const DmarcReport& report, Instant received) {
  return {key_of(report.policy.domain, static_cast<std::int64_t>(report.begin), report.organisation,
                 report.report_id),
          wrapped(received, compose_dmarc_report(report))};
}

KeptReport keep(const TlsReport& report, Instant received) {
  const auto domain = report.policies.empty() ? std::string() : report.policies.front().domain;
  return {key_of(domain, seconds_of(report.begin), report.organisation, report.report_id),
          wrapped(received, compose_tls_report(report))};
}

Result<DmarcReport> kept_dmarc_report(std::string_view value) {
  return parse_dmarc_report(TRY(unwrapped(value)));
}

Result<TlsReport> kept_tls_report(std::string_view value) {
  return parse_tls_report(TRY(unwrapped(value)));
}

std::string domain_of_key(std::string_view key) {
  return std::string(key.substr(0, key.find(' ')));
}

Instant begin_of_key(std::string_view key) {
  const auto parts = split(key, ' ');
  return at_second(parts.size() > 1 ? parse_unsigned(parts[1]).value_or(0) : 0);
}

void add_sources(DmarcSources& sources, const DmarcReport& report) {
  for (const auto& record : report.records) {
    if (!record.source) continue;
    DmarcSource& source = sources[*record.source];
    source.messages += record.count;
    if (is_pass(record)) source.passed += record.count;
    if (record.dkim == ReportedResult::pass) source.dkim += record.count;
    if (record.spf == ReportedResult::pass) source.spf += record.count;
    const auto disposition = name_of(record.disposition);
    source.dispositions[disposition == "pass" || disposition.empty() ? "none"
                                                                     : std::string(disposition)] +=
        record.count;
    source.reporters[report.organisation] += record.count;
  }
}

std::string dmarc_reports_json(const std::vector<DmarcReport>& reports) {
  JsonWriter json;
  json.array();
  for (const auto& report : reports) {
    std::uint64_t messages = 0, passed = 0;
    for (const auto& record : report.records) {
      messages += record.count;
      if (is_pass(record)) passed += record.count;
    }
    json.object().key("domain").text(report.policy.domain);
    json.key("reporter").text(report.organisation).key("report_id").text(report.report_id);
    json.key("begin_at").text(to_rfc3339(at_second(report.begin)));
    json.key("end_at").text(to_rfc3339(at_second(report.end)));
    json.key("policy").text(name_of(report.policy.p));
    json.key("messages").number(messages).key("passed").number(passed);
    json.key("records").number(report.records.size()).end();
  }
  json.end();
  return std::move(json).take();
}

std::string dmarc_sources_json(const DmarcSources& sources,
                               const std::map<IpAddress, std::string>& names) {
  std::vector<std::pair<IpAddress, const DmarcSource*>> order;
  for (const auto& [address, source] : sources) order.emplace_back(address, &source);
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return a.second->messages != b.second->messages ? a.second->messages > b.second->messages
                                                    : a.first < b.first;
  });
  JsonWriter json;
  json.array();
  for (const auto& [address, source] : order) {
    const auto name = names.find(address);
    json.object().key("source").text(address.text());
    json.key("name").text(name == names.end() ? "" : name->second);
    json.key("messages").number(source->messages).key("passed").number(source->passed);
    json.key("dkim_aligned").number(source->dkim).key("spf_aligned").number(source->spf);
    write_counts(json, "dispositions", source->dispositions);
    write_counts(json, "reporters", source->reporters);
    json.end();
  }
  json.end();
  return std::move(json).take();
}

std::string tls_reports_json(const std::vector<TlsReport>& reports) {
  JsonWriter json;
  json.array();
  for (const auto& report : reports) {
    for (const auto& policy : report.policies) {
      json.object().key("domain").text(policy.domain).key("policy").text(name_of(policy.type));
      json.key("reporter").text(report.organisation).key("report_id").text(report.report_id);
      json.key("begin_at").text(to_rfc3339(report.begin));
      json.key("end_at").text(to_rfc3339(report.end));
      json.key("successful").number(policy.successful).key("failed").number(policy.failed);
      std::map<std::string, std::uint64_t> failures;
      for (const auto& failure : policy.failures) failures[failure.result_type] += failure.sessions;
      write_counts(json, "failures", failures);
      json.end();
    }
  }
  json.end();
  return std::move(json).take();
}

}  // namespace goniec
