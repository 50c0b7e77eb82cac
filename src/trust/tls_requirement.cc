// See tls_requirement.h.
#include "trust/tls_requirement.h"

#include <algorithm>

#include "base/digest.h"
#include "base/text.h"

namespace goniec {

std::string_view name_of(TlsLevel level) {
  switch (level) {
    case TlsLevel::none:
      return "none";
    case TlsLevel::opportunistic:
      return "opportunistic";
    case TlsLevel::encrypted:
      return "encrypted";
    case TlsLevel::verified:
      return "verified";
  }
  return "";
}

std::string_view name_of(TlsProof proof) {
  switch (proof) {
    case TlsProof::nothing:
      return "none";
    case TlsProof::dane:
      return "dane";
    case TlsProof::mta_sts:
      return "mta_sts";
    case TlsProof::pkix:
      return "pkix";
  }
  return "";
}

std::string_view name_of(TlsAsker asker) {
  switch (asker) {
    case TlsAsker::nobody:
      return "nobody";
    case TlsAsker::dane:
      return "dane";
    case TlsAsker::mta_sts:
      return "mta_sts";
    case TlsAsker::route:
      return "route";
    case TlsAsker::requiretls:
      return "requiretls";
  }
  return "";
}

std::string_view name_of(TlsFault fault) {
  switch (fault) {
    case TlsFault::none:
      return "";
    case TlsFault::starttls_not_supported:
      return "starttls-not-supported";
    case TlsFault::certificate_host_mismatch:
      return "certificate-host-mismatch";
    case TlsFault::certificate_expired:
      return "certificate-expired";
    case TlsFault::certificate_not_trusted:
      return "certificate-not-trusted";
    case TlsFault::validation_failure:
      return "validation-failure";
    case TlsFault::tlsa_invalid:
      return "tlsa-invalid";
    case TlsFault::dnssec_invalid:
      return "dnssec-invalid";
    case TlsFault::dane_required:
      return "dane-required";
    case TlsFault::sts_policy_fetch_error:
      return "sts-policy-fetch-error";
    case TlsFault::sts_policy_invalid:
      return "sts-policy-invalid";
    case TlsFault::sts_webpki_invalid:
      return "sts-webpki-invalid";
  }
  return "";
}

// ------------------------------------------------------------------------------------ the message
MessageTlsWish tls_wish_of(const Message& message) {
  return {message.sender.requiretls && !message.sender.address.empty(), message.tls_policies_off};
}

bool asks_policies_off(std::string_view header) {
  constexpr std::string_view field = "TLS-Required:";
  std::size_t count = 0;
  bool is_no = false;
  while (!header.empty()) {
    const auto end = header.find('\n');
    std::string_view line = header.substr(0, end);
    header = end == std::string_view::npos ? std::string_view() : header.substr(end + 1);
    if (!starts_with_ignoring_case(line, field)) continue;
    if (line.ends_with('\r')) line.remove_suffix(1);
    const bool folded = !header.empty() && (header.front() == ' ' || header.front() == '\t');
    is_no = !folded && equal_ignoring_case(trim(line.substr(field.size())), "No");
    ++count;
  }
  return count == 1 && is_no;  // RFC 8689 §3: the field stands once
}

// ------------------------------------------------------------------------------------ before
namespace {

void ask_for_dane(TlsRequirement& need, const DaneFinding& dane) {
  need.by = TlsAsker::dane;
  need.who = fmt::format("DANE (TLSA of {})", dane.owner());
  if (dane.state == DaneState::failed) {
    need.blocked = TlsRefusal{TlsFault::dnssec_invalid,
                              fmt::format("{}; without an answer nothing is sent there", dane.why)};
    return;
  }
  need.dane = dane;
  need.policy_type = "tlsa";
  for (const DnsTlsa& record : dane.records)
    need.policy_strings.push_back(fmt::format("{} {} {} {}", record.usage, record.selector,
                                              record.matching, to_hex(record.data)));
  const bool usable = dane.state == DaneState::usable;
  need.level = usable ? TlsLevel::verified : TlsLevel::encrypted;
  need.proof = usable ? TlsProof::dane : TlsProof::nothing;
}

void remember_policy(TlsRequirement& need, const MtaStsPolicy& policy) {
  need.policy_type = "sts";
  need.policy_strings.clear();
  const std::string text = print_mta_sts_policy(policy);
  for (std::string_view line : split(text, '\n'))
    if (!line.empty()) need.policy_strings.emplace_back(line);
  need.policy_mx = policy.mx;
}

void ask_for_mta_sts(TlsRequirement& need, const TlsSituation& situation) {
  const MtaStsPolicy& policy = situation.mta_sts->policy;
  if (policy.mode == MtaStsMode::none) return;
  const std::string who = fmt::format("MTA-STS of {} ({}, id {})", situation.domain,
                                      name_of(policy.mode), situation.mta_sts->id);
  remember_policy(need, policy);
  const bool allowed = allows_mx(policy, situation.host);
  if (policy.mode == MtaStsMode::testing) {  // RFC 8461 §5: delivered as if there were none
    need.report_only = true;
    if (need.by == TlsAsker::nobody) need.who = who;
    if (allowed) need.names = {situation.host};
    return;
  }
  need.by = TlsAsker::mta_sts;
  need.who = who;
  if (!allowed) {
    need.blocked =
        TlsRefusal{TlsFault::validation_failure,
                   fmt::format("{} does not list {} as a host of the domain", who, situation.host)};
    return;
  }
  need.level = TlsLevel::verified;
  need.proof = TlsProof::mta_sts;
  need.names = {situation.host};
}

void ask_for_requiretls(TlsRequirement& need, const TlsSituation& situation) {
  need.needs_requiretls = true;
  if (need.level == TlsLevel::verified || need.blocked) return;
  const bool known_way = situation.way != TlsSituation::Way::mx;
  need.by = TlsAsker::requiretls;
  need.who = "REQUIRETLS of the message";
  if (situation.route == RouteTlsWish::none || !known_way) {
    need.blocked = TlsRefusal{
        TlsFault::none,
        fmt::format("{}: {}", need.who,
                    known_way ? fmt::format("{} has tls = \"none\"", situation.route_rule)
                              : fmt::format("that {} is a host of {} is neither signed in DNS nor "
                                            "in an MTA-STS policy (RFC 8689 §4.2.1)",
                                            situation.host, situation.domain)),
        true};
    return;
  }
  need.level = TlsLevel::verified;
  need.proof = TlsProof::pkix;
  need.names = {situation.host};
}

}  // namespace

TlsRequirement require_tls(const TlsSituation& situation) {
  TlsRequirement need;
  const MessageTlsWish& wish = situation.wish;
  const bool policies =
      situation.route != RouteTlsWish::none && (!wish.policies_off || wish.requiretls);
  if (situation.route == RouteTlsWish::none) {
    need.level = TlsLevel::none;
    need.by = TlsAsker::route;
    need.who = situation.route_rule;
  }
  if (policies && situation.dane.state != DaneState::does_not_apply)
    ask_for_dane(need, situation.dane);
  if (policies && situation.mta_sts && need.level != TlsLevel::verified && !need.blocked)
    ask_for_mta_sts(need, situation);
  if (situation.route == RouteTlsWish::required && need.level == TlsLevel::opportunistic &&
      !need.blocked) {
    need.level = TlsLevel::encrypted;
    need.by = TlsAsker::route;
    need.who = situation.route_rule;
  }
  if (wish.requiretls) ask_for_requiretls(need, situation);
  return need;
}

std::string TlsRequirement::text() const {
  if (blocked) return "not to be used: " + blocked->why;
  switch (level) {
    case TlsLevel::none:
      return "clear text, by " + who;
    case TlsLevel::opportunistic:
      return report_only ? "opportunistic; reported by " + who : "opportunistic";
    case TlsLevel::encrypted:
      return "encrypted, by " + who;
    case TlsLevel::verified:
      return "verified, by " + who;
  }
  return {};
}

std::string TlsRequirement::key() const {
  if (by == TlsAsker::nobody && !report_only && !needs_requiretls) return {};
  std::string essence = fmt::format("{} {} {} {}", name_of(level), name_of(proof),
                                    needs_requiretls ? "requiretls" : "",
                                    blocked       ? blocked->why
                                    : report_only ? who
                                                  : std::string());
  for (const std::string& name : names) essence += " " + name;
  if (proof == TlsProof::dane) {
    bool by_name = false;
    essence += " " + dane.owner();
    for (const DnsTlsa& record : dane.records) {
      essence += fmt::format(" {}/{}/{}/{}", record.usage, record.selector, record.matching,
                             to_hex(record.data));
      by_name = by_name || record.usage == 2;
    }
    if (by_name)  // an end entity's key needs no name: domains of one host share
      for (const std::string& name : dane.names) essence += " " + name;
  }
  const Sha256 digest = sha256(essence);
  return fmt::format("{}-{}", name_of(level), to_hex(view(digest).substr(0, 8)));
}

// ------------------------------------------------------------------------------------ after
namespace {

TlsFault fault_of(ChainFault fault) {
  switch (fault) {
    case ChainFault::none:
      return TlsFault::none;
    case ChainFault::unreadable:
      return TlsFault::validation_failure;
    case ChainFault::not_trusted:
      return TlsFault::certificate_not_trusted;
    case ChainFault::expired:
      return TlsFault::certificate_expired;
    case ChainFault::host_mismatch:
      return TlsFault::certificate_host_mismatch;
  }
  return TlsFault::validation_failure;
}

struct Checked {
  ChainFault fault = ChainFault::none;
  std::string why;
};

Checked check_pkix(const TlsRequirement& need, const TlsSeen& seen, const TrustRoots* roots,
                   Instant now) {
  if (!roots) return {ChainFault::not_trusted, "there are no root certificates here"};
  if (need.names.empty()) return {ChainFault::host_mismatch, need.who + " does not list this host"};
  ChainVerdict verdict = verify_pkix(seen.chain, *roots, need.names, now);
  return {verdict.fault, std::move(verdict.why)};
}

Checked check_proof(const TlsRequirement& need, const TlsSeen& seen, const TrustRoots* roots,
                    Instant now) {
  switch (need.proof) {
    case TlsProof::nothing:
      return {};
    case TlsProof::dane: {
      DaneVerdict verdict = match_dane(need.dane, seen.chain, now);
      return {verdict.fault, std::move(verdict.why)};
    }
    case TlsProof::mta_sts:
    case TlsProof::pkix:
      return check_pkix(need, seen, roots, now);
  }
  return {ChainFault::not_trusted, {}};
}

TlsJudgement not_good(const TlsRequirement& need, TlsFault fault, std::string why) {
  TlsJudgement judgement;
  judgement.fault = fault;
  judgement.why = why;
  if (!need.may_be_clear())
    judgement.refused = TlsRefusal{
        fault, fmt::format("{} wants TLS that is {}: {}", need.who, name_of(need.level), why)};
  return judgement;
}

}  // namespace

TlsJudgement judge_tls(const TlsRequirement& requirement, const TlsSeen& seen,
                       const TrustRoots* roots, Instant now) {
  switch (seen.kind) {
    case TlsSeen::Kind::not_offered:
      return not_good(requirement, TlsFault::starttls_not_supported, "STARTTLS is not offered");
    case TlsSeen::Kind::refused:
      return not_good(requirement, TlsFault::starttls_not_supported,
                      "STARTTLS was refused: " + seen.why);
    case TlsSeen::Kind::broken:
      return not_good(requirement, TlsFault::validation_failure,
                      "the TLS handshake failed: " + seen.why);
    case TlsSeen::Kind::up:
      break;
  }
  TlsJudgement judgement;
  if (requirement.level == TlsLevel::verified) {
    Checked checked = check_proof(requirement, seen, roots, now);
    if (checked.fault != ChainFault::none)
      return not_good(requirement, fault_of(checked.fault), std::move(checked.why));
    judgement.verified = requirement.proof;
  } else if (requirement.report_only) {
    Checked checked = check_pkix(requirement, seen, roots, now);
    judgement.fault = fault_of(checked.fault);
    judgement.why = std::move(checked.why);
    if (checked.fault == ChainFault::none) judgement.verified = TlsProof::mta_sts;
  } else if (requirement.by == TlsAsker::dane) {
    judgement.fault = TlsFault::tlsa_invalid;  // RFC 8460 §4.3.2.1: none of the records is valid
    judgement.why = requirement.dane.why;
  }
  return judgement;
}

std::optional<TlsRefusal> judge_requiretls_offer(const TlsRequirement& requirement,
                                                 const std::string& host, bool offered) {
  if (!requirement.needs_requiretls || offered) return std::nullopt;
  return TlsRefusal{TlsFault::none,
                    fmt::format("REQUIRETLS of the message: {} does not offer it", host), true};
}

}  // namespace goniec
