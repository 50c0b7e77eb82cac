// See observations.h.
// Texts of peers (EHLO names, reasons) are cleaned and cut here: they go to strangers.
#include "app/observations.h"

#include "trust/clean_text.h"

namespace goniec {
namespace {

constexpr std::size_t text_octets = 200;

TlsPolicyType policy_type_of(std::string_view name) {
  for (const auto type :
       {TlsPolicyType::sts, TlsPolicyType::tlsa, TlsPolicyType::no_policy_found}) {
    if (name == name_of(type)) return type;
  }
  return TlsPolicyType::other;
}

template <class Value>
Value value_of(std::string_view name, Value last) {
  for (int at = 0; at <= static_cast<int>(last); ++at) {
    if (name_of(static_cast<Value>(at)) == name) return static_cast<Value>(at);
  }
  return Value::unspecified;
}

ReportedResult result_of(std::string_view name) {
  return value_of(name, ReportedResult::permerror);
}

ReportedDisposition disposition_of(const std::optional<DmarcPolicy>& policy) {
  return policy ? value_of(name_of(*policy), ReportedDisposition::reject)
                : ReportedDisposition::unspecified;
}

ReportedAlignment alignment_of(DmarcAlignment alignment) {
  return alignment == DmarcAlignment::strict ? ReportedAlignment::strict
                                             : ReportedAlignment::relaxed;
}

PublishedPolicy published(const DmarcVerdict& verdict) {
  PublishedPolicy policy;
  policy.domain = verdict.record_domain;
  policy.adkim = alignment_of(verdict.record->dkim);
  policy.aspf = alignment_of(verdict.record->spf);
  policy.p = disposition_of(verdict.record->policy);
  policy.sp = disposition_of(verdict.record->subdomain_policy);
  policy.np = disposition_of(verdict.record->nonexistent_policy);
  policy.testing = verdict.record->testing;
  policy.discovery = ReportedDiscovery::treewalk;
  policy.fo = clean_text(verdict.record->failure_options, text_octets);
  return policy;
}

// What was done, and why when it was not what the domain asks for (RFC 9990, "reason").
void set_disposition(DmarcReportRecord& record, const DmarcVerdict& dmarc,
                     const ContentVerdict& content) {
  const auto asked = disposition_of(dmarc.published);
  if (dmarc.result == DmarcResult::pass) {
    const bool enforcing =
        asked == ReportedDisposition::quarantine || asked == ReportedDisposition::reject;
    record.disposition = enforcing ? ReportedDisposition::pass : ReportedDisposition::none;
    return;
  }
  record.disposition = content.verdict.kind == Verdict::Kind::reject ? ReportedDisposition::reject
                       : content.junk ? ReportedDisposition::quarantine
                                      : ReportedDisposition::none;
  if (record.disposition == asked || asked == ReportedDisposition::unspecified) return;
  const auto& rule = content.verdict.rule;
  const OverrideKind kind = rule == "dmarc.arc"     ? OverrideKind::trusted_forwarder
                            : dmarc.record->testing ? OverrideKind::policy_test_mode
                                                    : OverrideKind::local_policy;
  record.reasons = {{kind, rule}};
}

// Passing signatures first (RFC 9990, "DKIM Signatures in Aggregate Reports").
void set_results(DmarcReportRecord& record, const JudgedMessage& message) {
  for (const bool passing : {true, false}) {
    for (const auto& signature : message.dkim) {
      if (signature.domain.empty() || (signature.status == DkimStatus::pass) != passing) continue;
      record.dkim_results.push_back(
          {signature.domain.ascii(), clean_text(signature.selector, text_octets),
           result_of(name_of(signature.status)), clean_text(signature.reason, text_octets)});
    }
  }
  if (message.spf.domain.empty()) return;
  record.spf_results.push_back({clean_text(message.spf.domain, text_octets), ReportedScope::mfrom,
                                result_of(name_of(message.spf.result)),
                                clean_text(message.spf.problem, text_octets)});
}

}  // namespace

std::vector<DmarcObservation> observations_of(const JudgedMessage& message) {
  std::vector<DmarcObservation> observations;
  for (const auto& verdict : message.dmarc) {
    const bool judged = verdict.result == DmarcResult::pass || verdict.result == DmarcResult::fail;
    if (!judged || !verdict.record || verdict.record->rua.empty()) continue;
    DmarcObservation observation;
    observation.policy = published(verdict);
    for (const auto& address : verdict.record->rua) observation.rua.push_back(address.uri);
    DmarcReportRecord& record = observation.record;
    record.source = message.client;
    record.count = 1;
    record.header_from = verdict.author;
    record.envelope_from = message.sender.domain().ascii();
    record.dkim = verdict.aligned_signatures.empty() ? ReportedResult::fail : ReportedResult::pass;
    record.spf = verdict.spf_aligned ? ReportedResult::pass : ReportedResult::fail;
    set_disposition(record, verdict, message.verdict);
    set_results(record, message);
    observations.push_back(std::move(observation));
  }
  return observations;
}

TlsObservation observation_of(const TlsSession& session) {
  TlsObservation observation;
  observation.domain = session.domain;
  observation.policy.type = policy_type_of(session.policy_type);
  observation.policy.strings = session.policy;
  observation.policy.mx_hosts = session.mx;
  observation.policy.domain = session.domain;
  const TlsFault fault = session.fault != TlsFault::none ? session.fault : session.policy_fault;
  if (fault == TlsFault::none) return observation;
  TlsFailure failure;
  failure.result_type = name_of(fault);
  if (session.source) failure.sending_mta_ip = session.source->text();
  failure.receiving_mx_hostname = clean_text(session.host, text_octets);
  failure.receiving_mx_helo = clean_text(session.ehlo, text_octets);
  if (session.address != IpAddress{}) failure.receiving_ip = session.address.text();
  failure.sessions = 1;
  failure.reason_code = clean_text(session.why, text_octets);
  observation.failure = std::move(failure);
  return observation;
}

}  // namespace goniec
