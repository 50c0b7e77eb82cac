// See policy.h: the table.
#include "inbound/policy.h"

#include <algorithm>

#include "base/text.h"
#include "queue/route.h"

namespace goniec {
namespace {

using Kind = Verdict::Kind;

Verdict accept(std::string rule) {
  return {Kind::accept, Reply(250, {2, 1, 5}, "Ok"), std::move(rule)};
}
Verdict defer(Reply reply, std::string rule) {
  return {Kind::defer, std::move(reply), std::move(rule)};
}
Verdict reject(Reply reply, std::string rule) {
  return {Kind::reject, std::move(reply), std::move(rule)};
}

Verdict judge_verified(const RecipientFacts& facts) {
  if (!facts.verified || facts.verified->is_transient())
    return defer(Reply(450, {4, 1, 1}, "this recipient cannot be verified now, try again later"),
                 "recipient.verify_wait");
  if (facts.verified->is_positive()) return accept("recipient.verify_ok");
  return reject(
      Reply(550, {5, 1, 1}, "the next hop refuses this recipient: " + facts.verified->one_line()),
      "recipient.verify_refused");
}

// What is sent to an address that forwarding made is for the sender behind it.
Verdict judge_returned(SrsStatus status, const std::string& shown) {
  switch (status) {
    case SrsStatus::good:
      return accept("srs.return");
    case SrsStatus::malformed:
      return reject(Reply(550, {5, 1, 3},
                          fmt::format("<{}>: a return address (SRS) that is not in its form; it "
                                      "was cut or changed on its way",
                                      shown)),
                    "srs.malformed");
    case SrsStatus::forged:
      return reject(Reply(550, {5, 1, 1},
                          fmt::format("<{}>: a return address (SRS) that was not made here, or was "
                                      "changed on its way",
                                      shown)),
                    "srs.forged");
    case SrsStatus::expired:
      return reject(
          Reply(550, {5, 1, 1},
                fmt::format("<{}>: this return address (SRS) has expired; it was made for notices "
                            "about a message that was forwarded long ago",
                            shown)),
          "srs.expired");
  }
  return reject(Reply(550, {5, 1, 1}, "no such address"), "srs.malformed");
}

// What a person can do about it: which check, which domain, the fix (5.7.1: RFC 7489 §10.3).
std::string dmarc_refusal(const ContentFacts& facts, const DmarcVerdict& dmarc) {
  const std::string author = printable(dmarc.author, 100);
  const std::string spf_domain = facts.spf.domain.empty() ? "no domain" : facts.spf.domain;
  return fmt::format(
      "DMARC: {0} asks to reject mail in its name that neither SPF nor DKIM vouches for "
      "({1}=reject "
      "at {2}). SPF: {3} for {4} from {5}. DKIM: {6}. To fix it, send by a server in the SPF "
      "record "
      "of {0} or sign with DKIM d={0}",
      author, dmarc.policy_tag, printable(dmarc.record_domain, 100), name_of(facts.spf.result),
      printable(spf_domain, 100), facts.client.text(), printable(facts.dkim, 160));
}

std::string spf_refusal(const ContentFacts& facts) {
  std::string text = fmt::format("SPF: {} does not permit {} to send in its name ({})",
                                 printable(facts.spf.domain, 100), facts.client.text(),
                                 printable(facts.spf.mechanism, 100));
  if (!facts.spf.explanation.empty())
    text += fmt::format("; it explains: {}", printable(facts.spf.explanation, 200));
  return text + "; to fix it, add the address to that domain's SPF record";
}

// A fail with its wish, as this house treats that domain.
struct Wish {
  const DmarcVerdict* of = nullptr;
  DmarcPolicy policy = DmarcPolicy::none;
};

// RFC 9989 §4.10.1 is for one author; of several the strictest wish counts.
Wish strictest(const ContentFacts& facts, const TrustPolicy& policy, DmarcWay way) {
  Wish wish;
  for (const DmarcVerdict& each : facts.dmarc) {
    if (each.result != DmarcResult::fail || policy.dmarc_for(each.author) != way) continue;
    const auto wanted = each.policy.value_or(DmarcPolicy::none);
    if (!wish.of || wanted > wish.policy) wish = {&each, wanted};
  }
  return wish;
}

ContentVerdict taken(std::string rule, std::string domain = {}) {
  return {{Kind::accept, Reply(250, {2, 0, 0}, "Ok"), std::move(rule)}, false, std::move(domain)};
}

const DmarcVerdict* first_with(const ContentFacts& facts, DmarcResult result) {
  const auto at = std::ranges::find(facts.dmarc, result, &DmarcVerdict::result);
  return at == facts.dmarc.end() ? nullptr : &*at;
}

// Nothing is to be refused or put aside: what is said of it.
ContentVerdict judge_harmless(const ContentFacts& facts, const TrustPolicy& policy) {
  const Wish observed = strictest(facts, policy, DmarcWay::observe);
  if (observed.of && observed.policy != DmarcPolicy::none)
    return taken("dmarc.observed", observed.of->author);
  if (const auto* each = first_with(facts, DmarcResult::fail))
    return taken("dmarc.fail", each->author);
  if (const auto* each = first_with(facts, DmarcResult::pass))
    return taken("dmarc.pass", each->author);
  if (facts.no_author || first_with(facts, DmarcResult::perm_error))
    return taken("dmarc.no_author");
  if (facts.dmarc.empty()) return taken("dmarc.off");
  return taken("dmarc.none", facts.dmarc.front().author);
}

ContentVerdict judge_anyone(const ContentFacts& facts, const TrustPolicy& policy) {
  if (facts.too_many_authors && policy.dmarc == DmarcWay::apply)
    return {reject(Reply(550, {5, 7, 1},
                         "DMARC: the From field names more domains than are looked at; to fix it, "
                         "name one author"),
                   "dmarc.authors"),
            false,
            {}};
  const Wish wish = strictest(facts, policy, DmarcWay::apply);
  const bool sealed = wish.policy != DmarcPolicy::none && !facts.trusted_sealer.empty();
  if (wish.policy == DmarcPolicy::reject && !sealed)
    return {reject(Reply(550, {5, 7, 1}, dmarc_refusal(facts, *wish.of)), "dmarc.reject"), false,
            wish.of->author};
  if (facts.spf.result == SpfResult::fail && policy.spf_for(facts.spf.domain) == SpfWay::reject &&
      !first_with(facts, DmarcResult::pass) && !sealed)
    return {reject(Reply(550, {5, 7, 23}, spf_refusal(facts)), "spf.fail"),  // RFC 7372 §3.2
            false, facts.spf.domain};
  const DmarcVerdict* unknown = nullptr;
  for (const DmarcVerdict& each : facts.dmarc) {
    if (each.result == DmarcResult::temp_error && policy.dmarc_for(each.author) == DmarcWay::apply)
      unknown = &each;
  }
  if (unknown && policy.temporary == TemporaryWay::defer)
    return {defer(Reply(451, {4, 7, 1},
                        fmt::format("DMARC: what {} asks for cannot be learned now, try again "
                                    "later",
                                    printable(unknown->author, 100))),
                  "dmarc.temporary"),
            false, unknown->author};
  if (sealed) return taken("dmarc.arc", wish.of->author);
  if (wish.policy == DmarcPolicy::quarantine) {
    auto verdict = taken("dmarc.quarantine", wish.of->author);
    verdict.junk = true;
    return verdict;
  }
  if (unknown) return taken("dmarc.temporary", unknown->author);
  return judge_harmless(facts, policy);
}

// The first override of the domain that says anything of it; else what holds for all.
template <class Way>
Way way_for(const TrustPolicy& policy, std::string_view domain,
            std::optional<Way> TrustOverride::* of, Way otherwise) {
  for (const TrustOverride& each : policy.overrides) {
    if (!(each.*of)) continue;
    for (const std::string& pattern : each.domains)
      if (domain_matches(pattern, domain)) return *(each.*of);
  }
  return otherwise;
}

}  // namespace

DmarcWay TrustPolicy::dmarc_for(std::string_view domain) const {
  return way_for(*this, domain, &TrustOverride::dmarc, dmarc);
}

SpfWay TrustPolicy::spf_for(std::string_view domain) const {
  return way_for(*this, domain, &TrustOverride::spf, spf);
}

bool TrustPolicy::trusts_sealer(std::string_view domain) const {
  return std::ranges::any_of(
      arc_trusted, [&](const std::string& pattern) { return domain_matches(pattern, domain); });
}

bool TrustPolicy::looks_at(const IpAddress& client) const {
  return private_callers != PrivateWay::skip || !client.is_private();
}

bool TrustPolicy::only_observes(const IpAddress& client) const {
  return private_callers == PrivateWay::observe && client.is_private();
}

ContentVerdict judge_content(const ContentFacts& facts, const TrustPolicy& policy) {
  ContentVerdict judged = judge_anyone(facts, policy);
  const bool harmless = judged.verdict.kind == Kind::accept && !judged.junk;
  if (harmless || !policy.only_observes(facts.client)) return judged;
  return taken("private.observed", std::move(judged.domain));
}

Verdict judge_recipient(const RecipientFacts& facts) {
  const std::string shown = printable(facts.address.text());
  if (facts.srs && facts.store_silent)
    return defer(Reply(451, {4, 3, 0}, "whose return address (SRS) this is cannot be read now"),
                 "srs.wait");
  if (facts.srs) return judge_returned(*facts.srs, shown);
  if (facts.unsubscribe) return accept("recipient.unsubscribe");
  switch (facts.kind) {
    case RecipientKind::unknown:
      return reject(Reply(550, {5, 1, 1}, fmt::format("<{}>: no such user here", shown)),
                    "recipient.unknown");
    case RecipientKind::mailbox:
      if (facts.over_quota)
        return defer(Reply(452, {4, 2, 2}, fmt::format("<{}>: the mailbox is full", shown)),
                     "recipient.quota");
      return accept("recipient.local");
    case RecipientKind::alias:
      return accept("recipient.local");
    case RecipientKind::relay:
      return accept("relay.domain");
    case RecipientKind::verify:
      return judge_verified(facts);
    case RecipientKind::remote:
      break;
  }
  if (facts.listener == ListenerKind::lmtp)  // RFC 2033: final delivery only
    return reject(
        Reply(550, {5, 7, 1}, fmt::format("<{}>: LMTP delivers to local mailboxes only", shown)),
        "relay.denied");
  if (facts.logged_in) return accept("relay.login");
  if (facts.trusted) return accept("relay.trusted");
  return reject(
      Reply(554, {5, 7, 1},
            fmt::format(
                "<{}>: Relay access denied; this domain is not hosted here, log in on a submission "
                "port to send elsewhere",
                shown)),
      "relay.denied");
}

Verdict judge_sender(const SenderFacts& facts) {
  if (facts.logged_in && !facts.may_send_as)
    return reject(Reply(553, {5, 7, 1},
                        fmt::format("<{}>: this account may not send as this address",
                                    printable(facts.sender.address.text()))),
                  "sender.ownership");
  if (facts.disk_full)
    return defer(Reply(452, {4, 3, 1}, "no room for mail now, try again later"),
                 "sender.full_disk");
  return {Kind::accept, Reply(250, {2, 1, 0}, "Ok"), "sender.ok"};
}

}  // namespace goniec
