// Reports about others, while their day is not over: what incoming mail and outgoing sessions told
// is counted here, a report a policy domain and UTC day, equal rows once with their count. Pure.
//
//   observation --add--> day of its domain --text--> store (kept over a restart) --restore--> again
//                                          --report--> when the day is over: composed and sent
//
// Bounded by AggregateLimits: beyond them what is fresh is only counted in `dropped`, so that
// nobody fills the memory by inventing domains. The text is that of the report itself.
//
// Who may get a DMARC report (RFC 9990, "Verifying External Destinations"): addresses in the
// organisational domain of the policy; others only when their domain says so in the DNS.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/inquiry.h"
#include "trust/dmarc_report.h"
#include "trust/tls_report.h"

namespace goniec {

struct AggregateLimits {
  std::size_t reports = 20'000;  // domains and days together
  std::size_t rows = 2'000;      // a report
  std::size_t all_rows = 200'000;
  std::size_t destinations = 5;  // of one report
};

struct PendingKey {
  std::string domain;
  std::int64_t day = 0;  // since 1970, UTC
  auto operator<=>(const PendingKey&) const = default;
  std::string text() const;  // "DAY DOMAIN"
  static std::optional<PendingKey> parse(std::string_view text);
};
std::int64_t day_of(Instant at);

struct Reporter {  // who we are, in a report
  std::string organisation, contact, hostname;
};

class DmarcAggregate {
 public:
  explicit DmarcAggregate(AggregateLimits limits = {}) : limits_(limits) {}
  void add(const DmarcObservation& observation, Instant at);
  std::vector<PendingKey> take_changed();  // since the last call
  std::vector<PendingKey> before(std::int64_t day) const;
  std::string text(const PendingKey& key) const;  // "" : not there
  Result<void> restore(const PendingKey& key, std::string_view text);
  void forget(const PendingKey& key);
  std::uint64_t dropped() const { return dropped_; }

  struct Pending {
    DmarcReport report;
    std::vector<std::string> rua;
  };
  std::optional<Pending> pending(const PendingKey& key, const Reporter& reporter) const;

 private:
  struct Day {
    PublishedPolicy policy;
    std::vector<std::string> rua;
    std::map<std::string, DmarcReportRecord> rows;
  };
  void count(Day& day, DmarcReportRecord record);
  AggregateLimits limits_;
  std::map<PendingKey, Day> days_;
  std::map<PendingKey, bool> changed_;
  std::size_t rows_ = 0;
  std::uint64_t dropped_ = 0;
};

// One session to a host, or one that a policy forbade.
struct TlsObservation {
  std::string domain;
  TlsReportPolicy policy;             // type, strings, domain and mx_hosts; its counts are not read
  std::optional<TlsFailure> failure;  // none: a success
};

class TlsAggregate {
 public:
  explicit TlsAggregate(AggregateLimits limits = {}) : limits_(limits) {}
  void add(const TlsObservation& observation, Instant at);
  std::vector<PendingKey> take_changed();
  std::vector<PendingKey> before(std::int64_t day) const;
  std::string text(const PendingKey& key) const;
  Result<void> restore(const PendingKey& key, std::string_view text);
  void forget(const PendingKey& key);
  std::uint64_t dropped() const { return dropped_; }
  std::optional<TlsReport> pending(const PendingKey& key, const Reporter& reporter) const;

 private:
  AggregateLimits limits_;
  std::map<PendingKey, std::vector<TlsReportPolicy>> days_;
  std::map<PendingKey, bool> changed_;
  std::size_t rows_ = 0;
  std::uint64_t dropped_ = 0;
};

struct ReportDestinations {
  std::vector<std::string> addresses;  // "a@b"
  std::vector<std::string> refused;    // with the reason, for people
  bool try_later = false;              // DNS gave no answer for one of them
};
// A judgement: nullopt: the findings lack something.
std::optional<ReportDestinations> judge_destinations(Findings& findings,
                                                     std::string_view policy_domain,
                                                     const std::vector<std::string>& rua,
                                                     const AggregateLimits& limits = {});

// The mails, header and body: RFC 9990 "Email", RFC 8460 §5.3.
struct ReportMailFacts {
  std::string from, to;  // addresses
  std::string hostname;  // the submitter
  Instant now{};
};
struct ComposedReport {
  std::string header, body;
};
ComposedReport compose_dmarc_mail(const DmarcReport& report, const ReportMailFacts& facts);
ComposedReport compose_tls_mail(const TlsReport& report, std::string_view domain,
                                const ReportMailFacts& facts);

}  // namespace goniec
