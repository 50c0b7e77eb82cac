// See policy.h: the table.
#include "inbound/policy.h"

#include "base/text.h"

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

}  // namespace

Verdict judge_recipient(const RecipientFacts& facts) {
  const std::string shown = printable(facts.address.text());
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
