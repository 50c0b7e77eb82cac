// Counting: see report_aggregate.h.
// A row's key is its own text with a count of one, so that rows are equal exactly when their
// texts in a report are.
#include "trust/report_aggregate.h"

#include <algorithm>
#include <chrono>

#include "base/json.h"
#include "base/text.h"

namespace goniec {
namespace {

constexpr std::uint64_t day_seconds = 86'400;

std::string row_key(DmarcReportRecord record) {
  record.count = 1;
  DmarcReport alone;
  alone.records = {std::move(record)};
  return compose_dmarc_report(alone);
}

std::vector<PendingKey> take(std::map<PendingKey, bool>& changed) {
  std::vector<PendingKey> keys;
  for (const auto& [key, is] : changed) keys.push_back(key);
  changed.clear();
  return keys;
}

template <class Days>
std::vector<PendingKey> keys_before(const Days& days, std::int64_t day) {
  std::vector<PendingKey> keys;
  for (const auto& [key, value] : days) {
    if (key.day < day) keys.push_back(key);
  }
  return keys;
}

bool same_policy(const TlsReportPolicy& a, const TlsReportPolicy& b) {
  return a.type == b.type && a.strings == b.strings && a.mx_hosts == b.mx_hosts;
}

bool same_failure(TlsFailure a, TlsFailure b) {
  a.sessions = b.sessions = 0;
  return a == b;
}

std::size_t rows_of(const std::vector<TlsReportPolicy>& policies) {
  std::size_t rows = policies.size();
  for (const auto& policy : policies) rows += policy.failures.size();
  return rows;
}

}  // namespace

std::int64_t day_of(Instant at) {
  return std::chrono::floor<std::chrono::days>(at.time_since_epoch()).count();
}

std::string PendingKey::text() const {
  return fmt::format("{} {}", day, domain);
}

std::optional<PendingKey> PendingKey::parse(std::string_view text) {
  const auto blank = text.find(' ');
  const auto day = parse_unsigned(text.substr(0, blank));
  if (blank == std::string_view::npos || !day) return std::nullopt;
  return PendingKey{std::string(text.substr(blank + 1)), static_cast<std::int64_t>(*day)};
}

// ---------------------------------------------------------------- DMARC
void DmarcAggregate::count(Day& day, DmarcReportRecord record) {
  const std::string key = row_key(record);
  if (const auto known = day.rows.find(key); known != day.rows.end()) {
    known->second.count += record.count;
    return;
  }
  if (day.rows.size() >= limits_.rows || rows_ >= limits_.all_rows) {
    dropped_ += record.count;
    return;
  }
  ++rows_;
  day.rows.emplace(key, std::move(record));
}

void DmarcAggregate::add(const DmarcObservation& observation, Instant at) {
  if (observation.policy.domain.empty() || observation.rua.empty() || !observation.record.source)
    return;
  const PendingKey key{observation.policy.domain, day_of(at)};
  if (!days_.contains(key) && days_.size() >= limits_.reports) {
    ++dropped_;
    return;
  }
  Day& day = days_[key];
  // RFC 9990: one policy a report, the last that was seen.
  day.policy = observation.policy;
  day.rua = observation.rua;
  count(day, observation.record);
  changed_[key] = true;
}

std::vector<PendingKey> DmarcAggregate::take_changed() {
  return take(changed_);
}

std::vector<PendingKey> DmarcAggregate::before(std::int64_t day) const {
  return keys_before(days_, day);
}

std::optional<DmarcAggregate::Pending> DmarcAggregate::pending(const PendingKey& key,
                                                               const Reporter& reporter) const {
  const auto found = days_.find(key);
  if (found == days_.end()) return std::nullopt;
  Pending pending;
  DmarcReport& report = pending.report;
  report.organisation = reporter.organisation;
  report.email = reporter.contact;
  report.generator = "goniec " GONIEC_VERSION;
  report.begin = static_cast<std::uint64_t>(key.day) * day_seconds;
  report.end = report.begin + day_seconds - 1;
  report.report_id = fmt::format("{}.{}@{}", report.begin, key.domain, reporter.hostname);
  report.policy = found->second.policy;
  for (const auto& [text, record] : found->second.rows) report.records.push_back(record);
  pending.rua = found->second.rua;
  return pending;
}

std::string DmarcAggregate::text(const PendingKey& key) const {
  const auto found = pending(key, {});
  if (!found) return {};
  JsonWriter json;
  json.object().key("rua").array();
  for (const auto& uri : found->rua) json.text(uri);
  json.end().key("report").text(compose_dmarc_report(found->report)).end();
  return std::move(json).take();
}

Result<void> DmarcAggregate::restore(const PendingKey& key, std::string_view text) {
  const auto json = TRY(JsonValue::parse(text));
  auto report = TRY(parse_dmarc_report(json.text_at("report")));
  Day& day = days_[key];
  day.policy = std::move(report.policy);
  if (const auto rua = json.at("rua")) {
    for (const auto& uri : rua->items()) day.rua.push_back(uri.text().value_or(""));
  }
  for (auto& record : report.records) count(day, std::move(record));
  return {};
}

void DmarcAggregate::forget(const PendingKey& key) {
  const auto found = days_.find(key);
  if (found == days_.end()) return;
  rows_ -= std::min(rows_, found->second.rows.size());
  days_.erase(found);
  changed_.erase(key);
}

// ---------------------------------------------------------------- TLS
void TlsAggregate::add(const TlsObservation& observation, Instant at) {
  if (observation.domain.empty()) return;
  const PendingKey key{observation.domain, day_of(at)};
  const bool fresh = !days_.contains(key);
  if (rows_ >= limits_.all_rows || (fresh && days_.size() >= limits_.reports)) {
    ++dropped_;
    return;
  }
  auto& policies = days_[key];
  auto policy = std::find_if(policies.begin(), policies.end(), [&](const auto& each) {
    return same_policy(each, observation.policy);
  });
  if (policy == policies.end()) {
    if (rows_of(policies) >= limits_.rows) {
      ++dropped_;
      return;
    }
    policies.push_back(observation.policy);
    policy = policies.end() - 1;
    policy->successful = policy->failed = 0;
    policy->failures.clear();
    ++rows_;
  }
  changed_[key] = true;
  if (!observation.failure) {
    ++policy->successful;
    return;
  }
  ++policy->failed;
  auto failure = std::find_if(
      policy->failures.begin(), policy->failures.end(),
      [&](const TlsFailure& each) { return same_failure(each, *observation.failure); });
  if (failure != policy->failures.end()) {
    ++failure->sessions;
  } else if (rows_of(policies) < limits_.rows) {
    policy->failures.push_back(*observation.failure);
    policy->failures.back().sessions = 1;
    ++rows_;
  } else {
    ++dropped_;
  }
}

std::vector<PendingKey> TlsAggregate::take_changed() {
  return take(changed_);
}

std::vector<PendingKey> TlsAggregate::before(std::int64_t day) const {
  return keys_before(days_, day);
}

std::optional<TlsReport> TlsAggregate::pending(const PendingKey& key,
                                               const Reporter& reporter) const {
  const auto found = days_.find(key);
  if (found == days_.end()) return std::nullopt;
  TlsReport report;
  report.organisation = reporter.organisation;
  report.contact = reporter.contact;
  report.begin = Instant(std::chrono::days(key.day));
  report.end = report.begin + std::chrono::seconds(day_seconds - 1);
  report.report_id = fmt::format("{}.{}@{}", key.day * static_cast<std::int64_t>(day_seconds),
                                 key.domain, reporter.hostname);
  report.policies = found->second;
  return report;
}

std::string TlsAggregate::text(const PendingKey& key) const {
  const auto report = pending(key, {});
  return report ? compose_tls_report(*report) : std::string();
}

Result<void> TlsAggregate::restore(const PendingKey& key, std::string_view text) {
  auto report = TRY(parse_tls_report(text));
  rows_ += rows_of(report.policies);
  days_[key] = std::move(report.policies);
  return {};
}

void TlsAggregate::forget(const PendingKey& key) {
  const auto found = days_.find(key);
  if (found == days_.end()) return;
  rows_ -= std::min(rows_, rows_of(found->second));
  days_.erase(found);
  changed_.erase(key);
}

}  // namespace goniec
