// See dns_advice.h.
// Each topic asks all it can ask before it judges, so that few rounds of questions are enough; a
// topic that lacks an answer leaves the judgement incomplete and the others go on asking.
#include "trust/dns_advice.h"

#include <algorithm>

#include "base/digest.h"
#include "base/text.h"
#include "trust/dmarc_record.h"
#include "trust/iprev.h"
#include "trust/mta_sts.h"
#include "trust/reverse_name.h"
#include "trust/spf.h"
#include "trust/tags.h"
#include "trust/tls_report.h"

namespace goniec {
namespace {

class Adviser {
 public:
  Adviser(Findings& findings, const DnsAdviceFacts& facts, const DnsAdviceLimits& limits)
      : findings_(findings), facts_(facts), limits_(limits) {}

  std::optional<DnsAdvice> judge() {
    advice_.domain = facts_.domain;
    advise_mx();
    advise_addresses();
    advise_spf();
    advise_host_spf();
    advise_keys();
    advise_dmarc();
    advise_mta_sts();
    advise_tls_reports();
    advise_tlsa();
    advise_services();
    advise_autoconfig();
    if (!complete_) return std::nullopt;
    return std::move(advice_);
  }

 private:
  void advise_mx();
  void advise_addresses();
  void advise_reverse(const IpAddress& address);
  void advise_spf();
  void advise_host_spf();
  void advise_keys();
  void advise_dmarc();
  void advise_destination();
  void advise_mta_sts();
  void advise_policy_host(AdvisedRecord host);
  void advise_tls_reports();
  void advise_tlsa();
  void advise_services();
  void advise_autoconfig();

  const DnsAnswer* ask(const std::string& name, DnsType type) {
    const DnsAnswer* answer = findings_.find(name, type);
    if (!answer) complete_ = false;
    return answer;
  }
  void add(AdvisedRecord record) { advice_.records.push_back(std::move(record)); }
  std::string next_terms(const std::string& record) const;
  std::optional<bool> spf_passes(const std::string& domain, std::string& why);
  AdvisedRecord mta_sts_record(const DnsAnswer& answer) const;

  Findings& findings_;
  const DnsAdviceFacts& facts_;
  const DnsAdviceLimits& limits_;
  DnsAdvice advice_;
  std::vector<IpAddress> addresses_;  // of the host: given, else found
  bool complete_ = true;
};

bool is_unknown(const DnsAnswer& answer) {
  return answer.status == DnsStatus::temporary || answer.status == DnsStatus::bogus;
}

AdvisedRecord cannot_tell(AdvisedRecord record, const DnsAnswer& answer) {
  record.state = AdviceState::cannot_tell;
  record.fix =
      answer.status == DnsStatus::bogus
          ? "the answer fails DNSSEC validation: sign the zone anew, or remove its DS record"
          : "DNS gave no answer: try again, and look at the name servers of the domain";
  if (!answer.why.empty()) record.fix += " (" + printable(answer.why, 100) + ")";
  return record;
}

std::vector<std::string> texts_of(const DnsAnswer& answer) {
  std::vector<std::string> texts;
  for (const auto& record : answer.records) {
    if (const auto* text = std::get_if<std::string>(&record)) texts.push_back(*text);
  }
  return texts;
}

std::string joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const auto& text : texts) out += (out.empty() ? "" : " | ") + printable(text, 300);
  return out;
}

// A record whose right value is one exact text.
AdvisedRecord compared(AdvisedRecord record, const DnsAnswer& answer,
                       const std::vector<std::string>& found) {
  if (is_unknown(answer)) return cannot_tell(std::move(record), answer);
  const bool same = std::any_of(found.begin(), found.end(), [&](const std::string& text) {
    std::string_view a = text, b = record.value;
    if (a.ends_with('.')) a.remove_suffix(1);
    if (b.ends_with('.')) b.remove_suffix(1);
    return equal_ignoring_case(a, b);
  });
  record.state = same ? AdviceState::ok : found.empty() ? AdviceState::missing : AdviceState::wrong;
  if (!same) record.found = joined(found);
  if (same) record.fix.clear();
  return record;
}

// ---------------------------------------------------------------- where mail goes
void Adviser::advise_mx() {
  AdvisedRecord record{.topic = "MX",
                       .name = facts_.domain,
                       .type = "MX",
                       .value = "10 " + facts_.hostname + ".",
                       .required = true,
                       .why = "other servers deliver mail for the domain to the hosts it names",
                       .fix = "add the record"};
  const DnsAnswer* answer = ask(facts_.domain, DnsType::mx);
  if (!answer) return;
  if (is_unknown(*answer)) return add(cannot_tell(std::move(record), *answer));
  std::vector<std::string> found;
  for (const auto& each : answer->records) {
    const auto* mx = std::get_if<DnsMx>(&each);
    if (!mx) continue;
    found.push_back(fmt::format("{} {}.", mx->preference, mx->exchange));
    if (mx->exchange != facts_.hostname) continue;
    record.state = AdviceState::ok;
    record.value = found.back();
  }
  if (record.state == AdviceState::ok) {
    record.fix.clear();
    if (found.size() > 1) record.found = joined(found);
  } else if (!found.empty()) {
    record.state = AdviceState::wrong;
    record.found = joined(found);
    record.fix = found == std::vector<std::string>{"0 ."}
                     ? "the domain says that it takes no mail (RFC 7505): replace that record"
                     : "no MX names this server: add it, or remove the domain here";
  }
  add(std::move(record));
}

void Adviser::advise_addresses() {
  const DnsAnswer *v4 = ask(facts_.hostname, DnsType::a), *v6 = ask(facts_.hostname, DnsType::aaaa);
  if (!v4 || !v6) return;
  std::vector<IpAddress> found;
  for (const DnsAnswer* answer : {v4, v6}) {
    for (const auto& each : answer->records) {
      if (const auto* address = std::get_if<IpAddress>(&each)) found.push_back(*address);
    }
  }
  addresses_ = facts_.addresses.empty() ? found : facts_.addresses;
  if (addresses_.size() > limits_.addresses) addresses_.resize(limits_.addresses);
  const AdvisedRecord begin{.topic = "address",
                            .name = facts_.hostname,
                            .type = "A",
                            .required = true,
                            .why = "the host that MX names must have an address"};
  if (addresses_.empty()) {
    AdvisedRecord record = begin;
    record.fix = "add an A (and AAAA) record with the public address of this server";
    add(is_unknown(*v4) ? cannot_tell(std::move(record), *v4) : std::move(record));
  }
  for (const auto& address : addresses_) {
    AdvisedRecord record = begin;
    record.type = address.v6 ? "AAAA" : "A";
    record.value = address.text();
    record.fix = "add the record";
    std::vector<std::string> texts;
    for (const auto& each : found) {
      if (each.v6 == address.v6) texts.push_back(each.text());
    }
    record = compared(std::move(record), address.v6 ? *v6 : *v4, texts);
    if (record.state == AdviceState::ok && address.is_private()) {
      record.state = AdviceState::wrong;
      record.fix = "a private or loopback address: nobody outside reaches it";
    }
    add(std::move(record));
  }
  for (const auto& address : addresses_) advise_reverse(address);
}

void Adviser::advise_reverse(const IpAddress& address) {
  const std::string name = reverse_name(address);
  AdvisedRecord record{.topic = "PTR",
                       .name = name,
                       .type = "PTR",
                       .value = facts_.hostname + ".",
                       .required = true,
                       .ours_to_set = false,
                       .why =
                           "Gmail, Microsoft and others refuse mail from an address whose name "
                           "does not lead back to it",
                       .fix = "set the reverse name of " + address.text() + " at its provider to " +
                              facts_.hostname};
  const DnsAnswer* answer = ask(name, DnsType::ptr);
  if (!answer) return;
  if (is_unknown(*answer)) return add(cannot_tell(std::move(record), *answer));
  const auto found = texts_of(*answer);
  const bool named = std::find(found.begin(), found.end(), facts_.hostname) != found.end();
  const auto forward = check_iprev(findings_, address);
  if (!forward) {
    complete_ = false;
    return;
  }
  record.found = named && found.size() == 1 ? "" : joined(found);
  if (found.empty()) return add(std::move(record));
  if (forward->result == IprevResult::pass) {
    record.state = AdviceState::ok;
    record.fix = named ? "" : "it leads back; better the name that this server says in EHLO";
  } else if (forward->result == IprevResult::temp_error) {
    record.state = AdviceState::cannot_tell;
  } else {
    record.state = AdviceState::wrong;
    if (named) record.fix = "the name has no such address: add it to " + facts_.hostname;
  }
  add(std::move(record));
}

// ---------------------------------------------------------------- SPF
std::vector<std::string> spf_records(const DnsAnswer& answer) {
  std::vector<std::string> records;
  for (const auto& text : texts_of(answer)) {
    const std::string_view rest = text;
    if (!starts_with_ignoring_case(rest, "v=spf1")) continue;
    if (rest.size() == 6 || rest[6] == ' ') records.push_back(text);
  }
  return records;
}

// The record with a term for this server before what ends it: all, or redirect=.
std::string Adviser::next_terms(const std::string& record) const {
  std::string out;
  bool placed = false;
  const std::string term = "a:" + facts_.hostname;
  for (const auto each : split(record, ' ')) {
    if (each.empty()) continue;
    const auto bare = each.find_first_of("+-~?") == 0 ? each.substr(1) : each;
    const bool ends =
        equal_ignoring_case(bare, "all") || starts_with_ignoring_case(bare, "redirect=");
    if (ends && !placed) {
      out += " " + term;
      placed = true;
    }
    out += (out.empty() ? "" : " ") + std::string(each);
  }
  return placed ? out : out + " " + term;
}

// Do all of our addresses pass? nullopt: not known.
std::optional<bool> Adviser::spf_passes(const std::string& domain, std::string& why) {
  bool known = true, all = true;
  if (addresses_.empty()) {
    why = "the addresses of this server are not known (--address)";
    return std::nullopt;
  }
  for (const auto& address : addresses_) {
    const SpfQuery query{.client = address,
                         .helo = facts_.hostname,
                         .local = "postmaster",
                         .domain = domain,
                         .receiver = facts_.hostname,
                         .now = facts_.now};
    const auto verdict = check_spf(findings_, query);
    if (!verdict) {
      known = complete_ = false;
      continue;
    }
    if (verdict->result == SpfResult::pass) continue;
    if (verdict->result == SpfResult::temp_error) known = false;
    all = false;
    why = fmt::format("{} gets {}{}", address.text(), name_of(verdict->result),
                      verdict->problem.empty() ? "" : ": " + verdict->problem);
  }
  if (!known) return std::nullopt;
  return all;
}

void Adviser::advise_spf() {
  AdvisedRecord record{.topic = "SPF",
                       .name = facts_.domain,
                       .type = "TXT",
                       .value = fmt::format("v=spf1 a:{} -all", facts_.hostname),
                       .required = true,
                       .why =
                           "it says which servers may send as the domain; without it mail is "
                           "refused or lands in spam",
                       .fix = "add the record"};
  const DnsAnswer* answer = ask(facts_.domain, DnsType::txt);
  if (!answer) return;
  if (is_unknown(*answer)) return add(cannot_tell(std::move(record), *answer));
  const auto found = spf_records(*answer);
  if (found.empty()) return add(std::move(record));
  record.found = joined(found);
  record.value = found.front();
  if (found.size() > 1) {  // RFC 7208 §4.5
    record.state = AdviceState::wrong;
    record.value = next_terms(found.front());
    record.fix = "two records are an error to every receiver: join them into one";
    return add(std::move(record));
  }
  std::string why;
  const auto passes = spf_passes(facts_.domain, why);
  if (!passes) {
    record.state = AdviceState::cannot_tell;
    record.fix = why;
  } else if (*passes) {
    record.state = AdviceState::ok;
    record.found.clear();
    record.fix.clear();
  } else {
    record.state = AdviceState::wrong;
    record.value = next_terms(found.front());
    record.fix = "replace the record: " + why;
  }
  add(std::move(record));
}

// The null sender of notices is checked by the HELO name (RFC 7208 §2.4).
void Adviser::advise_host_spf() {
  if (facts_.hostname == facts_.domain) return;
  AdvisedRecord record{.topic = "SPF of the host",
                       .name = facts_.hostname,
                       .type = "TXT",
                       .value = "v=spf1 a -all",
                       .why =
                           "notices have no sender: their receivers check the name that this "
                           "server says in EHLO",
                       .fix = "add the record"};
  const DnsAnswer* answer = ask(facts_.hostname, DnsType::txt);
  if (!answer) return;
  if (is_unknown(*answer)) return add(cannot_tell(std::move(record), *answer));
  const auto found = spf_records(*answer);
  if (found.empty()) return add(std::move(record));
  std::string why;
  const auto passes = spf_passes(facts_.hostname, why);
  record.value = found.front();
  record.state = !passes   ? AdviceState::cannot_tell
                 : *passes ? AdviceState::ok
                           : AdviceState::wrong;
  record.fix = record.state == AdviceState::ok ? "" : why;
  if (passes && !*passes) {
    record.found = record.value;
    record.value = next_terms(found.front());
  }
  add(std::move(record));
}

// ---------------------------------------------------------------- DKIM
void Adviser::advise_keys() {
  const std::string why =
      "receivers trust a signature that they can verify; DMARC passes by it even when mail is "
      "forwarded";
  if (facts_.keys.empty()) {
    AdvisedRecord record{.topic = "DKIM",
                         .name = "SELECTOR._domainkey." + facts_.domain,
                         .type = "TXT",
                         .required = true,
                         .why = why,
                         .fix = facts_.keys_known
                                    ? "make a key: goniec dkim create " + facts_.domain
                                    : "the server does not run: its keys are not known"};
    if (!facts_.keys_known) record.state = AdviceState::cannot_tell;
    return add(std::move(record));
  }
  for (const auto& key : facts_.keys) {
    AdvisedRecord record{.topic = "DKIM",
                         .name = key.selector + "._domainkey." + facts_.domain,
                         .type = "TXT",
                         .value = key.record,
                         .required = true,
                         .why = why,
                         .fix = "add the record"};
    const DnsAnswer* answer = ask(record.name, DnsType::txt);
    if (!answer) continue;
    const auto wanted = read_tags(key.record);
    const auto p_of = [](const TagList& tags) {
      return without_white_space(tags.value("p").value_or(""));
    };
    std::vector<std::string> found = texts_of(*answer);
    for (auto& text : found) {
      const auto tags = read_tags(text);
      const bool same = p_of(tags) == p_of(wanted) &&
                        tags.value("k").value_or("rsa") == wanted.value("k").value_or("rsa");
      if (same) text = key.record;  // how it is spaced does not matter
    }
    record = compared(std::move(record), *answer, found);
    if (record.state == AdviceState::wrong)
      record.fix = "DNS has another key: signatures of this server fail; replace it";
    add(std::move(record));
  }
}

// ---------------------------------------------------------------- DMARC
std::string ladder_note(const DmarcRecord& record) {
  if (record.testing)
    return "DMARC: t=y asks receivers to apply one step less; remove it when ready";
  switch (record.policy.value_or(DmarcPolicy::none)) {
    case DmarcPolicy::none:
      return "DMARC ladder: p=none now. Read the reports for two weeks (goniec dmarc sources); "
             "when "
             "all that is yours passes, go to p=quarantine";
    case DmarcPolicy::quarantine:
      return "DMARC ladder: p=quarantine now. When the reports stay clean for two weeks, go to "
             "p=reject";
    case DmarcPolicy::reject:
      return "DMARC ladder: p=reject, the last step";
  }
  return {};
}

void Adviser::advise_dmarc() {
  AdvisedRecord record{.topic = "DMARC",
                       .name = "_dmarc." + facts_.domain,
                       .type = "TXT",
                       .value = "v=DMARC1; p=none; rua=mailto:" + facts_.reports,
                       .required = true,
                       .why =
                           "it ties From to SPF and DKIM, and asks receivers for reports; large "
                           "receivers demand it",
                       .fix = "add the record"};
  const DnsAnswer* answer = ask(record.name, DnsType::txt);
  if (!answer) return;
  if (is_unknown(*answer)) return add(cannot_tell(std::move(record), *answer));
  std::vector<std::string> found;
  for (const auto& text : texts_of(*answer)) {
    if (is_dmarc_record(text)) found.push_back(text);
  }
  if (found.size() == 1) {
    const auto parsed = parse_dmarc_record(found.front());
    if (parsed && parsed->policy && !parsed->wrong_policy) {
      record.state = AdviceState::ok;
      record.value = found.front();
      record.fix =
          parsed->rua.empty() ? "add rua=mailto:" + facts_.reports + " to get reports" : "";
      advice_.notes.push_back(ladder_note(*parsed));
    } else {
      record.state = AdviceState::wrong;
      record.found = joined(found);
      record.fix = parsed
                       ? "p= is missing, or a policy in it is none that exists: replace the record"
                       : parsed.error().message + ": replace the record";
    }
  } else if (found.size() > 1) {  // RFC 9989 §4.10
    record.state = AdviceState::wrong;
    record.found = joined(found);
    record.fix = "several records are none: leave one";
  } else {
    if (const auto texts = texts_of(*answer); !texts.empty()) {
      record.state = AdviceState::wrong;
      record.found = joined(texts);
      record.fix = "a record begins with v=DMARC1: replace what stands there";
    }
    advice_.notes.push_back(ladder_note(DmarcRecord{}));
  }
  add(std::move(record));
  advise_destination();
}

// RFC 9990, "Verifying External Destinations": where the reports go to another domain.
void Adviser::advise_destination() {
  const auto at = facts_.reports.rfind('@');
  const std::string to = at == std::string::npos ? "" : facts_.reports.substr(at + 1);
  const bool inside = to.empty() || to == facts_.domain || to.ends_with("." + facts_.domain) ||
                      facts_.domain.ends_with("." + to);
  if (inside) return;
  AdvisedRecord record{.topic = "DMARC reports",
                       .name = facts_.domain + "._report._dmarc." + to,
                       .type = "TXT",
                       .value = "v=DMARC1",
                       .why =
                           "reporters send to another domain only when that domain says that it "
                           "takes the reports",
                       .fix = "add the record to the zone of " + to};
  const DnsAnswer* answer = ask(record.name, DnsType::txt);
  if (!answer) return;
  std::vector<std::string> found = texts_of(*answer);
  for (auto& text : found) {
    if (is_dmarc_record(text)) text = record.value;
  }
  add(compared(std::move(record), *answer, found));
}

// ---------------------------------------------------------------- transport
AdvisedRecord Adviser::mta_sts_record(const DnsAnswer& answer) const {
  const std::string id = mta_sts_id_of(advice_.mta_sts_policy);
  AdvisedRecord record{.topic = "MTA-STS",
                       .name = mta_sts_record_name(facts_.domain),
                       .type = "TXT",
                       .value = "v=STSv1; id=" + id,
                       .ready = facts_.mta_sts_served,
                       .why =
                           "senders that know the policy refuse to hand mail over without TLS "
                           "and a valid certificate",
                       .fix = facts_.mta_sts_served
                                  ? "add the record"
                                  : "serve the policy first: mta_sts.mode and an https listener"};
  if (is_unknown(answer)) return cannot_tell(std::move(record), answer);
  const MtaStsRecord found = judge_mta_sts_record(answer);
  const auto texts = texts_of(answer);
  if (found.kind == MtaStsRecord::Kind::found && (!facts_.mta_sts_served || found.id == id)) {
    record.state = AdviceState::ok;
    record.value = "v=STSv1; id=" + found.id;
    record.fix.clear();
  } else if (!texts.empty()) {
    record.state = AdviceState::wrong;
    record.found = joined(texts);
    record.fix = found.kind == MtaStsRecord::Kind::found
                     ? "the policy served here is another than this id says: publish its id"
                     : "senders see no policy: " + found.why;
  }
  return record;
}

void Adviser::advise_mta_sts() {
  const DnsAnswer *answer = ask(mta_sts_record_name(facts_.domain), DnsType::txt),
                  *mx = ask(facts_.domain, DnsType::mx);
  if (!answer || !mx) return;
  std::vector<std::string> hosts;
  for (const auto& each : mx->records) {
    const auto* one = std::get_if<DnsMx>(&each);
    if (one && !one->exchange.empty()) hosts.push_back(one->exchange);
  }
  if (facts_.mta_sts_served ||
      std::find(hosts.begin(), hosts.end(), facts_.hostname) == hosts.end())
    hosts = {facts_.hostname};
  advice_.mta_sts_policy = mta_sts_policy_text(hosts, facts_.mta_sts_mode);
  add(mta_sts_record(*answer));
  const std::string host = mta_sts_policy_host(facts_.domain);
  advise_policy_host({.topic = "MTA-STS host",
                      .name = host,
                      .type = "CNAME",
                      .value = facts_.hostname + ".",
                      .ready = facts_.mta_sts_served,
                      .why = "senders fetch https://" + host + "/.well-known/mta-sts.txt",
                      .fix = "add the record, and that name to the certificate"});
}

// A CNAME, or addresses: both lead there.
void Adviser::advise_policy_host(AdvisedRecord host) {
  const DnsAnswer* alias = ask(host.name, DnsType::cname);
  const DnsAnswer* address = ask(host.name, DnsType::a);
  const DnsAnswer* address6 = ask(host.name, DnsType::aaaa);
  if (!alias || !address || !address6) return;
  std::vector<std::string> found = texts_of(*alias);
  for (const DnsAnswer* answer : {address, address6}) {
    for (const auto& each : answer->records) {
      const auto* one = std::get_if<IpAddress>(&each);
      if (!one) continue;
      const bool ours = std::find(addresses_.begin(), addresses_.end(), *one) != addresses_.end();
      found.push_back(ours ? host.value : one->text());
    }
  }
  add(compared(std::move(host), is_unknown(*alias) ? *alias : *address, found));
}

void Adviser::advise_tls_reports() {
  AdvisedRecord record{.topic = "TLS-RPT",
                       .name = "_smtp._tls." + facts_.domain,
                       .type = "TXT",
                       .value = "v=TLSRPTv1; rua=mailto:" + facts_.reports,
                       .why = "senders report each day where TLS to this server failed",
                       .fix = "add the record"};
  const DnsAnswer* answer = ask(record.name, DnsType::txt);
  if (!answer) return;
  if (is_unknown(*answer)) return add(cannot_tell(std::move(record), *answer));
  const auto texts = texts_of(*answer);
  const auto one = tls_report_record_of(texts);
  if (one && parse_tls_report_record(*one)) {
    record.state = AdviceState::ok;
    record.value = *one;
    record.fix.clear();
  } else if (!texts.empty()) {
    record.state = AdviceState::wrong;
    record.found = joined(texts);
    record.fix = one ? parse_tls_report_record(*one).error().message
                     : "there must be one record that begins with \"v=TLSRPTv1;\"";
  }
  add(std::move(record));
}

std::string tlsa_text(const DnsTlsa& record) {
  return fmt::format("{} {} {} {}", record.usage, record.selector, record.matching,
                     to_hex(record.data));
}

void Adviser::advise_tlsa() {
  if (facts_.tlsa.empty()) return;
  const std::string name = "_25._tcp." + facts_.hostname;
  const DnsAnswer *answer = ask(name, DnsType::tlsa), *host = ask(facts_.hostname, DnsType::a);
  if (!answer || !host) return;
  std::vector<std::string> found;
  bool matches = false;
  for (const auto& each : answer->records) {
    const auto* record = std::get_if<DnsTlsa>(&each);
    if (!record) continue;
    found.push_back(tlsa_text(*record));
    for (const auto& ours : facts_.tlsa) matches = matches || tlsa_text(ours) == found.back();
  }
  AdvisedRecord record{.topic = "TLSA",
                       .name = name,
                       .type = "TLSA",
                       .value = tlsa_text(facts_.tlsa.front()),
                       .why =
                           "DANE: senders refuse a server that shows another key; only in a zone "
                           "signed by DNSSEC",
                       .fix = host->authenticated
                                  ? "add the record; keep the key when the certificate is renewed"
                                  : "the zone of the host is not signed, or not validated here: "
                                    "without DNSSEC nobody looks at it"};
  if (is_unknown(*answer)) return add(cannot_tell(std::move(record), *answer));
  if (matches) {
    record.state = AdviceState::ok;
    record.fix.clear();
  } else if (!found.empty()) {
    record.state = AdviceState::wrong;
    record.found = joined(found);
    record.fix = "no record matches the certificate: senders with DANE refuse this server";
    // Without a signature nobody looks at it.
    record.required = host->authenticated;
  }
  add(std::move(record));
}

// ---------------------------------------------------------------- programs of people
void Adviser::advise_services() {
  for (const auto& service : facts_.services) {
    AdvisedRecord record{.topic = "SRV",
                         .name = service.service + "." + facts_.domain,
                         .type = "SRV",
                         .value = fmt::format("0 1 {} {}.", service.port, facts_.hostname),
                         .why = "mail programs find the server by it",
                         .fix = "add the record"};
    const DnsAnswer* answer = ask(record.name, DnsType::srv);
    if (!answer) continue;
    std::vector<std::string> found = texts_of(*answer);
    const std::string end = fmt::format(" {} {}", service.port, facts_.hostname);
    for (auto& text : found) {
      if (text.ends_with(end)) text = record.value;  // whatever priority and weight
    }
    record = compared(std::move(record), *answer, found);
    if (record.state == AdviceState::wrong) record.fix = "it names another server: replace it";
    add(std::move(record));
  }
}

void Adviser::advise_autoconfig() {
  AdvisedRecord record{.topic = "autoconfig",
                       .name = "autoconfig." + facts_.domain,
                       .type = "CNAME",
                       .value = facts_.hostname + ".",
                       .ready = facts_.autoconfig_served,
                       .why = "Thunderbird and others ask this host how to be set up",
                       .fix = "add the record when such a service runs on the server"};
  advise_policy_host(std::move(record));
}

}  // namespace

std::string_view name_of(AdviceState state) {
  switch (state) {
    case AdviceState::ok:
      return "ok";
    case AdviceState::wrong:
      return "wrong";
    case AdviceState::missing:
      return "missing";
    case AdviceState::cannot_tell:
      return "cannot tell";
  }
  return "";
}

bool DnsAdvice::is_wrong() const {
  return std::any_of(records.begin(), records.end(), [](const AdvisedRecord& record) {
    return record.state == AdviceState::wrong ||
           (record.required && record.state == AdviceState::missing);
  });
}

std::string mta_sts_policy_text(const std::vector<std::string>& hosts, std::string_view mode) {
  constexpr std::uint32_t week = 7 * 86'400;  // RFC 8461 §3.2: weeks or greater
  MtaStsPolicy policy{.mode = MtaStsMode::testing, .mx = hosts, .max_age = week};
  if (mode == "enforce") policy.mode = MtaStsMode::enforce;
  if (mode == "none") policy.mode = MtaStsMode::none;
  return print_mta_sts_policy(policy);
}

// RFC 8461 §3.1: letters and digits, at most 32; another policy has another id.
std::string mta_sts_id_of(std::string_view policy_text) {
  return to_hex(view(sha256(policy_text))).substr(0, 16);
}

std::optional<DnsAdvice> advise_dns(Findings& findings, const DnsAdviceFacts& facts,
                                    const DnsAdviceLimits& limits) {
  return Adviser(findings, facts, limits).judge();
}

}  // namespace goniec
